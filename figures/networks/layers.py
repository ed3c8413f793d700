"""Diagnostics of each layer over the epochs of Hebbian pre-training: shares of the neurons, ranks, distance moved."""

import warnings
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator, StrMethodFormatter

from figures.runs.run import NetworkRun
from figures.style import WIDTH, plt

ROWS, COLUMNS = 2, 4  # of panels of a method; the last is the legend
HEIGHT = 1.35  # inches, of a row
NAMED = 9  # layers in the legend at most
EVEN = 0.01, 0.92  # of the colour map, from the first layer to the last
LOG_TICKS = np.outer(10.0 ** np.arange(7), [1, 2, 5]).ravel()


@dataclass(frozen=True)
class Panel:
    """How a measure is drawn.

    Parameters
    ----------
    title
        Name of the measure.
    factor
        From the measure to the unit shown.
    limits
        Limits of the axis; None for those of the data, on a logarithmic axis.
    """

    title: str
    factor: float = 1
    limits: tuple[float, float] | None = None


PANELS = {
    "winner_entropy": Panel("entropy of wins\n(1: all win equally often)", 1, (-0.04, 1.04)),
    "dead_neurons": Panel("dead neurons, %", 100, (-4, 104)),
    "cosine_to_initial": Panel("cosine to the\ninitial weights", 1, (-0.04, 1.04)),
    "effective_rank": Panel("effective rank\nof the features"),
    "stable_rank": Panel("stable rank\nof the features"),
    "weight_stable_rank": Panel("stable rank\nof the weights"),
    "softmax_entropy": Panel("entropy of the softmax\n(0: one winner, 1: none)", 1, (-0.04, 1.04)),
}


def figure(run: NetworkRun) -> Figure | None:
    """A block of panels per method, one panel per measure, one colour per layer: mean and range over seeds."""
    methods = [name for name in run.hebbian if f"seed_{run.seeds[0]}/{name}/diagnostics/layers" in run.arrays]
    if not methods:
        return None
    fig = plt.figure(figsize=(WIDTH, ROWS * HEIGHT * len(methods) + 0.5))
    blocks = fig.subfigures(len(methods), 1, squeeze=False)[:, 0]
    axes: dict[str, list[Axes]] = {}
    for block, method in zip(blocks, methods, strict=True):
        for measure, ax in _block(block, run, method).items():
            axes.setdefault(measure, []).append(ax)
    for measure, same in axes.items():
        low, high = zip(*(ax.get_ylim() for ax in same), strict=True)
        for ax in same:
            ax.set_ylim(min(low), max(high))
            if PANELS[measure].limits is None:
                _ticks(ax)
    fig.supxlabel("epoch of pre-training (0: initial weights)", fontsize=8)
    return fig


def _block(block: SubFigure, run: NetworkRun, method: str) -> dict[str, Axes]:
    """Draw the measures of one method; returns their axes."""
    panels = block.subplots(ROWS, COLUMNS, sharex=True).ravel()
    block.suptitle(method, x=0.01, ha="left", fontsize=9, fontweight="bold")
    found = {}
    for ax, (measure, panel) in zip(panels, PANELS.items(), strict=False):
        values = panel.factor * run.stack(f"{method}/diagnostics/{measure}").astype(float)  # seeds, epochs, layers
        if np.isfinite(values).any():
            found[measure] = ax
            _draw(ax, values)
            ax.set_title(panel.title, loc="left", fontsize=7)
            if panel.limits is None:
                ax.set_yscale("log")
            else:
                ax.set_ylim(*panel.limits)
        else:
            ax.set_axis_off()
    panels[-1].set_axis_off()
    names = run.arrays[f"seed_{run.seeds[0]}/{method}/diagnostics/layers"].tolist()
    neurons = run.arrays[f"seed_{run.seeds[0]}/{method}/diagnostics/neurons"].tolist()
    panels[-1].legend(handles=_legend(names, neurons, len(run.seeds)), loc="center left", borderaxespad=0, fontsize=6.5)
    return found


def _draw(ax: Axes, values: np.ndarray) -> None:
    """One line per layer: the mean over seeds, and a band from the lowest to the highest."""
    epochs, colors = np.arange(values.shape[1]), _colors(values.shape[2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a layer without this measure: all NaN
        low, mean, high = np.nanmin(values, 0), np.nanmean(values, 0), np.nanmax(values, 0)
    for layer, color in enumerate(colors):
        if len(values) > 1:
            ax.fill_between(epochs, low[:, layer], high[:, layer], color=color, alpha=0.15, lw=0)
        ax.plot(epochs, mean[:, layer], color=color, lw=1.3)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    ax.tick_params(labelsize=7)


def _colors(n: int) -> list[tuple[float, ...]]:
    """From dark, the first layer, to light, the last."""
    return [mpl.colormaps["viridis"](place) for place in np.linspace(*EVEN, n)]


def _ticks(ax: Axes) -> None:
    """Few numbers on a logarithmic axis, and never none."""
    low, high = ax.get_ylim()
    inside = LOG_TICKS[(low <= LOG_TICKS) & (high >= LOG_TICKS)]
    if len(inside) < 2:  # less than a factor of 2.5: an even scale says more
        ax.set_yscale("linear")
        ax.yaxis.set_major_locator(MaxNLocator(3))
        return
    ax.yaxis.set_major_locator(FixedLocator(list(inside[:: -(-len(inside) // 5)])))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())


def _legend(names: list[str], neurons: list[int], n_seeds: int) -> list[Line2D]:
    """The layers, or some of them where there are many, the first and the last included."""
    shown = np.unique(np.linspace(0, len(names) - 1, min(NAMED, len(names))).round().astype(int))
    colors = _colors(len(names))
    handles = [
        Line2D([], [], color=colors[k], lw=1.3, label=f"{_said(names[k], k)}: {neurons[k]:,} neurons") for k in shown
    ]
    if len(shown) < len(names):
        handles.append(Line2D([], [], ls="", label=f"({len(names)} layers in all)"))
    if n_seeds > 1:
        handles.append(Line2D([], [], ls="", label=f"mean, range of {n_seeds} seeds"))
    return handles


def _said(name: str, place: int) -> str:
    """A name for readers: modules of a list of layers are numbered; one's own network is the first part of two."""
    return f"layer {place + 1}" if name.isdigit() else name.removeprefix("0.")
