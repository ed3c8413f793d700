"""Figures of a run or a search that has just finished, drawn if matplotlib is installed."""

from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from protocols.spec.faults import installation


def make_if_possible(run_dir: Path, tell: Callable[[str], None]) -> None:
    """Draw the figures of a run.

    Parameters
    ----------
    run_dir
        A finished run.
    tell
        Prints a message, in rich's markup, if matplotlib is missing.
    """
    try:
        from figures.make import make
    except ImportError as missing:
        tell(_none(missing))
        return
    make(run_dir)


def draw_search_if_possible(study_dir: Path, tell: Callable[[str], None]) -> None:
    """Draw the recipe and the figures of a study; parameters as in `make_if_possible`."""
    try:
        from figures.search.page import draw
    except ImportError as missing:
        tell(_none(missing))
        return
    draw(study_dir)


def _none(missing: ImportError) -> str:
    return escape(f"No figures: {missing.name} is not installed ({installation('figures')}).")
