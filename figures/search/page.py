"""Draw the result of a search: ``python -m figures.search.page STUDY_DIR``, the directory of ``answer.json``."""

import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from figures.runs.study import Answer, read_answer
from figures.search import history, importance, pareto, recipe, surfaces
from figures.style import save

FIGURES: dict[str, Callable[[Answer], Figure | None]] = {
    "history": history.figure,
    "importance": importance.figure,
    "surfaces": surfaces.figure,
    "pareto": pareto.figure,
    "recipe": recipe.figure,
}
SUFFIXES = {"recipe": (".png", ".pdf")}  # the page is for printing
USAGE = """\
usage: python -m figures.search.page STUDY_DIR [STUDY_DIR ...]
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
        With one line, if there is no answer or it is damaged; then nothing is written.
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
    """Command line: study directories; exit codes 0 done, 2 wrong input."""
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
