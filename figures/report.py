"""Comparison of runs of one kind: ``python -m figures.report RUN_DIR [RUN_DIR ...] [--out FOLDER]``.

With ``--html``, one page that holds everything, of a run or a study of any kind, or of several side by side.

Writes ``association.md`` (a table), ``association.csv`` (its numbers) and ``association.png`` (the curves); of runs of
pre-trained networks ``networks.md``, ``networks.csv`` and ``networks.png``, and for those with retrieval
``networks_retrieval.md`` and ``networks_retrieval.csv``; of cultures as reservoirs ``reservoirs.md``, ``.csv`` and
``.png``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from figures.html import page, subjects
from figures.networks import regimes
from figures.runs.run import AssociationRun, NetworkRun, ReservoirRun, RunData, read_run
from figures.style import save
from figures.tables import association, curves, reservoirs, retrieval
from figures.tables import networks as report_networks
from protocols.spec.faults import ProtocolFault


def report(run_dirs: Sequence[Path], out: Path) -> list[Path]:
    """Write the files into a folder.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ProtocolFault
        If a directory is not a finished run of an association, of pre-trained networks or of a reservoir, or if two
        kinds are given; then nothing is written.
    """
    name, texts, figure = _contents(run_dirs)
    out.mkdir(parents=True, exist_ok=True)
    for suffix, text in texts.items():
        (out / f"{name}{suffix}").write_text(text, encoding="utf-8")
    save(figure, out / f"{name}.png")
    return [out / f"{name}{suffix}" for suffix in (*texts, ".png")]


def html(paths: Sequence[Path], out: Path) -> Path:
    """Write one page of finished runs and studies into a folder: ``<name>.html``, of several ``comparison.html``.

    Raises
    ------
    ProtocolFault
        If a directory is no finished run or study; then nothing is written.
    """
    found = subjects.read(paths)
    out.mkdir(parents=True, exist_ok=True)
    written = out / ("comparison.html" if len(found) > 1 else f"{paths[0].resolve().parent.name}.html")
    page.write(written, found)
    return written


def _contents(run_dirs: Sequence[Path]) -> tuple[str, dict[str, str], Figure]:
    """Name of the files, texts by suffix, and the figure."""
    runs = [_comparable(path) for path in run_dirs]
    associations = [run for run in runs if isinstance(run, AssociationRun)]
    networks = [run for run in runs if isinstance(run, NetworkRun)]
    cultures = [run for run in runs if isinstance(run, ReservoirRun)]
    kinds: dict[str, Sequence[RunData]] = {
        "networks": networks,
        "an association": associations,
        "a reservoir": cultures,
    }
    given = [(kind, found[0]) for kind, found in kinds.items() if found]
    if len(given) > 1:
        (kind, one), (other, different) = given[:2]
        raise ProtocolFault(
            [f"{one.path}: a run of {kind}, {different.path} of {other}; allowed: one kind in a report"]
        )
    if cultures:
        texts = {".md": reservoirs.markdown(cultures), ".csv": reservoirs.long_form(cultures)}
        return "reservoirs", texts, reservoirs.figure(cultures)
    if networks:
        texts = {".md": report_networks.markdown(networks), ".csv": report_networks.long_form(networks)}
        if sought := [run for run in networks if run.protocol.network.retrieval is not None]:
            texts["_retrieval.md"] = retrieval.markdown(sought)
            texts["_retrieval.csv"] = retrieval.long_form(sought)
        return "networks", texts, regimes.side_by_side(networks)
    texts = {".md": association.markdown(associations), ".csv": association.long_form(associations)}
    return "association", texts, curves.figure(associations)


def _comparable(path: Path) -> AssociationRun | NetworkRun | ReservoirRun:
    run = read_run(path)
    if not isinstance(run, AssociationRun | NetworkRun | ReservoirRun):
        allowed = "a run of an association protocol, of networks or of a reservoir"
        raise ProtocolFault([f"{path}: a run of '{run.protocol.name}'; allowed: {allowed}"])
    return run


def main(arguments: Sequence[str]) -> int:
    """Command line; exit codes 0 done, 2 wrong input."""
    parser = argparse.ArgumentParser(
        "python -m figures.report", description="Compare finished runs, or show them in an HTML page."
    )
    parser.add_argument(
        "run_dirs", metavar="RUN_DIR", nargs="+", type=Path, help="finished runs; with --html also studies"
    )
    parser.add_argument(
        "--html", action="store_true", help="one HTML page of all: figures to explore, tables, provenance"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path(), help="where the files go; default: here")
    given = parser.parse_args(arguments)
    try:
        written = [html(given.run_dirs, given.out)] if given.html else report(given.run_dirs, given.out)
    except ProtocolFault as fault:
        print(f"error: {fault.lines[0]}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or given.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    for path in written:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
