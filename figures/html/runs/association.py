"""Page of an association run: learning curve, answers, responses and the learned weights."""

import numpy as np

from figures.culture import kernels, responses
from figures.culture.curves import chance
from figures.html import common
from figures.html.blocks import Block, Plot, Section, Series, Subject, Table
from figures.html.recording import Array, Map
from figures.html.runs.evoked import weights
from figures.runs.run import AssociationRun

SHOWN = ("accuracy/test", "accuracy/best_snapshot", "accuracy/lowest_after_first_third", "accuracy/untrained")
CEILINGS = ("ceiling/activity", "ceiling/pixels")


def subject(run: AssociationRun, name: str) -> Subject:
    """The run with its sections."""
    names = (*SHOWN, *CEILINGS)
    sections = [
        common.asked(run, _asked(run)),
        common.result(run, names, *([_headline(run, names)] if run.metrics["targets"] else [])),
        Section("Learning", [_curve(run), _confusion(run), _histogram(run)]),
    ]
    if run.kind == "culture":
        learned: list[Block] = [block for block in (_kernels(run), weights(run)) if block]
        sections += [Section("Weights", learned)] if learned else []
    return Subject(name, run.protocol.title, [*sections, common.provenance(run)], common.headline(run, names))


def _asked(run: AssociationRun) -> Table:
    data, training = run.protocol.data, run.protocol.association.training
    rows = [
        ("images", data.source),
        ("classes", ", ".join(map(str, run.classes))),
        ("learner", f"{run.kind} of {run.neurons:,} neurons"),
        ("training presentations", f"{training.presentations:,}"),
    ]
    return Table(("", ""), rows)


def _headline(run: AssociationRun, names: tuple[str, ...]) -> Table:
    return Table(("quantity", "here"), list(common.headline(run, names).items()))


def _curve(run: AssociationRun) -> Plot:
    curve = run.metrics["accuracy/curve"]
    x = curve["presentations"]
    low, high = np.transpose(curve["ci95"]) if None not in curve["ci95"] else (None, None)
    seeds = [Series("", x, seed, "after", "thin") for seed in curve["per_seed"]] if len(run.seeds) > 1 else []
    name = f"{run.learners}, 95 % interval" if len(run.seeds) > 1 else run.learners
    ceilings = [(run.metrics[path]["mean"], f"readout of {path.partition('/')[2]}") for path in CEILINGS]
    title = "Accuracy on test images" + ("; thin: each seed" if seeds else "")
    series = [*seeds, Series(name, x, curve["mean"], "after", "line", low, high)]
    levels = [(chance(run), "chance"), *ceilings]
    return Plot(title, "training presentations", "fraction correct", series, levels=levels)


def _confusion(run: AssociationRun) -> Table:
    counts = np.array(run.metrics["confusion"]["counts"])
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    rows = [
        (f"class {label}", *(f"{100 * s:.1f} % ({n:g})" for s, n in zip(shares, numbers, strict=True)))
        for label, shares, numbers in zip(run.classes, share, counts, strict=True)
    ]
    note = "Share and number of test images of each class that got each answer, last evaluation, all seeds."
    return Table(("image of", *(f"answer {label}" for label in run.classes)), rows, note=note)


def _histogram(run: AssociationRun) -> Plot:
    """Mean response of each region to images of its own class and of others, at each class."""
    score, truth = responses.last_evaluation(run)
    series = []
    for k, label in enumerate(run.classes):
        of = [score[truth == j, k] for j in range(len(run.classes))]
        mean, sd = ([float(f(each)) if len(each) else np.nan for each in of] for f in (np.mean, np.std))
        x = np.arange(len(run.classes)) + 0.12 * (k - (len(run.classes) - 1) / 2)
        low, high = np.array(mean) - sd, np.array(mean) + sd
        series.append(Series(f"{run.answering} {label}", x, mean, k, "points", low, high))
    ticks = [(float(j), f"class {label}") for j, label in enumerate(run.classes)]
    each = "each region" if run.kind == "culture" else "the neurons of each class"
    title = f"Response of {each} by class of the test image: mean ± sd over images, last evaluation"
    return Plot(title, "image of", run.response_unit, series, ticks=ticks)


def _kernels(run: AssociationRun) -> Array | None:
    if not run.culture.culture.excitatory.plastic:
        return None
    seed = run.seeds[0]
    maps = []
    for label in run.classes:
        region = np.flatnonzero(run.label_region(label))
        change = kernels.kernel(run, label).ravel()
        maps.append(Map(f"onto region {label}: change", "mV", change, diverging=True, outlined=region.tolist()))
    title = "Excitatory weight from around each electrode onto a neuron of a class region (outlined), after - before"
    return Array(title, run.array(seed, "electrodes"), maps)
