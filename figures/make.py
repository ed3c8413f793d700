"""Draw the figures of a run: ``python -m figures.make RUN_DIR``; of a benchmark: ``... bench.csv``."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from matplotlib.figure import Figure

from figures.culture import array, evoked, kernels, learning, probes, raster, responses, weights
from figures.culture.dish import activity, burst_frames, bursts, closed_loop, courses, leaky, paired_pulse
from figures.culture.dish import array as dish_array
from figures.culture.fit import calibration
from figures.culture.reservoir import accuracy, confusion, memory
from figures.culture.reservoir import curves as reservoir_curves
from figures.culture.reservoir import responses as reservoir_responses
from figures.networks import (
    filters,
    layers,
    precision,
    pretraining,
    receptive_fields,
    regimes,
    retrieval,
    speed,
)
from figures.networks.masks import predictions
from figures.networks.masks import regimes as mask_regimes
from figures.runs.run import (
    AnyRun,
    AssociationRun,
    DishRun,
    EvokedRun,
    NetworkRun,
    PosteriorRun,
    ReservoirRun,
    SegmentationRun,
    read_run,
)
from figures.style import save
from protocols.spec.faults import ProtocolFault

EVOKED: dict[str, Callable[[EvokedRun], Figure | None]] = {
    "evoked": evoked.figure,
    "array": array.figure,
    "raster": raster.figure,
    "weights": weights.figure,
}
ASSOCIATION: dict[str, Callable[[AssociationRun], Figure | None]] = {
    "learning": learning.figure,
    "responses": responses.figure,
    "kernels": kernels.figure,
    "probes": probes.figure,
}
DISH: dict[str, Callable[[DishRun], Figure | None]] = {
    "activity": activity.figure,
    "array": dish_array.figure,
    "burst_frames": burst_frames.figure,
    "burst_control": closed_loop.burst_control,
    "bursts": bursts.figure,
    "closed_loop": closed_loop.figure,
    "courses": courses.figure,
    "leaky": leaky.figure,
    "paired_pulse": paired_pulse.figure,
    "rallies": closed_loop.rallies,
}
RESERVOIR: dict[str, Callable[[ReservoirRun], Figure | None]] = {
    "accuracy": accuracy.figure,
    "responses": reservoir_responses.figure,
    "confusion": confusion.figure,
    "curves": reservoir_curves.figure,
    "memory": memory.figure,
}
SPIKING: dict[str, Callable[[AssociationRun], Figure | None]] = {
    "learning": learning.figure,
    "responses": responses.figure,
    "filters": receptive_fields.figure,
}
NETWORK: dict[str, Callable[[NetworkRun], Figure | None]] = {
    "regimes": regimes.figure,
    "filters": filters.figure,
    "pretraining": pretraining.figure,
    "layers": layers.figure,
    "precision": precision.figure,
    "retrieval": retrieval.figure,
}
SEGMENTATION: dict[str, Callable[[SegmentationRun], Figure | None]] = {
    "regimes": mask_regimes.figure,
    "predictions": predictions.figure,
}
USAGE = """\
usage: python -m figures.make RUN_DIR|CSV [RUN_DIR|CSV ...]
  RUN_DIR  a finished run: its figures go to RUN_DIR/figures
  CSV      a table of python -m hebbian_dl.bench --csv: speed.png goes beside it"""


def make(run_dir: Path) -> list[Path]:
    """Draw every figure that the run has data for, as ``RUN_DIR/figures/<name>.png``.

    Returns
    -------
    list of Path
        The files written.
    """
    run = read_run(run_dir)
    folder = run_dir / "figures"
    folder.mkdir(exist_ok=True)
    written = []
    for name, figure in _drawn(run):
        if figure is not None:
            save(figure, folder / f"{name}.png")
            written.append(folder / f"{name}.png")
    return written


def make_speed(table: Path) -> list[Path]:
    """Draw the times of training steps as ``speed.png`` beside their CSV table."""
    save(speed.figure(table), table.with_name("speed.png"))
    return [table.with_name("speed.png")]


def _drawn(run: AnyRun) -> Iterator[tuple[str, Figure | None]]:
    """The figures for this kind of run, by name, drawn one at a time."""
    match run:
        case EvokedRun():
            yield from ((name, draw(run)) for name, draw in EVOKED.items())
        case AssociationRun(kind="network"):
            yield "learning", learning.figure(run)
        case AssociationRun(kind="spiking network"):
            yield from ((name, draw(run)) for name, draw in SPIKING.items())
        case AssociationRun():
            yield from ((name, draw(run)) for name, draw in ASSOCIATION.items())
        case DishRun():
            yield from ((name, draw(run)) for name, draw in DISH.items())
        case PosteriorRun():
            yield "calibration", calibration.figure(run)
        case ReservoirRun():
            yield from ((name, draw(run)) for name, draw in RESERVOIR.items())
        case NetworkRun():
            yield from ((name, draw(run)) for name, draw in NETWORK.items())
        case SegmentationRun():
            yield from ((name, draw(run)) for name, draw in SEGMENTATION.items())


def main(arguments: list[str]) -> int:
    """Command line: run directories and tables of times; exit codes 0 done, 2 wrong input."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(USAGE)
        return 0 if arguments else 2
    try:
        for given in map(Path, arguments):
            for path in make_speed(given) if given.suffix == ".csv" else make(given):
                print(path)
    except ProtocolFault as fault:
        for line in fault.lines:
            print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
