"""Draw what a search found: ``python -m figures.report_search STUDY_DIR``, the directory of ``answer.json``."""

import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from figures import (
    fig_search_history,
    fig_search_importance,
    fig_search_pareto,
    fig_search_recipe,
    fig_search_surfaces,
)
from figures.search_data import Answer, read_answer
from figures.style import save

FIGURES: dict[str, Callable[[Answer], Figure | None]] = {
    "history": fig_search_history.figure,
    "importance": fig_search_importance.figure,
    "surfaces": fig_search_surfaces.figure,
    "pareto": fig_search_pareto.figure,
    "recipe": fig_search_recipe.figure,
}
SUFFIXES = {"recipe": (".png", ".pdf")}  # the page is to be printed
USAGE = """\
usage: python -m figures.report_search STUDY_DIR [STUDY_DIR ...]
  STUDY_DIR  a finished search: its figures go to STUDY_DIR/figures"""


def draw(study_dir: Path) -> list[Path]:
    """Draw every figure that the answer of a search has data for, into ``STUDY_DIR/figures``.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    RuntimeError
        With one line, if there is no answer or it is damaged; nothing is written then.
    """
    answer = read_answer(study_dir)
    folder = study_dir / "figures"
    folder.mkdir(exist_ok=True)
    written = []
    for name, drawn in FIGURES.items():
        figure = drawn(answer)
        if figure is None:
            continue
        for suffix in SUFFIXES.get(name, (".png",)):
            save(figure, folder / f"{name}{suffix}")
            written.append(folder / f"{name}{suffix}")
    return written


def main(arguments: list[str]) -> int:
    """Command line: study directories."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(USAGE)
        return 0 if arguments else 2
    try:
        for study_dir in map(Path, arguments):
            for path in draw(study_dir):
                print(path)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
