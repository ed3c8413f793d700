"""Table of all trainings that runs have finished so far: ``python -m hebbian_dl.bench.finished RUNS``.

A run that was cut off keeps the results of its trainings in ``<hash>.partial``, a complete one in its arrays.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from protocols.runs import cli
from protocols.spec.faults import ProtocolFault

COLUMNS = ("protocol", "run", "seed", "method", "labels", "top1", "top5", "validation", "epoch", "wall_s")
VALUES = {"n_labels": "labels"} | {name: name for name in COLUMNS[5:]}


def rows(runs: Path) -> Iterator[dict[str, Any]]:
    """One row for each seed, method and number of labels, sorted by these."""
    for folder in sorted(path for path in runs.glob("*/*") if path.is_dir()):
        found = _complete(folder) if (folder / "arrays.npz").exists() else _partial(folder)
        about = {"protocol": folder.parent.name, "run": folder.name}
        yield from sorted((about | row for row in found), key=lambda row: (row["seed"], row["method"], row["labels"]))


def _partial(folder: Path) -> Iterator[dict[str, Any]]:
    for path in folder.glob("seed_*.npz"):
        _, seed, rest = path.stem.split("_", 2)
        with np.load(path) as part:
            if "top1" in part and part["top1"].ndim == 0:  # of one number of labels; others sum these up
                yield {"seed": int(seed), "method": rest.rpartition("_")[0]} | _values(part, ())


def _complete(folder: Path) -> Iterator[dict[str, Any]]:
    with np.load(folder / "arrays.npz") as arrays:
        for name in [name for name in arrays if name.endswith("/top1")]:
            prefix = name.removesuffix("top1")
            seed, method = prefix.strip("/").removeprefix("seed_").split("/")
            part = {key: arrays[prefix + key] for key in VALUES}
            for index in range(len(part["top1"])):
                yield {"seed": int(seed), "method": method} | _values(part, (index,))


def _values(part: Any, index: tuple[int, ...]) -> dict[str, Any]:
    return {column: part[key][index].item() for key, column in VALUES.items()}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def finished(
    runs: Annotated[Path, typer.Argument(help="Folder of run directories, as --out of hebbian_dl.run.")],
    csv_: Annotated[Path | None, typer.Option("--csv", help="File to write; default: the standard output.")] = None,
) -> None:
    """Write a CSV row for each training that is finished, also of runs that were cut off."""
    if not runs.is_dir():
        raise ProtocolFault([f"{runs}: allowed: a folder of run directories"])
    if csv_ is not None and (csv_.is_dir() or not csv_.parent.is_dir()):
        raise ProtocolFault([f"--csv {csv_}: allowed: a file in a directory that exists"])
    with open(csv_, "w", newline="") if csv_ else open(sys.stdout.fileno(), "w", closefd=False, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(runs))


if __name__ == "__main__":
    cli.main(app)
