"""Maps of the array: stimulated electrodes, and the response at each electrode before and after learning."""

import numpy as np
from matplotlib.figure import Figure

from figures.culture import array_map
from figures.runs.run import EvokedRun
from figures.style import canvas


def figure(run: EvokedRun) -> Figure:
    """Rows: probes. Columns: every probing phase, then the change from the first to the last."""
    probes, phases = run.probes, run.probing
    fig, axes = canvas(len(probes), len(phases) + 1, 1.45 * len(probes) + 0.5)
    maps = {(probe, phase): _response(run, probe, phase) for probe in probes for phase in phases}
    top = max(np.nanmax(image, initial=0) for image in maps.values())
    change = {probe: maps[probe, phases[-1]] - maps[probe, phases[0]] for probe in probes}
    widest = max(np.nanmax(np.abs(image), initial=0) for image in change.values())
    for row, probe in enumerate(probes):
        for column, phase in enumerate(phases):
            title = f"{probe.replace('_', ' ')}, {phase}"
            image = maps[probe, phase]
            level = array_map.draw(axes[row, column], image, title, limits=(0, top), electrodes=run.drawn(probe))
        title = f"{phases[-1]} - {phases[0]}"
        difference = array_map.draw(
            axes[row, -1], change[probe], title, "RdBu_r", limits=(-widest, widest), electrodes=run.drawn(probe)
        )
    fig.colorbar(level, ax=axes[:, :-1], label="spikes per neuron and probe", shrink=0.8)
    fig.colorbar(difference, ax=axes[:, -1], label="change", shrink=0.8)
    fig.suptitle(f"Evoked spikes over the array, mean of {len(run.seeds)} cultures; stimulated electrodes outlined")
    return fig


def _response(run: EvokedRun, probe: str, phase: str) -> np.ndarray:
    """Spikes per neuron in a presentation, shape (rows, columns); NaN where the probe was not presented."""
    array = run.protocol.culture.array
    if not run.presented(probe, phase):
        return np.full((array.rows, array.columns), np.nan)
    spikes = run.stack(f"psth/{probe}/{phase}").sum(axis=2)
    return mean_over_cultures(spikes).reshape(array.rows, array.columns)


def mean_over_cultures(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of the values that are there (an electrode's cell may be empty); NaN where none is."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0).sum(axis=0) / there.sum(axis=0)
