"""Accuracy over the labelled fraction: one curve per method, beside the published curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures.networks.methods import Look, looks
from figures.runs.published import DASHES, Curve, curves, sources
from figures.runs.run import NetworkRun
from figures.style import GREY, WIDTH, by_rows, canvas

HEIGHT = 4.0  # inches per run
CHARACTER = 0.052  # approximate width of a tick label's character, in inches
MARGIN = 0.04  # on either side, as a share of the logarithmic axis
NAMES = {"accuracy": "top-1 accuracy on test images, %", "top5": "top-5 accuracy on test images, %"}


def figure(run: NetworkRun) -> Figure:
    """One panel: bold the mean over seeds, thin each seed, shaded the 95 % interval, dashed published values."""
    return side_by_side([run])


def side_by_side(runs: Sequence[NetworkRun]) -> Figure:
    """One panel per run, one below the other."""
    fig, axes = canvas(len(runs), 1, HEIGHT * len(runs))
    for ax, run in zip(axes[:, 0], runs, strict=True):
        _draw(ax, run)
    cited = dict.fromkeys(source for run in runs for source in sources(run).values())
    if cited:
        fig.supxlabel("\n".join(f"published: {source}" for source in cited), fontsize=6, color=GREY, x=0.01, ha="left")
    return fig


def _draw(ax: Axes, run: NetworkRun) -> None:
    look, others = looks(run), curves(run)
    dashes = {subject: DASHES[i % len(DASHES)] for i, subject in enumerate(sources(run))}
    for curve in others:
        dashed(ax, curve, look[curve.method], dashes[curve.subject])
    for method in run.methods:
        bold(ax, method, {f: run.value(method, regime) for f, regime in run.regimes.items()}, look[method])
    ax.axhline(100 * run.chance, color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1.5)
    _limit(ax, run, others)
    ax.set_ylabel(NAMES[run.measure])
    ax.set_title(run.protocol.title, loc="left")
    handles = legend(run, look, dashes)
    columns = len(handles) if len(handles) <= 6 else min(6, max(len(look), len(handles) - len(look)))
    ax.legend(
        handles=by_rows(handles, columns), ncols=columns, handlelength=3, loc="upper center", bbox_to_anchor=(0.5, -0.2)
    )


def dashed(ax: Axes, curve: Curve, look: Look, dash: object) -> None:
    """Draw a published curve, dashed."""
    x, y = np.transpose(curve.points)
    ax.plot(
        x, 100 * y, color=look.color, lw=1.1, ls=dash, marker=look.marker, ms=4,
        mfc="white", mew=0.9, label=f"{curve.method}, {curve.subject}", zorder=2.2,
    )  # fmt: skip


def bold(ax: Axes, method: str, by_fraction: Mapping[float, Mapping[str, Any]], look: Look) -> None:
    """Draw our curve of one method: mean over seeds, single seeds and interval, by labelled fraction."""
    x, values = list(by_fraction), list(by_fraction.values())
    if all(value["ci95"] is not None for value in values):
        low, high = 100 * np.transpose([value["ci95"] for value in values])
        ax.fill_between(x, low, high, color=look.color, alpha=0.2, lw=0)
    if values[0]["n"] > 1:
        for seed in 100 * np.transpose([value["per_seed"] for value in values]):
            ax.plot(x, seed, color=look.color, lw=0.6, alpha=0.55, label="_seed")
    means = [100 * value["mean"] for value in values]
    ax.plot(x, means, color=look.color, lw=1.8, marker=look.marker, ms=4.5, label=method, zorder=2.5)


def _limit(ax: Axes, run: NetworkRun, others: Sequence[Curve]) -> None:
    """Set the limits, from chance or the lowest accuracy shown to the highest, and one tick per fraction."""
    ours = [a for m in run.methods for r in run.regimes.values() for a in run.value(m, r)["per_seed"]]
    shown = [run.chance, *ours, *(accuracy for curve in others for _, accuracy in curve.points)]
    margin = 0.05 * (max(shown) - min(shown))
    ax.set_ylim(100 * (min(shown) - margin), 100 * (max(shown) + margin))
    fractions = sorted({*run.regimes, *(fraction for curve in others for fraction, _ in curve.points)})
    reach = (fractions[-1] / fractions[0]) ** MARGIN if len(fractions) > 1 else 2.0
    ax.set_xscale("log")
    ax.minorticks_off()
    ax.set_xlim(fractions[0] / reach, fractions[-1] * reach)
    ax.set_xticks(fractions, fitting(fractions, [tick(run, fraction) for fraction in fractions]), fontsize=7)
    ax.set_xlabel("labelled share of the training images, and their number")
    ax.annotate(
        f"chance {100 * run.chance:.3g} %", (1, 100 * run.chance), (0, 2), ax.get_yaxis_transform(),
        textcoords="offset points", ha="right", fontsize=7, color=GREY,
    )  # fmt: skip


def tick(run: NetworkRun, fraction: float) -> str:
    """Tick label: a fraction in per cent and, if the run has that fraction, its number of labelled images."""
    number = f"{run.n_labels(run.regimes[fraction]):,}" if fraction in run.regimes else ""
    return f"{100 * fraction:g} %\n{number}"


def fitting(fractions: Sequence[float], labels: Sequence[str], width: float = WIDTH - 0.7) -> list[str]:
    """The labels that fit on an axis of `width` inches, chosen from both ends; the others are empty."""
    if len(fractions) == 1:
        return list(labels)
    places = width * (1 - 2 * MARGIN) * np.log(fractions) / np.log(fractions[-1] / fractions[0])  # inches
    halves = [CHARACTER * (1 + max(map(len, label.split("\n")))) / 2 for label in labels]
    last = len(labels) - 1
    kept = [0]
    for k in range(1, last):
        after, before = places[k] - places[kept[-1]], places[last] - places[k]
        if after >= halves[k] + halves[kept[-1]] and before >= halves[k] + halves[last]:
            kept.append(k)
    return [label if k in {*kept, last} else "" for k, label in enumerate(labels)]


def legend(run: NetworkRun, look: Mapping[str, Look], dashes: Mapping[str, object]) -> list[Line2D | Patch]:
    """Legend: the colour of each method; the meaning of bold, thin, shaded and dashed."""
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=look[m].color, marker=look[m].marker, lw=1.8, ms=4.5, label=m) for m in run.methods
    ]
    if (n := len(run.seeds)) > 1:
        handles.append(Patch(color=GREY, alpha=0.25, lw=0, label=f"mean of {n} seeds, 95 % interval"))
        handles.append(Line2D([], [], color=GREY, lw=0.6, label="one seed"))
    else:
        handles.append(Line2D([], [], color=GREY, lw=1.8, label="one seed"))
    for subject, dash in dashes.items():
        handles.append(Line2D([], [], color=GREY, lw=1.1, ls=dash, marker="o", mfc="white", ms=4, label=subject))
    return handles
