"""Association runs side by side: ``python -m figures.report RUN_DIR [RUN_DIR ...] [--out FOLDER]``.

Writes ``association.md`` (a table), ``association.csv`` (its numbers) and ``association.png`` (the curves).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from figures import report_curves, report_table
from figures.run_data import AssociationRun, read_run
from figures.style import save
from protocols.faults import ProtocolFault


def report(run_dirs: Sequence[Path], out: Path) -> list[Path]:
    """Write the three files into a folder.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ProtocolFault
        If a directory is not a finished association run; nothing is written then.
    """
    runs = [_association(path) for path in run_dirs]
    texts = {"association.md": report_table.markdown(runs), "association.csv": report_table.long_form(runs)}
    figure = report_curves.figure(runs)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    save(figure, out / "association.png")
    return [*(out / name for name in texts), out / "association.png"]


def _association(path: Path) -> AssociationRun:
    run = read_run(path)
    if not isinstance(run, AssociationRun):
        raise ProtocolFault([f"{path}: a run of '{run.protocol.name}'; allowed: a run of an association protocol"])
    return run


def main(arguments: Sequence[str]) -> int:
    """Command line; exit codes 0 done, 2 wrong input."""
    parser = argparse.ArgumentParser("python -m figures.report", description="Compare finished association runs.")
    parser.add_argument("run_dirs", metavar="RUN_DIR", nargs="+", type=Path)
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path(), help="where the files go; default: here")
    given = parser.parse_args(arguments)
    try:
        written = report(given.run_dirs, given.out)
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
