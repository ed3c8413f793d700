"""Measure recordings, real or simulated: ``python -m culture_sim.analyse FILE|RUN_DIR ...``.

One recording gives a page of measures with their definitions, also of responses to its stimuli; several give a table, a
line each, and by region and age, or any other metadata with ``--by``: median, quartiles, n, and a rank test.
``--figures`` draws synchrony by distance, avalanches, network bursts and, over age, the development of cultures, runs
beside recordings; ``--html`` writes a page with their rasters and arrays to explore.
"""

import functools
import json
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from culture_sim import formats
from culture_sim.analysis.panel import found_network_bursts, panel
from culture_sim.analysis.peristimulus import evoked_panel, histogram
from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.panel_figures import aged, by_group, curves, panels
from culture_sim.panel_tables import SHOWN, every, finite, grouped, page, write_csv
from figures import after_run
from figures.html import measured as measured_page
from figures.html import page as html_page
from figures.html.blocks import Section
from figures.html.recording import MOST_SPIKES, Recording
from figures.runs.study_parts import labelled
from protocols.loading.definitions import overridden
from protocols.runs import cli
from protocols.runs.machine import cores
from protocols.spec.dish.recordings import RecordingMeasures
from protocols.spec.faults import ProtocolFault

MUCH_BYTES = 5e8  # memory of one recording that is said before it is read
BY = ("region", "age")  # metadata by which several recordings are summarised where they have them

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
    figures: Annotated[
        Path | None,
        typer.Option(help="Draw synchrony, avalanches, network bursts and development into this folder."),
    ] = None,
    format_: Annotated[after_run.Format, typer.Option("--format", help="Of the figures.")] = "png",
    html: Annotated[
        Path | None, typer.Option(help="Write one HTML page here: measures, rasters and arrays, side by side.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Recordings at a time. Default: one a core.")] = None,
) -> None:
    """Measure recordings: rates, bursts, network bursts, synchrony, avalanches, responses to stimuli."""
    measures = overridden(RecordingMeasures(), set_ or [])
    if figures is not None:
        after_run.can_draw(figures)
    if html is not None and not html.parent.is_dir():
        raise ProtocolFault([f"--html {html}: no folder {html.parent}; allowed: a file in an existing folder"])
    for line in needs(recordings):
        print(line, file=sys.stderr)
    shown = html is not None or figures is not None
    rows = measured(recordings, measures, jobs or cores(), keep_spikes=html is not None, keep_curves=shown)
    for row in rows:
        for note in row["notes"]:
            print(f"note: {row['name']}: {note}", file=sys.stderr)
    keys = [key.strip() for key in by.split(",")] if by else []
    known = {key for row in rows for key in row["metadata"]}
    if missing := [key for key in keys if key not in known]:
        raise ProtocolFault([f"--by {missing[0]}: no such metadata; allowed: {', '.join(sorted(known)) or 'none'}"])
    if csv_ is not None:
        write_csv(csv_, rows)
    summarised = keys or [key for key in BY if all(key in row["metadata"] for row in rows)]
    if figures is not None:
        for path in draw(rows, summarised, figures, format_):
            print(path, file=sys.stderr)
    if html is not None:
        write_page(html, recordings, rows, set_ or [])
    if json_:
        print(json.dumps({"definitions": measures.model_dump(mode="json"), "recordings": finite(rows)}, indent=2))
        return
    console = cli.result_console()
    if len(rows) == 1:
        console.print(page(rows[0]))
        return
    if not keys:
        console.print(*every(rows))
    if summarised:
        console.print(*grouped(rows, summarised))


def needs(paths: Iterable[Path]) -> list[str]:
    """Memory that large recordings need, a line each.

    Raises
    ------
    ProtocolFault
        If a recording is not there, of no known format, or needs more than is available.
    """
    found = [(path, formats.needed_bytes(path)) for path in paths]
    return [f"{path}: about {size / 1e9:.1f} GB of memory" for path, size in found if size > MUCH_BYTES]


def measured(
    paths: Iterable[Path],
    measures: RecordingMeasures,
    jobs: int,
    *,
    keep_spikes: bool = False,
    keep_curves: bool = False,
) -> list[dict[str, Any]]:
    """All measures of every recording, in the order given.

    Of each: ``name``, ``metadata``, ``measures`` by name, ``notes`` (what was mended), ``stimulated``, the peristimulus
    time histogram ``psth``, and its network ``bursts``; with `keep_spikes` its spike ``trains`` too, with `keep_curves`
    the ``curves`` that figures show.
    `culture_sim.panel_tables.frame` makes a DataFrame of them.
    """
    task = functools.partial(_of_file, measures=measures, keep_spikes=keep_spikes, keep_curves=keep_curves)
    given = list(paths)
    if jobs == 1 or len(given) == 1:
        found = list(map(task, given))
    else:
        with ProcessPoolExecutor(min(jobs, len(given))) as pool:
            found = list(pool.map(task, given))
    return [row for rows in found for row in rows]


def _of_file(path: Path, measures: RecordingMeasures, keep_spikes: bool, keep_curves: bool) -> list[dict[str, Any]]:
    rows = []
    for name, trains in formats.read(path, measures).items():
        bursts = found_network_bursts(trains, measures)
        row: dict[str, Any] = {
            "name": name,
            "metadata": {"duration_s": round(trains.duration, 3), "units": trains.n_units, **trains.metadata},
            "measures": panel(trains, measures, bursts) | evoked_panel(trains, measures),
            "notes": trains.notes,
            "stimulated": trains.stimuli is not None,
            "psth": histogram(trains, measures),
            "bursts": bursts,
        }
        if keep_curves:
            row["curves"], left_out = curves(trains, measures, bursts, row["measures"])
            row["notes"] = (*trains.notes, *left_out)
        rows.append(row | ({"trains": trains} if keep_spikes else {}))
    return rows


def draw(rows: Sequence[dict[str, Any]], keys: Sequence[str], folder: Path, suffix: after_run.Format) -> list[Path]:
    """Figures of all recordings, by group; `rows`: with their curves. Returns the files written."""
    return after_run.draw_panel(
        {
            title: {name: [row["curves"] for row in group] for name, group in panel.items()}
            for title, panel in panels(rows, keys).items()
        },
        {name: [row["bursts"] for row in group] for name, group in by_group(rows, keys).items()},
        aged(rows),
        folder,
        suffix,
    )


def write_page(
    path: Path, recordings: Sequence[Path], rows: Sequence[dict[str, Any]], overrides: Sequence[str]
) -> None:
    """One HTML page of all recordings, side by side; `rows`: with their spikes and curves."""
    options = [word for override in overrides for word in ("--set", override)]
    command = ["python", "-m", "culture_sim.analyse", *map(str, recordings), *options, "--html", str(path)]
    most = MOST_SPIKES // len(rows)
    subjects = [
        measured_page.subject(
            row["name"],
            row["metadata"],
            row["measures"],
            row["curves"],
            _shown(row["name"], row["trains"], most),
            command,
        )
        for row in rows
    ]
    units = {name: measure.unit for row in rows for name, measure in row["measures"].items()}
    labels = {name: labelled(name, units.get(name, "")) for name in SHOWN}
    plots = measured_page.development(aged(rows), labels)
    html_page.write(path, subjects, Section("Development", plots) if plots else None)


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


if __name__ == "__main__":
    cli.main(app)
