"""The figures of a run, or of a search, that has just finished, where they can be drawn."""

from collections.abc import Callable
from pathlib import Path

from rich.markup import escape


def make_if_possible(run_dir: Path, tell: Callable[[str], None]) -> None:
    """Draw a run's figures; without matplotlib say so."""
    try:
        from figures.make import make
    except ImportError as missing:
        tell(_none(missing))
        return
    make(run_dir)


def draw_search_if_possible(study_dir: Path, tell: Callable[[str], None]) -> None:
    """Draw a study's recipe and figures; without matplotlib say so."""
    try:
        from figures.search.page import draw
    except ImportError as missing:
        tell(_none(missing))
        return
    draw(study_dir)


def _none(missing: ImportError) -> str:
    return escape(f"No figures: {missing.name} is not installed (pip install '.[figures]').")
