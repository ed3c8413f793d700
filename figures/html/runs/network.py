"""Page of a run of pre-trained networks: accuracy over labelled fractions, pre-training, retrieval, filters."""

import numpy as np

from figures.html import common
from figures.html.blocks import Block, Plot, Section, Series, Subject, Table
from figures.networks import filters, layers, pretraining, retrieval
from figures.networks.regimes import NAMES
from figures.runs.published import curves
from figures.runs.run import NetworkRun
from protocols.spec.retrieval import DIVIDED, NORMALISATIONS, metric, top_name


def subject(run: NetworkRun, name: str) -> Subject:
    """The run with its sections."""
    names = [f"{run.measure}/{method}/{regime}" for regime in run.regimes.values() for method in run.methods]
    pictures = _pictures(run)
    sections = [
        common.asked(run, common.methods(run.protocol.network.methods)),
        common.result(run, names),
        Section("Learning", [_regimes(run), *_pretraining(run)]),
        *([Section("Retrieval", [found])] if (found := _retrieval(run)) else []),
        *([Section("Weights", pictures)] if pictures else []),
        common.provenance(run),
    ]
    return Subject(name, run.protocol.title, sections, common.headline(run, names))


def _regimes(run: NetworkRun) -> Plot:
    """Accuracy by labelled fraction: a line a method, published values dashed."""
    x, series, color = list(run.regimes), [], {method: k for k, method in enumerate(run.methods)}
    for method in run.methods:
        values = [run.value(method, regime) for regime in run.regimes.values()]
        intervals = [value["ci95"] for value in values]
        low, high = 100 * np.transpose(intervals) if None not in intervals else (None, None)
        series.append(Series(method, x, [100 * v["mean"] for v in values], color[method], "line", low, high))
    for curve in curves(run):
        fractions, values = np.transpose(curve.points)
        name = f"{curve.method}, {curve.subject}"
        series.append(Series(name, fractions, 100 * values, color[curve.method], "dashed"))
    places = sorted({place for each in series for place in each.x})
    ticks = [(float(place), f"{100 * place:g} %") for place in places]
    level = [(100 * run.chance, "chance")]
    seeds = f"band: 95 % interval over {len(run.seeds)} seeds; " if len(run.seeds) > 1 else ""
    title = f"Accuracy after fine-tuning with few labels; {seeds}dashed: published"
    return Plot(title, "labelled share of the training images", NAMES[run.measure], series, True, ticks, level)


def _pretraining(run: NetworkRun) -> list[Block]:
    """Scores of the features over the epochs of Hebbian pre-training."""
    plots: list[Block] = []
    for record, (title, label, factor) in pretraining.SCORES.items():
        series = []
        for k, method in enumerate(run.methods):
            if f"seed_{run.seeds[0]}/{method}/pretraining/{record}" in run.arrays:
                scores = factor * run.stack(f"{method}/pretraining/{record}").astype(float)
                epochs = np.arange(1, scores.shape[1] + 1)
                series += [Series("", epochs, seed, k, "thin") for seed in (scores if len(scores) > 1 else [])]
                series.append(Series(method, epochs, scores.mean(axis=0), k))
        if series:
            plots.append(Plot(f"Pre-training: {title}", "epoch", label, series))
    return plots


def _retrieval(run: NetworkRun) -> Table | None:
    if (asked := run.protocol.network.retrieval) is None:
        return None
    rows = [
        (f"{method}, {regime}", top, DIVIDED[divisor], common.spelled(value), f"{value['chance']:.4g}")
        for method in run.methods
        for regime in run.regimes.values()
        for top in map(top_name, asked.at)
        for divisor in NORMALISATIONS
        for value in [run.metrics[metric(method, regime, top, divisor)]]
    ]
    return Table(("method, labels", "K", "divided by", "mean average precision", "chance"), rows)


def _pictures(run: NetworkRun) -> list[Block]:
    """Diagnostics of the layers, filters of the first one, and images found, as in the run's own figures."""
    found: list[Block] = []
    drawn = {"Layers in pre-training": layers.figure, "Filters of the first layer": filters.figure}
    for alt, draw in (drawn | {"Images found": retrieval.figure}).items():
        if (figure := draw(run)) is not None:
            found.append(common.picture(figure, alt))
    return found
