"""Tables of the measures of recordings: a page, a line each, by metadata with a rank test, CSV, JSON, DataFrame."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Column, Table

from protocols.results import mixed_model
from protocols.results.rank_tests import rank_test
from protocols.spec.faults import installation

if TYPE_CHECKING:
    import pandas as pd

#: measures shown of several recordings; --csv and --json hold all
SHOWN = (
    *("active units", "rate", "network burst rate", "network burst duration", "spikes in network bursts"),
    *("IBI CV", "STTC near", "ISI CV", "burst rate"),
)
#: those of responses to stimuli, shown where a recording has some
EVOKED = ("stimuli", "direct spikes", "early spikes", "late spikes", "latency", "reliability", "PSTH peak")

#: metadata that name the culture of a recording; the first that there is counts
CULTURE = ("culture", "subject_id")

#: of a recording: ``name``, ``metadata``, ``measures`` by name, and more that tables leave out
Row = Mapping[str, Any]


def page(row: Row) -> Table:
    """All measures of one recording, with their definitions."""
    shown = Table("measure", "value", "unit", "definition", box=box.SIMPLE_HEAD, title=_title(row))
    for name, measure in row["measures"].items():
        shown.add_row(name, _spelled(measure.value), measure.unit, measure.definition)
    return shown


def every(rows: Sequence[Row]) -> Iterator[Table]:
    """A line a recording; then, of those with stimuli, their responses."""
    for chosen, columns in _parts(rows):
        shown = _table("recording", *columns)
        for row in chosen:
            shown.add_row(row["name"], *(_spelled(value_of(row, name)) for name in columns))
        yield shown


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def grouped(rows: Sequence[Row], keys: Sequence[str], tell: Callable[[str], None] = _to_stderr) -> Iterator[Table]:
    """A line a group: number of recordings, then median and quartiles of each measure; then a test.

    The test compares the groups of the last key, within each group of the keys before it: a linear mixed model with a
    random intercept for each culture where recordings repeat one, and otherwise a rank test. `tell` gets a line for
    what could not be tested.
    """
    for chosen, columns in _parts(rows):
        yield _of_groups(chosen, keys, columns, tell)


def _of_groups(rows: Sequence[Row], keys: Sequence[str], columns: Sequence[str], tell: Callable[[str], None]) -> Table:
    groups = groups_of(rows, keys)
    shown = _table(*keys, "n", *columns)
    shown.title = "median [lower, upper quartile] of n recordings; p of the test named, not corrected for their number"
    for outer in sorted({key[:-1] for key in groups}, key=place):
        within = sorted((key for key in groups if key[:-1] == outer), key=place)
        for key in within:
            cells = [_summary([value_of(row, name) for row in groups[key]]) for name in columns]
            shown.add_row(*map(str, key), str(len(groups[key])), *cells)
        if len(within) > 1:
            compared = [groups[key] for key in within]
            names, tested = (
                _mixed(compared, columns, outer, tell) if _repeated(compared) else _ranked(compared, columns)
            )
            cells = ["-" if np.isnan(p) else f"p {p:.2g}" for p in tested]
            shown.add_row(*map(str, outer), names, "", *cells, end_section=True)
    return shown


def culture_of(row: Row) -> str:
    """Name of the culture of a recording; empty where its metadata do not say it."""
    return next((str(row["metadata"][key]) for key in CULTURE if row["metadata"].get(key, "") != ""), "")


def _repeated(groups: Sequence[Sequence[Row]]) -> bool:
    """Whether two recordings are of one culture."""
    named = [culture for group in groups for row in group if (culture := culture_of(row))]
    return len(set(named)) < len(named)


def _ranked(groups: Sequence[Sequence[Row]], columns: Sequence[str]) -> tuple[str, list[float]]:
    """Name of the rank test, and p of each measure."""
    tests = [rank_test([[value_of(row, name) for row in group] for group in groups]) for name in columns]
    return " or ".join(sorted({test.name for test in tests})), [test.p for test in tests]


def _mixed(
    groups: Sequence[Sequence[Row]], columns: Sequence[str], outer: Sequence[Any], tell: Callable[[str], None]
) -> tuple[str, list[float]]:
    """Name of the mixed model, and p of each measure; a recording that names no culture is of one of its own."""
    of = "".join(f"{value}: " for value in outer)
    if not mixed_model.installed():
        missing = f"statsmodels is not installed ({installation('stats')})"
        tell(f"note: {of}recordings repeat a culture, which a rank test must not ignore; {missing}")
        return "no test", [np.nan] * len(columns)
    rows = [(row, str(k)) for k, group in enumerate(groups) for row in group]
    cultures = [culture_of(row) or f"recording {k}" for k, (row, _) in enumerate(rows)]
    tested, faults = [], dict[str, list[str]]()
    for name in columns:
        test = mixed_model.mixed_test([value_of(row, name) for row, _ in rows], [key for _, key in rows], cultures)
        tested.append(test.p)
        if test.fault:
            faults.setdefault(test.fault, []).append(name)
    for fault, names in faults.items():
        tell(f"note: {of}no {mixed_model.NAME} of {', '.join(names)}: {fault}")
    return mixed_model.NAME, tested


def _parts(rows: Sequence[Row]) -> Iterator[tuple[Sequence[Row], tuple[str, ...]]]:
    """Recordings and measures of each table: all, then those with responses to stimuli."""
    yield rows, SHOWN
    if stimulated := [row for row in rows if EVOKED[0] in row["measures"]]:
        yield stimulated, EVOKED


def _table(*columns: str) -> Table:
    """A table that folds what is too long; nothing is cut."""
    return Table(*(Column(name, overflow="fold") for name in columns), box=box.SIMPLE_HEAD)


def groups_of(rows: Sequence[Row], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    """Recordings by the values of some metadata, empty text where they have none."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(key_of(row, keys), []).append(row)
    return groups


