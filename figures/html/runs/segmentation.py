"""Page of a run of segmentation: agreement over the fraction of the masks, predictions beside masks, pre-training."""

import numpy as np

from figures.html import common
from figures.html.blocks import Block, Plot, Section, Series, Subject, Table
from figures.networks.masks import predictions
from figures.runs.run import SegmentationRun

#: name, unit (None: that of the metric) and factor of the measures
MEASURES: dict[str, tuple[str, str | None, float]] = {
    "dice": ("Dice coefficient", "%", 100),
    "jaccard": ("Jaccard index", "%", 100),
    "hausdorff95": ("95 % Hausdorff distance", None, 1),
}
PRETRAINING = {
    "effective_rank": ("effective rank of the features", "effective rank", 1),
    "negative_loss": ("loss on validation images", "loss", -1),
}


def subject(run: SegmentationRun, name: str) -> Subject:
    """The run with its sections."""
    names = [f"dice/{method}/{regime}" for regime in run.regimes.values() for method in run.methods]
    training = _pretraining(run)
    sections = [
        common.asked(run, common.methods(run.protocol.segmentation.methods)),
        common.result(run, names, _gains(run)),
        Section("Agreement with the masks of the test images", [_curves(run, measure) for measure in MEASURES]),
        Section("Predictions", _predictions(run)),
        *([Section("Pre-training", training)] if training else []),
        common.provenance(run),
    ]
    return Subject(name, run.protocol.title, sections, common.headline(run, names))


def _gains(run: SegmentationRun) -> Table:
    """Difference in Dice to the same seed without pre-training, by regime."""
    others = [method for method in run.methods if f"gain/{method}/{next(iter(run.regimes.values()))}" in run.metrics]
    rows = []
    for regime in run.regimes.values():
        masks = run.value("dice", run.methods[0], regime)["masks"]
        cells = [common.spelled(run.value("gain", method, regime)) for method in others]
        rows.append((f"{masks} ({regime})", *cells))
    note = "Differences in the Dice coefficient to the method without pre-training, seed by seed." if others else ""
    return Table(("masks", *others), rows if others else [], note)


def _curves(run: SegmentationRun, measure: str) -> Plot:
    """A measure of the test images by fraction of the masks: a line a method."""
    name, unit, factor = MEASURES[measure]
    unit = unit or run.value(measure, run.methods[0], next(iter(run.regimes.values())))["unit"]
    x, series = list(run.regimes), []
    for color, method in enumerate(run.methods):
        values = [run.value(measure, method, regime) for regime in run.regimes.values()]
        intervals = [value["ci95"] for value in values]
        low, high = factor * np.transpose(intervals) if None not in intervals else (None, None)
        series.append(Series(method, x, [factor * value["mean"] for value in values], color, "line", low, high))
    first = [run.value(measure, run.methods[0], regime)["masks"] for regime in run.regimes.values()]
    ticks = [(place, f"{100 * place:g} %, {masks}") for place, masks in zip(x, first, strict=True)]
    seeds = f"; band: 95 % interval over {len(run.seeds)} seeds" if len(run.seeds) > 1 else ""
    return Plot(f"{name}{seeds}", "training images with a mask", f"{name} ({unit})", series, True, ticks)


def _predictions(run: SegmentationRun) -> list[Block]:
    """Image, mask, prediction and errors with the fewest and with the most masks."""
    ends = dict.fromkeys([*run.regimes.values()][:: max(1, len(run.regimes) - 1)])
    return [
        common.picture(predictions.figure(run, regime), f"Image, mask, prediction and errors, {regime} of the masks")
        for regime in ends
    ]


def _pretraining(run: SegmentationRun) -> list[Block]:
    """Scores over the epochs of pre-training: a line a seed, and their mean."""
    plots: list[Block] = []
    for record, (title, label, factor) in PRETRAINING.items():
        for color, method in enumerate(run.methods):
            if f"seed_{run.seeds[0]}/{method}/pretraining/{record}" not in run.arrays:
                continue
            scores = factor * run.stack(f"{method}/pretraining/{record}").astype(float)
            epochs = np.arange(1, scores.shape[1] + 1)
            series = [Series("", epochs, seed, color, "thin") for seed in (scores if len(scores) > 1 else [])]
            series.append(Series(method, epochs, scores.mean(axis=0), color))
            plots.append(Plot(f"{method}: {title}", "epoch", label, series))
    return plots
