"""Mean average precision of retrieval over the labelled fraction: one panel per K and normalisation."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from figures.networks.methods import looks
from figures.networks.regimes import MARGIN, bold, dashed, fitting, legend, tick
from figures.runs.published import DASHES, Curve, curves, sources
from figures.runs.run import NetworkRun
from figures.style import GREY, WIDTH, by_rows, canvas
from protocols.spec.retrieval import DIVIDED, NORMALISATIONS, metric, top_name

HEIGHT = 2.3  # inches per row


def figure(run: NetworkRun) -> Figure | None:
    """Curves as in `figures.networks.regimes`, published values dashed. None if the run has no retrieval."""
    if (retrieval := run.protocol.network.retrieval) is None:
        return None
    tops, look = [top_name(top) for top in retrieval.at], looks(run)
    fig, axes = canvas(len(NORMALISATIONS), len(tops), HEIGHT * len(NORMALISATIONS) + 0.7, sharex=True, sharey=True)
    others = {(n, top): curves(run, "map", f"/{top}/{n}") for n in NORMALISATIONS for top in tops}
    cited = sources(run, [curve for found in others.values() for curve in found])
    dashes = {subject: DASHES[i % len(DASHES)] for i, subject in enumerate(cited)}
    for (row, column), ax in np.ndenumerate(axes):
        normalisation, top = NORMALISATIONS[row], tops[column]
        for curve in others[normalisation, top]:
            dashed(ax, curve, look[curve.method], dashes[curve.subject])
        for method in run.methods:
            bold(ax, method, values(run, method, top, normalisation), look[method])
        _label(ax, run, top, normalisation)
    _limit(axes, run, [curve for found in others.values() for curve in found])
    for (row, column), ax in np.ndenumerate(axes):
        _name_chance(ax, 100 * _any(run, tops[column], NORMALISATIONS[row])["chance"])
    for ax in axes[:, 0]:
        ax.set_ylabel("mean average precision, %")
    for ax in axes[-1]:
        ax.set_xlabel("labelled share of the training images")
    fig.suptitle(run.protocol.title, fontsize=9, x=0.01, ha="left")
    handles = legend(run, look, dashes)
    columns = min(len(handles), 6)
    text = "\n".join(f"published: {source}; which K and divisor is not stated" for source in cited.values())
    key = fig.legend(handles=by_rows(handles, columns), ncols=columns, handlelength=3, loc="outside lower left")
    key.set_title(text, prop=FontProperties(size=6))
    key.get_title().set_color(GREY)
    key.set_alignment("left")
    return fig


def values(run: NetworkRun, method: str, top: str, normalisation: str) -> dict[float, dict[str, Any]]:
    """The metrics of a method by labelled fraction."""
    return {f: run.metrics[metric(method, regime, top, normalisation)] for f, regime in run.regimes.items()}


def _any(run: NetworkRun, top: str, normalisation: str) -> dict[str, Any]:
    """One of the metrics of a panel; K and chance are the same in all of them."""
    return next(iter(values(run, run.methods[0], top, normalisation).values()))


def _label(ax: Axes, run: NetworkRun, top: str, normalisation: str) -> None:
    """Title of the panel, and a line at the precision of a random ranking."""
    value = _any(run, top, normalisation)
    each = ", images per class" if top == top_name("per_class") else ""
    ax.set_title(f"K = {value['k']:,}{each}; divided by {DIVIDED[normalisation]}", loc="left", fontsize=8)
    ax.axhline(100 * value["chance"], color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1.5)


def _name_chance(ax: Axes, chance: float) -> None:
    """Name the line of chance, below it if there is room: no curve should be there."""
    below = 0.09 * ax.get_ylim()[1]
    ax.annotate(
        f"chance {chance:.1f} %", (1, chance), (0, -2 if chance > below else 2), ax.get_yaxis_transform(),
        textcoords="offset points", ha="right", va="top" if chance > below else "bottom", fontsize=7, color=GREY,
    )  # fmt: skip


def _limit(axes: np.ndarray, run: NetworkRun, others: list[Curve]) -> None:
    """Set limits and ticks of the axes: one tick per fraction, ours and published."""
    fractions = sorted({*run.regimes, *(fraction for curve in others for fraction, _ in curve.points)})
    reach = (fractions[-1] / fractions[0]) ** MARGIN if len(fractions) > 1 else 2.0
    width = WIDTH / axes.shape[1] - 0.6
    for ax in axes.flat:
        ax.set_xscale("log")
        ax.minorticks_off()
        ax.set_xlim(fractions[0] / reach, fractions[-1] * reach)
        ax.set_ylim(bottom=0)
        ax.set_xticks(fractions, fitting(fractions, [tick(run, f) for f in fractions], width), fontsize=7)
