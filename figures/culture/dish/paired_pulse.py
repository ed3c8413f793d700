"""Paired pulses: responses to the first and the second pulse, and their ratio against the interval."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from figures.runs.run import DishRun
from figures.style import AFTER, BEFORE, GREY, panels
from protocols.plan.dish import COURSE_BIN, expand_dish
from protocols.spec.dish.asked import PairedPulse
from protocols.spec.dish.timeline import Pair, unrolled

LONGEST = 0.1  # s after a pulse that are drawn
MOST_SHOWN = 6  # intervals whose responses are drawn


@dataclass(frozen=True, eq=False)
class Paired:
    """A measure of paired pulses.

    Parameters
    ----------
    name
        Of the measure.
    interval
        From the first pulse to the second (s).
    window
        Stretch after each pulse in which spikes are counted (s).
    ratio : shape (n_seeds,)
        Second over first response of each culture; NaN: no first response.
    edges : shape (n_bins + 1,)
        Of bins after a pulse (s), up to the second pulse.
    rates : shape (2, n_seeds, n_bins)
        Spikes of the electrodes (Hz) after the first and the second pulse, without those that it caused directly.
    """

    name: str
    interval: float
    window: tuple[float, float]
    ratio: np.ndarray
    edges: np.ndarray
    rates: np.ndarray


def paired(run: DishRun) -> list[Paired]:
    """All measures of paired pulses of a run, by interval; empty if there are none."""
    steps = dict(unrolled(run.protocol.timeline))
    found = []
    for name, asked in run.protocol.measure.items():
        if isinstance(asked, PairedPulse) and isinstance(step := steps[asked.paired_pulse], Pair):
            edges = COURSE_BIN * np.arange(max(1, round(min(LONGEST, step.interval) / COURSE_BIN)) + 1)
            rates = [
                [_rates(run, seed, asked.paired_pulse, step, turn, edges) for seed in run.seeds] for turn in (0, 1)
            ]
            ratio = np.array(run.metrics[f"{name}/ratio"]["per_seed"], float)
            found.append(Paired(name, step.interval, asked.window, ratio, edges, np.array(rates)))
    return sorted(found, key=lambda each: each.interval)


def _rates(run: DishRun, seed: int, step: str, pair: Pair, turn: int, edges: np.ndarray) -> np.ndarray:
    """Rate of the electrodes in bins after one of the two pulses (Hz), mean over electrodes and pairs."""
    pulses = expand_dish(run.protocol).pulses_of(step, (pair.pair[0], pair.pair[-1])[turn], turn)
    own = run.array(seed, "heard/step")[~run.array(seed, "heard/direct")]
    places = pulses[:, None] + np.round(edges / run.protocol.culture.simulation.dt).astype(int)
    counts = np.diff(np.searchsorted(own, places), axis=1)
    return counts.mean(axis=0) / (np.diff(edges) * len(run.array(seed, "electrodes")))


def figure(run: DishRun) -> Figure | None:
    """Above: responses to both pulses at each interval. Below: ratio over the interval, every culture a point."""
    found = paired(run)
    if not found:
        return None
    shown = found[:MOST_SHOWN]
    fig, grid = panels(4.2, height_ratios=(1, 1.1), width_ratios=[1] * len(shown))
    first = None
    for k, each in enumerate(shown):
        ax = fig.add_subplot(grid[0, k], sharex=first, sharey=first)
        _responses(ax, each)
        if first is None:
            first = ax
            ax.set_ylabel("spikes per electrode (Hz)")
            ax.set_xlim(0, LONGEST * 1e3)
            ax.set_xticks(np.linspace(0, LONGEST * 1e3, 3))
            ax.set_ylim(bottom=0)
            ax.legend(loc="upper right", handlelength=1.2)
        else:
            ax.tick_params(labelleft=False)
    _ratios(fig.add_subplot(grid[1, :]), found, len(run.seeds))
    return fig


def _responses(ax: Axes, each: Paired) -> None:
    for rates, color, name in zip(each.rates, (BEFORE, AFTER), ("first pulse", "second"), strict=True):
        mean, sd = rates.mean(axis=0), rates.std(axis=0, ddof=min(1, len(rates) - 1))
        low = np.maximum(mean - sd, 0)
        ax.stairs(mean + sd, each.edges * 1e3, baseline=low, fill=True, color=color, alpha=0.25, lw=0)
        ax.stairs(mean, each.edges * 1e3, baseline=None, color=color, lw=1.3, label=name)
    ax.set_title(f"{spelled(each.interval)} apart", loc="left")
    ax.set_xlabel("time from the pulse (ms)")


def _ratios(ax: Axes, found: list[Paired], n: int) -> None:
    at = np.array([each.interval for each in found]) * 1e3
    for seed in range(n):
        label = "a culture" if seed == 0 else None
        ax.plot(
            at, [each.ratio[seed] for each in found], "o-", ms=3, mew=0, lw=0.5, color=BEFORE, alpha=0.7, label=label
        )
    means = [each.ratio[np.isfinite(each.ratio)] for each in found]
    mean = [values.mean() if len(values) else np.nan for values in means]
    sd = [values.std(ddof=1) if len(values) > 1 else 0.0 for values in means]
    ax.errorbar(at, mean, sd, fmt="o-", ms=4, lw=1.6, color=AFTER, capsize=2, label=f"mean +- sd (n={n})")
    ax.axhline(1, color=GREY, lw=0.7, ls=":")
    ax.set_xscale("log")
    ax.set_xticks(at, [spelled(each.interval) for each in found])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("interval of the pulses")
    ax.set_ylabel("second over first response")
    windows = dict.fromkeys(f"{first * 1e3:g} to {last * 1e3:g} ms" for first, last in (e.window for e in found))
    ax.set_title(f"spikes {', '.join(windows)} after each pulse, without those that it caused directly", loc="left")
    ax.legend(loc="best")


def spelled(interval: float) -> str:
    """An interval in milliseconds, from one second on in seconds."""
    return f"{interval:g} s" if interval >= 1 else f"{interval * 1e3:g} ms"
