"""Evoked time courses before and after, beside the published ones with their uncertainty."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.run_data import EvokedRun
from figures.style import AFTER, BEFORE, PUBLISHED, canvas


def figure(run: EvokedRun) -> Figure:
    """One column a probe, one row a probing phase; twin: mean +- sd over cultures."""
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
                ax.set_ylabel(f"spikes per {run.protocol.culture.readout.bin * 1e3:g} ms")
            if row == len(phases) - 1:
                ax.set_xlabel("time from stimulus onset (ms)")
            if row == 0:
                ax.legend(loc="upper right")
    return fig


def _twin(ax: Axes, run: EvokedRun, probe: str, phase: str, color: str) -> None:
    spec = run.protocol.culture
    psth = run.stack(f"psth/{probe}/{phase}").mean(axis=1) / run.stack("units").shape[-1]
    bin_ms = spec.readout.bin * 1e3
    onset = int(run.protocol.stimuli[probe].onset / spec.readout.bin + 1e-9)  # a bin starts at the onset
    shown = slice(max(0, onset - 2), onset + 15)
    time = (np.arange(psth.shape[1]) - onset + 0.5)[shown] * bin_ms
    mean, sd = psth.mean(axis=0)[shown], psth.std(axis=0, ddof=min(1, len(psth) - 1))[shown]
    ax.bar(time, mean, bin_ms * 0.9, color=color, alpha=0.75, label=f"twin, per unit (n={len(psth)})")
    ax.errorbar(time, mean, sd, fmt="none", ecolor="black", elinewidth=0.7, capsize=1.5)


def _published(ax: Axes, run: EvokedRun, probe: str, phase: str) -> None:
    course = [
        (t.bin_ms + t.window_ms / 2, t)
        for t in run.targets
        if t.quantity == f"course/{probe}/{phase}" and t.bin_ms is not None and t.window_ms is not None
    ]
    if course:
        first = course[0][1]
        n = "" if first.n is None else f" (n={first.n})"
        ax.errorbar(
            [time for time, _ in course],
            [t.value for _, t in course],
            [np.nan if t.sd is None else t.sd for _, t in course],
            fmt="o-",
            ms=3,
            lw=1,
            capsize=2,
            color=PUBLISHED,
            label=f"{first.source.split(' IEEE')[0]}, per electrode{n}",
        )
