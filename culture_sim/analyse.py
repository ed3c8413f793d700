"""Measure recordings, real or simulated: ``python -m culture_sim.analyse FILE|RUN_DIR ...``.

One recording gives a page of measures with their definitions; several give a table, a line each, or by age, region or
any other metadata with ``--by``. ``--figure`` draws the network bursts of all, runs beside recordings; ``--html``
writes a page with their rasters and arrays to explore.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from pydantic import ValidationError
from rich import box
from rich.table import Table

from culture_sim import formats
from culture_sim.analysis.network_bursts import NetworkBursts
from culture_sim.analysis.panel import Measure, found_network_bursts, panel
from culture_sim.analysis.spike_trains import SpikeTrains
from figures import after_run
from figures.html import measured as measured_page
from figures.html import page as html_page
from figures.html.recording import MOST_SPIKES, Recording
from protocols.loading.loader import parse_override
from protocols.loading.overrides import assign
from protocols.runs import cli
from protocols.runs.machine import cores
from protocols.spec.dish.measures import Measures
from protocols.spec.faults import ProtocolFault, faults_of

#: measures shown of several recordings; --csv and --json hold all
SHOWN = (
    *("active units", "rate", "network burst rate", "network burst duration", "spikes in network bursts"),
    *("IBI CV", "STTC near", "ISI CV", "burst rate"),
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def analyse(
    recordings: Annotated[list[Path], typer.Argument(help="Files of recordings, or run directories.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a definition, for example network_bursts.window='30 ms'."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Summarise by metadata, for example region,age.")] = None,
    csv_: Annotated[Path | None, typer.Option("--csv", help="Write all measures of every recording here.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON, nothing else.")] = False,
    figure: Annotated[
        Path | None,
        typer.Option(help="Draw the durations and intervals of network bursts here, runs beside recordings."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write one HTML page here: measures, rasters and arrays, side by side.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Recordings at a time. Default: one a core.")] = None,
) -> None:
    """Measure spontaneous activity: rates, bursts, network bursts, synchrony, avalanches."""
    measures = definitions(set_ or [])
    if figure is not None:
        after_run.can_draw(figure)
    if html is not None and not html.parent.is_dir():
        raise ProtocolFault([f"--html {html}: no folder {html.parent}; allowed: a file in an existing folder"])
    rows = measured(recordings, measures, jobs or cores())
    keys = [key.strip() for key in by.split(",")] if by else []
    known = {key for row in rows for key in row["metadata"]}
    if missing := [key for key in keys if key not in known]:
        raise ProtocolFault([f"--by {missing[0]}: no such metadata; allowed: {', '.join(sorted(known)) or 'none'}"])
    if csv_ is not None:
        write_csv(csv_, rows)
    if figure is not None:
        after_run.draw_bursts(bursts_by_group(rows, keys), figure)
    if html is not None:
        write_page(html, recordings, rows, set_ or [])
    if json_:
        print(json.dumps({"definitions": measures.model_dump(mode="json"), "recordings": _finite(rows)}, indent=2))
        return
    console = cli.result_console()
    if len(rows) == 1:
        console.print(page(rows[0]))
    else:
        console.print(grouped(rows, keys) if keys else every(rows))


def definitions(overrides: Sequence[str]) -> Measures:
    """The definitions of the measures with overrides such as ``bursts.rule=log_isi``."""
    content = Measures().model_dump(mode="json")
    for override in overrides:
        path, value = parse_override(override)
        *above, last = path.split(".")
        if last == "rule" and above:  # another rule has other parameters
            assign(content, above, {"rule": value}, path)
        else:
            assign(content, [*above, last], value, path)
    try:
        return Measures.model_validate(content)
    except ValidationError as error:
        raise ProtocolFault(faults_of(error, Measures)) from None


def measured(paths: Iterable[Path], measures: Measures, jobs: int) -> list[dict[str, Any]]:
    """All measures of every recording, in the order given: name, metadata, measures, network bursts."""
    given = list(paths)
    if jobs == 1 or len(given) == 1:
        found = [_of_file(path, measures) for path in given]
    else:
        with ProcessPoolExecutor(min(jobs, len(given))) as pool:
            found = list(pool.map(_of_file, given, [measures] * len(given)))
    return [row for rows in found for row in rows]


def _of_file(path: Path, measures: Measures) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "metadata": {"duration_s": round(trains.duration, 3), "units": trains.n_units, **trains.metadata},
            "measures": panel(trains, measures),
            "bursts": found_network_bursts(trains, trains.rates >= measures.active_rate, measures),
        }
        for name, trains in formats.read(path).items()
    ]


def page(row: dict[str, Any]) -> Table:
    """All measures of one recording, with their definitions."""
    shown = Table("measure", "value", "unit", "definition", box=box.SIMPLE_HEAD, title=_title(row))
    for name, measure in row["measures"].items():
        shown.add_row(name, _spelled(measure.value), measure.unit, measure.definition)
    return shown


def every(rows: list[dict[str, Any]]) -> Table:
    """A line a recording."""
    shown = Table("recording", *SHOWN, box=box.SIMPLE_HEAD)
    for row in rows:
        shown.add_row(row["name"], *(_spelled(row["measures"][name].value) for name in SHOWN))
    return shown


def grouped(rows: list[dict[str, Any]], keys: list[str]) -> Table:
    """A line a group: number of cultures, then median and quartiles of each measure."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(_key(row, keys), []).append(row)
    shown = Table(*keys, "n", *SHOWN, box=box.SIMPLE_HEAD, title="median [lower, upper quartile] of n recordings")
    for key in sorted(groups, key=_place):
        cells = []
        for name in SHOWN:
            values = np.array([row["measures"][name].value for row in groups[key]])
            values = values[np.isfinite(values)]
            low, middle, high = np.percentile(values, (25, 50, 75)) if len(values) else (np.nan,) * 3
            cells.append(f"{_spelled(middle)} [{_spelled(low)}, {_spelled(high)}]")
        shown.add_row(*map(str, key), str(len(groups[key])), *cells)
    return shown


