"""Draw the figures of a run: ``python -m figures.make RUN_DIR``."""

import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from figures import fig_array, fig_evoked, fig_raster, fig_weights
from figures.run_data import RunData
from figures.style import save
from protocols.faults import ProtocolFault

FIGURES: dict[str, Callable[[RunData], Figure | None]] = {
    "evoked": fig_evoked.figure,
    "array": fig_array.figure,
    "raster": fig_raster.figure,
    "weights": fig_weights.figure,
}


def make(run_dir: Path) -> list[Path]:
    """Draw every figure the run has data for, as ``RUN_DIR/figures/<name>.png``.

    Returns
    -------
    list of Path
        The files written.
    """
    run = RunData.read(run_dir)
    folder = run_dir / "figures"
    folder.mkdir(exist_ok=True)
    written = []
    for name, draw in FIGURES.items():
        figure = draw(run)
        if figure is not None:
            save(figure, folder / f"{name}.png")
            written.append(folder / f"{name}.png")
    return written


def main(arguments: list[str]) -> int:
    """Command line: one or more run directories."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print("usage: python -m figures.make RUN_DIR [RUN_DIR ...]")
        return 0 if arguments else 2
    try:
        for argument in arguments:
            for path in make(Path(argument)):
                print(path)
    except ProtocolFault as fault:
        for line in fault.lines:
            print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
