"""Time courses of evoked responses before and after learning, beside the published ones."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.runs.run import EvokedRun
from figures.style import AFTER, BEFORE, GREY, PUBLISHED, canvas
from protocols.loading.published import Target

BINS_BEFORE, BINS_AFTER = 2, 15  # bins shown around the onset
STYLES = (("-", "o"), (":", "x"))  # line and marker of published courses: of cultures, of a simulation


def figure(run: EvokedRun) -> Figure:
    """One column per probe, one row per probing phase; bars are the mean over simulated cultures, whiskers +- sd."""
    probes, phases = run.probes, run.probing
    fig, axes = canvas(len(phases), len(probes), 1.9 * len(phases) + 0.5, sharex=True, sharey=True)
    for row, phase in enumerate(phases):
        for column, probe in enumerate(probes):
            ax = axes[row, column]
            if not run.presented(probe, phase):
                ax.set_axis_off()
                continue
            _twin(ax, run, probe, phase, BEFORE if row == 0 else AFTER)
            _published(ax, run, probe, phase)
            ax.set_title(f"{probe.replace('_', ' ')}, {phase}", loc="left")
            ax.axhline(0, color="black", lw=0.5)
            if column == 0:
                ax.set_ylabel("leaky spikes per neuron")
            if row == len(phases) - 1:
                ax.set_xlabel("time from stimulus onset (ms)")
            if row == 0:
                ax.legend(loc="upper right")
    return fig


def _twin(ax: Axes, run: EvokedRun, probe: str, phase: str, color: str) -> None:
    time, course = leaky_course(run, probe, phase)
    mean, sd = course.mean(axis=0), course.std(axis=0, ddof=min(1, len(course) - 1))
    bin_ms = run.protocol.culture.readout.bin * 1e3
    ax.bar(time, mean, bin_ms * 0.9, color=color, alpha=0.75, label=f"twin (n={len(course)})")
    ax.errorbar(time, mean, sd, fmt="none", ecolor="black", elinewidth=0.7, capsize=1.5)


def leaky_course(run: EvokedRun, probe: str, phase: str) -> tuple[np.ndarray, np.ndarray]:
    """Leaky count in bins around the onset.

    Returns
    -------
    time : shape (n_bins,)
        Middle of each bin in ms after the onset.
    course : shape (n_seeds, n_bins)
        Leaky spikes per neuron, mean over electrodes and over the steps of the bin.
    """
    spec = run.protocol.culture
    level = run.stack(f"leaky/{probe}/{phase}")
    onset, steps = spec.steps(run.protocol.stimuli[probe].onset), spec.steps(spec.readout.bin)
    first = max(onset % steps, onset - BINS_BEFORE * steps)  # a bin starts at the onset
    n_bins = min((level.shape[1] - first) // steps, BINS_BEFORE + BINS_AFTER)
    course = level[:, first : first + n_bins * steps].reshape(len(level), n_bins, steps).mean(axis=2)
    time = (first - onset + (np.arange(n_bins) + 0.5) * steps) * spec.simulation.dt * 1e3
    return time, course


def _published(ax: Axes, run: EvokedRun, probe: str, phase: str) -> None:
    draw_published(ax, published_course(run, probe, phase))


def published_course(run: EvokedRun, probe: str, phase: str) -> list[tuple[float, Target]]:
    """Published values of a time course, and the middles of their bins (ms)."""
    return [
        (target.bin_ms + target.window_ms / 2, target)
        for target in run.targets
        if target.quantity == f"course/{probe}/{phase}" and target.bin_ms is not None and target.window_ms is not None
    ]


def draw_published(ax: Axes, course: Sequence[tuple[float, Target]]) -> None:
    """Draw published values over their times (ms) with standard deviations, one line a subject."""
    subjects = sorted({target.subject for _, target in course}, key=lambda subject: subject != "culture")
    for subject, (line, marker) in zip(subjects, STYLES, strict=False):
        time, shown = zip(*((time, target) for time, target in course if target.subject == subject), strict=True)
        name = shown[0].source.split(" IEEE")[0] if subject == "culture" else subject
        n = "" if shown[0].n is None else f" (n={shown[0].n})"
        ax.errorbar(
            time,
            [t.value for t in shown],
            None if all(t.sd is None for t in shown) else [np.nan if t.sd is None else t.sd for t in shown],
            fmt=marker + line,
            ms=3,
            lw=1,
            capsize=2,
            color=PUBLISHED if subject == "culture" else GREY,
            label=f"{name}{n}",
        )
