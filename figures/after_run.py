"""Figures of a run, a search or an analysis that has just finished, drawn if matplotlib is installed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from rich.markup import escape

from figures.culture.panel.recorded import Aged, Grouped
from protocols.spec.faults import ProtocolFault, installation

Format = Literal["png", "pdf", "svg"]


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


def draw_fit_if_possible(folder: Path, tell: Callable[[str], None]) -> None:
    """Draw the figures and the page of a fit; parameters as in `make_if_possible`."""
    try:
        from figures.html import fit
    except ImportError as missing:
        tell(_none(missing))
        return
    fit.draw(folder)


def can_draw(folder: Path) -> None:
    """Raise a `ProtocolFault` if no figures can be written into a folder, which need not be there yet."""
    if folder.exists() and not folder.is_dir():
        raise ProtocolFault([f"--figures {folder}: a file; allowed: a folder, also one that is not there yet"])
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ProtocolFault([f"--figures: matplotlib is not installed ({installation('figures')})"]) from None


def draw_panel(
    groups: Grouped,
    bursts: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]],
    cultures: Sequence[Aged],
    folder: Path,
    suffix: Format,
) -> list[Path]:
    """Draw the figures of recordings for which there are data; returns the files written.

    Parameters
    ----------
    groups
        Curves of the recordings of each group, in panels.
    bursts
        Starts and ends (s) of the network bursts of each group's recordings.
    cultures
        Recordings of known age.
    folder
        Made if it is not there.
    suffix
        Format of the files.
    """
    from figures.culture.dish.bursts import distributions
    from figures.culture.panel import avalanches, development, profiles, synchrony
    from figures.style import save

    some = any(len(start) > 1 for group in bursts.values() for start, _ in group)
    drawn = {
        "synchrony": synchrony.figure(groups),
        "avalanches": avalanches.figure(groups),
        "burst_profiles": profiles.figure(groups),
        "bursts": distributions(bursts) if some else None,
        "development": development.figure(cultures),
    }
    folder.mkdir(parents=True, exist_ok=True)
    written = {folder / f"{name}.{suffix}": figure for name, figure in drawn.items() if figure is not None}
    for path, figure in written.items():
        save(figure, path)
    return list(written)


def _none(missing: ImportError) -> str:
    return escape(f"No figures: {missing.name} is not installed ({installation('figures')}).")