def bursts_by_group(rows: list[dict[str, Any]], keys: list[str]) -> dict[str, list[NetworkBursts]]:
    """Network bursts of the recordings of each group: steps of runs, and recordings by metadata.

    Steps of a run that are shorter than half its longest one, such as those in which it settles, are left out.
    """
    longest: dict[str, float] = {}
    for metadata in (row["metadata"] for row in rows):
        run = metadata.get("protocol", "")
        longest[run] = max(longest.get(run, 0.0), metadata["duration_s"])
    groups: dict[str, list[NetworkBursts]] = {}
    for row in sorted(rows, key=lambda row: ("protocol" not in row["metadata"], _place(_key(row, keys)))):
        metadata = row["metadata"]
        values = [f"{key} {metadata[key]}" for key in keys if key in metadata]
        if "protocol" not in metadata:
            groups.setdefault(", ".join(values) or "recordings", []).append(row["bursts"])
        elif metadata["duration_s"] >= longest[metadata["protocol"]] / 2:
            of_run = [metadata["protocol"], metadata.get("step", "")]
            groups.setdefault(", ".join(["twin", *filter(None, of_run), *values]), []).append(row["bursts"])
    return groups


def _key(row: dict[str, Any], keys: list[str]) -> tuple[Any, ...]:
    return tuple(row["metadata"].get(key, "") for key in keys)


def _place(values: Iterable[Any]) -> list[tuple[bool, Any]]:
    """Sorting key: numbers before text, each in order."""
    return [(isinstance(value, str), value) for value in values]


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """One line a recording: its metadata, then every measure, with the unit in the column's name."""
    metadata = list(dict.fromkeys(key for row in rows for key in row["metadata"]))
    names = {name: f"{name} ({measure.unit})" if measure.unit else name for name, measure in _measures(rows).items()}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["recording", *metadata, *names.values()])
        for row in rows:
            values = [row["measures"][name].value for name in names]
            writer.writerow(
                [row["name"], *(row["metadata"].get(key, "") for key in metadata)]
                + ["" if np.isnan(value) else f"{value:.10g}" for value in values]
            )


def write_page(
    path: Path, recordings: Sequence[Path], rows: Sequence[dict[str, Any]], overrides: Sequence[str]
) -> None:
    """One HTML page of all recordings, side by side."""
    trains = [found for given in recordings for found in formats.read(given).values()]
    options = [word for override in overrides for word in ("--set", override)]
    command = ["python", "-m", "culture_sim.analyse", *map(str, recordings), *options, "--html", str(path)]
    most = MOST_SPIKES // len(rows)
    html_page.write(
        path,
        [
            measured_page.subject(
                row["name"], row["metadata"], row["measures"], _shown(row["name"], each, most), command
            )
            for row, each in zip(rows, trains, strict=True)
        ],
    )


def _shown(name: str, trains: SpikeTrains, most: int) -> Recording:
    return Recording(
        title=f"{name}: {trains.n_units} units",
        time=trains.time,
        electrode=trains.unit,
        names=[f"unit {unit}" for unit in range(trains.n_units)],
        duration=trains.duration,
        positions=trains.positions,
        most=most,
    )


def _measures(rows: list[dict[str, Any]]) -> dict[str, Measure]:
    return rows[0]["measures"]


def _title(row: dict[str, Any]) -> str:
    return row["name"] + " (" + ", ".join(f"{key} {value}" for key, value in row["metadata"].items()) + ")"


def _spelled(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3g}"


def _finite(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as JSON holds them: null where a measure is not defined."""
    return [
        {key: value for key, value in row.items() if key != "bursts"}
        | {
            "measures": {
                name: measure._asdict() | {"value": None if np.isnan(measure.value) else measure.value}
                for name, measure in row["measures"].items()
            }
        }
        for row in rows
    ]


if __name__ == "__main__":
    cli.main(app)
