"""A closed loop: what the electrodes of the first culture heard, what was stimulated, and what the controller noted."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.runs.run import DishRun
from figures.style import AFTER, BEFORE, GREY, PUBLISHED, canvas, panels
from protocols.plan.dish import DishPlan, expand_dish
from protocols.plan.loops import events
from protocols.spec.dish.asked import BurstControl, Rally
from protocols.spec.dish.timeline import Loop, unrolled

MOST_SHOWN = 20.0  # s, of the raster of each step
RATE_BIN = 0.1  # s
RALLY_BINS = 10
MOST_STEPS = 3


def figure(run: DishRun) -> Figure | None:
    """Raster, pulses and rate in the loops of the timeline, the end of each; None if there is none."""
    names = [name for name, step in unrolled(run.protocol.timeline) if isinstance(step, Loop)][:MOST_STEPS]
    if not names:
        return None
    plan = expand_dish(run.protocol)
    fig, grid = panels(3.8, height_ratios=(3, 1), width_ratios=[1] * len(names))
    rates = [
        _loop(run, plan, name, fig.add_subplot(grid[0, k]), fig.add_subplot(grid[1, k])) for k, name in enumerate(names)
    ]
    most = max(rate.get_ylim()[1] for rate in rates)
    for rate in rates:
        rate.set_ylim(0, most)
    fig.supxlabel(f"culture {run.seeds[0]}; blue: spikes heard; orange: pulses", fontsize=7, color=GREY)
    return fig


def _loop(run: DishRun, plan: DishPlan, name: str, raster: Axes, rate: Axes) -> Axes:
    seed, dt, n = run.seeds[0], run.protocol.culture.simulation.dt, len(run.array(run.seeds[0], "electrodes"))
    start, stop, _ = plan.steps[plan.names.index(name)]
    start = max(start, stop - round(MOST_SHOWN / dt))

    def within(kind: str) -> tuple[np.ndarray, np.ndarray]:
        at, electrode = run.array(seed, f"{kind}/step"), run.array(seed, f"{kind}/electrode")
        chosen = (at >= start) & (at < stop)
        return (at[chosen] - start) * dt, electrode[chosen]

    heard, pulses = within("heard"), within("stimuli")
    raster.plot(*pulses, ".", ms=1.6, mew=0, color=PUBLISHED, rasterized=True)
    raster.plot(*heard, "|", ms=2.2, mew=0.4, color=AFTER, rasterized=True)
    raster.set_ylim(n - 0.5, -0.5)
    raster.set_ylabel("electrode")
    raster.set_title(name.replace("_", " "), loc="left")
    raster.tick_params(labelbottom=False)
    edges = np.arange(0, (stop - start) * dt + RATE_BIN / 2, RATE_BIN)
    counts, _ = np.histogram(heard[0], edges)
    rate.fill_between(edges[:-1], counts / RATE_BIN / n, step="post", color=BEFORE, lw=0)
    rate.set_ylabel("Hz per electrode")
    rate.set_xlabel(f"time (s), the last {(stop - start) * dt:g} s of the step")
    for ax in (raster, rate):
        ax.set_xlim(0, (stop - start) * dt)
    return rate


def burst_control(run: DishRun) -> Figure | None:
    """Network bursts and burstiness of every culture in the two steps of a measure of burst control; None without."""
    asked = next(((name, m) for name, m in run.protocol.measure.items() if isinstance(m, BurstControl)), None)
    if asked is None:
        return None
    name, measure = asked
    fig, axes = canvas(1, 2, 2.6)
    labels = [step.replace("_", " ") for step in measure.burst_control]
    kinds = (
        ("", f"network bursts a minute\n({measure.blank * 1e3:g} ms blanked)"),
        (" burstiness", "burstiness, all spikes"),
    )
    for ax, (kind, label) in zip(axes[0], kinds, strict=True):
        values = np.array([_per_seed(run, f"{name}/{place}{kind}") for place in ("first", "second")])
        ax.plot([0, 1], values, "-", color=BEFORE, lw=0.7, marker="o", ms=3)
        ax.plot([0, 1], np.nanmean(values, axis=1), "-", color=AFTER, lw=2, marker="o", ms=5)
        ax.set_xticks([0, 1], labels)
        ax.set_xlim(-0.3, 1.3)
        ax.set_ylim(bottom=0)
        ax.set_ylabel(label)
    fig.supxlabel(f"grey: {len(run.seeds)} cultures; blue: their mean", fontsize=7, color=GREY)
    return fig


def rallies(run: DishRun) -> Figure | None:
    """Share of balls that were hit in the course of a game, and mean rallies early and late; None without pong."""
    asked = next(((name, m) for name, m in run.protocol.measure.items() if isinstance(m, Rally)), None)
    if asked is None:
        return None
    name, measure = asked
    fig, axes = canvas(1, 2, 2.6)
    edges, shares = _hits(run, measure.rally)
    middle = 0.5 * (edges[1:] + edges[:-1]) / 60
    course, early_late = axes[0]
    course.plot(middle, shares.T, "-", color=BEFORE, lw=0.6)
    course.plot(middle, np.nanmean(shares, axis=0), "-", color=AFTER, lw=2, marker="o", ms=3)
    course.axvline(measure.early / 60, color="k", lw=0.5, ls=":")
    course.set_xlabel("time of the game (min)")
    course.set_ylabel("share of balls that were hit")
    course.set_ylim(0, 1)
    values = np.array([_per_seed(run, f"{name}/{part}") for part in ("early", "late")])
    early_late.plot([0, 1], values, "-", color=BEFORE, lw=0.7, marker="o", ms=3)
    early_late.plot([0, 1], np.nanmean(values, axis=1), "-", color=AFTER, lw=2, marker="o", ms=5)
    early_late.set_xticks([0, 1], [f"first {measure.early / 60:.3g} min", "the rest"])
    early_late.set_xlim(-0.3, 1.3)
    early_late.set_ylim(bottom=0)
    early_late.set_ylabel("mean rally (hits)")
    fig.supxlabel(f"grey: {len(run.seeds)} cultures; blue: their mean", fontsize=7, color=GREY)
    return fig


def _hits(run: DishRun, step: str) -> tuple[np.ndarray, np.ndarray]:
    """Share of hits of all balls in bins of a game: edges (s from its start), and values of each culture."""
    plan, dt = expand_dish(run.protocol), run.protocol.culture.simulation.dt
    start, stop, _ = plan.steps[plan.names.index(step)]
    edges = np.linspace(0, (stop - start) * dt, RALLY_BINS + 1)
    found = []
    for seed in run.seeds:
        noted = events(run.arrays, seed)
        time = (noted.at - start) * dt
        hits, misses = (np.histogram(time[noted.name == name], edges)[0] for name in ("hit", "miss"))
        balls = hits + misses
        found.append(np.where(balls > 0, hits / np.maximum(balls, 1), np.nan))
    return edges, np.array(found)


def _per_seed(run: DishRun, path: str) -> list[float]:
    """A measure of every culture; NaN where it is not defined."""
    return [float(value) for value in run.per_seed(f"measured/{path}")]