def key_of(row: Row, keys: Sequence[str]) -> tuple[Any, ...]:
    """Values of some metadata of a recording."""
    return tuple(row["metadata"].get(key, "") for key in keys)


def place(values: Iterable[Any]) -> list[tuple[bool, Any]]:
    """Sorting key: numbers before text, each in order."""
    return [(isinstance(value, str), value) for value in values]


def value_of(row: Row, name: str) -> float:
    """A measure of a recording; NaN where it has none of that name."""
    measure = row["measures"].get(name)
    return np.nan if measure is None else measure.value


def frame(rows: Sequence[Row]) -> "pd.DataFrame":
    """A line a recording: its metadata, then every measure, with the unit in the column's name; NaN where undefined."""
    import pandas as pd

    metadata, names = _columns(rows)
    return pd.DataFrame(
        [
            {"recording": row["name"]}
            | {key: row["metadata"].get(key) for key in metadata}
            | {title: value_of(row, name) for name, title in names.items()}
            for row in rows
        ]
    )


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """The table of `frame` as CSV, empty where undefined."""
    metadata, names = _columns(rows)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["recording", *metadata, *names.values()])
        for row in rows:
            values = [value_of(row, name) for name in names]
            writer.writerow(
                [row["name"], *(row["metadata"].get(key, "") for key in metadata)]
                + ["" if np.isnan(value) else f"{value:.10g}" for value in values]
            )


def _columns(rows: Sequence[Row]) -> tuple[list[str], dict[str, str]]:
    """Metadata of any of the recordings; title of each measure of any."""
    metadata = list(dict.fromkeys(key for row in rows for key in row["metadata"]))
    measures = {name: measure for row in rows for name, measure in row["measures"].items()}
    return metadata, {name: f"{name} ({measure.unit})" if measure.unit else name for name, measure in measures.items()}


def finite(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Recordings as JSON holds them: null where a measure is not defined."""
    return [
        {
            "name": row["name"],
            "metadata": row["metadata"],
            "notes": list(row["notes"]),
            "psth": row["psth"],
            "measures": {
                name: measure._asdict() | {"value": None if np.isnan(measure.value) else measure.value}
                for name, measure in row["measures"].items()
            },
        }
        for row in rows
    ]


def _summary(values: Sequence[float]) -> str:
    kept = np.asarray(values)[np.isfinite(values)]
    if len(kept) < 2:
        return _spelled(kept[0]) if len(kept) else "-"
    low, middle, high = np.percentile(kept, (25, 50, 75))
    return f"{_spelled(middle)} [{_spelled(low)}, {_spelled(high)}]"


def _title(row: Row) -> str:
    return row["name"] + " (" + ", ".join(f"{key} {value}" for key, value in row["metadata"].items()) + ")"


def _spelled(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3g}"
