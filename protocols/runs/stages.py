"""Measurements in stages: in the order of their worth, each with a time limit, every result in a file at once.

A stage runs in a process of its own, so that one that fails, hangs or fills a GPU's memory costs the others nothing.
Whatever ends the command leaves the rows of all that was measured before.
"""

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocols.runs.processes import Failed, side_by_side


@dataclass(frozen=True)
class Rows:
    """A CSV file to which rows are appended one by one; empty cells where a row has no value.

    Parameters
    ----------
    path
        The file.
    columns
        Its header.
    stage
        Value of the column ``stage``.
    """

    path: Path
    columns: tuple[str, ...]
    stage: str = ""

    def begin(self) -> None:
        """Write the header, over whatever the file held."""
        with open(self.path, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(self.columns)

    def add(self, **values: Any) -> None:
        """Append a row, and print it.

        Raises
        ------
        KeyError
            If the file has no such column.
        """
        if unknown := values.keys() - set(self.columns):
            raise KeyError(f"{', '.join(sorted(unknown))}; allowed: {', '.join(self.columns)}")
        spelled = {name: f"{v:.5g}" if isinstance(v, float) else str(v) for name, v in values.items() if v is not None}
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writerow({"stage": self.stage} | spelled)
        print(f"{self.stage}: " + ", ".join(f"{name} {value}" for name, value in spelled.items()), flush=True)


@dataclass(frozen=True)
class Stage:
    """A measurement.

    Parameters
    ----------
    name
        For the column ``stage`` and for messages.
    limit_s
        Seconds after which it is ended.
    measure
        Called with the rows to add to. It must be picklable.
    """

    name: str
    limit_s: float
    measure: Callable[[Rows], None]


def carry_out(stages: Sequence[Stage], rows: Rows, total_s: float, preload: Sequence[str] = ()) -> list[str]:
    """Run the stages one after the other; returns one line for each that failed, or that no time was left for.

    Parameters
    ----------
    total_s
        Seconds for all stages together.
    preload
        As in `protocols.runs.processes.side_by_side`.
    """
    rows.begin()
    end, lines = time.monotonic() + total_s, list[str]()
    limits = dict[int, float]()

    def following() -> Iterator[tuple[int, Any]]:
        for index, stage in enumerate(stages):
            if (left := end - time.monotonic()) <= 0:
                lines.append(f"{stage.name}: no time left")
                continue
            limits[index] = min(stage.limit_s, left)
            yield index, (stage, rows)

    waiting = following()
    done = side_by_side(_measured, lambda: next(waiting, None), 1, lambda *_: None, preload, lambda key: limits[key])
    for index, result in done:
        if isinstance(result, Failed):
            lines.append(f"{stages[index].name}: {result.reason}")
    return lines


def _measured(work: tuple[Stage, Rows], report: Callable[[float], None]) -> None:
    stage, rows = work
    try:
        stage.measure(Rows(rows.path, rows.columns, stage.name))
    except Exception as fault:  # whatever it is: one line, and the next stage
        raise RuntimeError(f"{type(fault).__name__}: {str(fault).strip().partition(chr(10))[0]}") from fault
