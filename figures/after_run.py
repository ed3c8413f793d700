"""Figures of a run, a search or an analysis that has just finished, drawn if matplotlib is installed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.markup import escape

from protocols.spec.faults import ProtocolFault, installation

FORMATS = (".png", ".pdf", ".svg")


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


def can_draw(path: Path) -> None:
    """Raise a `ProtocolFault` if no figure can be written to a path."""
    if path.suffix.lower() not in FORMATS:
        raise ProtocolFault([f"--figure {path}: allowed: a name that ends in {', '.join(FORMATS)}"])
    if not path.parent.is_dir():
        raise ProtocolFault([f"--figure {path}: no folder {path.parent}; allowed: a file in an existing folder"])
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ProtocolFault([f"--figure: matplotlib is not installed ({installation('figures')})"]) from None


def draw_bursts(groups: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]], path: Path) -> None:
    """Draw the distributions of network bursts, given by their starts and ends (s), of groups of recordings."""
    from figures.culture.dish.bursts import distributions
    from figures.style import save

    save(distributions(groups), path)


def _none(missing: ImportError) -> str:
    return escape(f"No figures: {missing.name} is not installed ({installation('figures')}).")
