"""Raster of the neurons nearest to each electrode: probes before, first and last tetanus, probes after."""

import numpy as np
from matplotlib.figure import Figure

from figures.runs.run import EvokedRun
from figures.style import AFTER, BEFORE, canvas
from protocols.plan.timeline import expand

MOST_UNITS = 4  # per electrode: more rows would not be resolved, and drawing them takes long
MOST_STIMULI = 2  # per phase: more columns would be too narrow


def figure(run: EvokedRun) -> Figure | None:
    """One column per example presentation of the first culture; None if the run kept no spikes."""
    seed = run.seeds[0]
    neuron = run.arrays.get(f"seed_{seed}/spikes/neuron")
    if neuron is None:
        return None
    step = run.arrays[f"seed_{seed}/spikes/step"]
    units = run.arrays[f"seed_{seed}/units"][:, :MOST_UNITS]
    by_unit = np.argsort(units.ravel(), kind="stable")
    sorted_units = units.ravel()[by_unit]
    half = 0.5 / units.shape[1]
    timeline = expand(run.protocol, seed)
    table, dt_ms = timeline.presentations, run.protocol.culture.simulation.dt * 1e3
    shown = _examples(table)
    first_phase = table["phase"][shown[0]]
    fig, axes = canvas(1, len(shown), 3.2, sharey=True)
    for column, k in enumerate(shown):
        ax = axes[0, column]
        onset, n_steps = table["onset_step"][k], table["n_steps"][k]
        inside = (step >= onset) & (step < onset + n_steps)
        color = BEFORE if table["phase"][k] == first_phase and not table["plastic"][k] else AFTER
        time, line = (step[inside] - onset) * dt_ms, neuron[inside]
        # a neuron may be a unit of several electrodes: its spikes are drawn in the row of each
        first, last = (np.searchsorted(sorted_units, line, side) for side in ("left", "right"))
        for k_unit in range(int((last - first).max(initial=0))):
            seen = first + k_unit < last
            y = by_unit[(first + k_unit)[seen]] / units.shape[1]
            ax.vlines(time[seen], y - half, y + half, lw=0.6, color=color)
        phase, stimulus = timeline.phases[table["phase"][k]], timeline.stimuli[table["stimulus"][k]]
        ax.set_title(f"{phase}\n{stimulus.replace('_', ' ')} {table['trial'][k] + 1}", loc="left", fontsize=7)
        stimulated = run.protocol.stimuli[stimulus]
        # the response to a probe is short: show only the time around it
        first, last = (stimulated.onset - 0.02, stimulated.onset + 0.1) if not table["plastic"][k] else (0, np.inf)
        ax.set_xlim(max(0, first) * 1e3, min(last * 1e3, n_steps * dt_ms))
        ax.set_xlabel("time (ms)")
    columns = run.protocol.culture.array.columns
    rows = np.arange(run.protocol.culture.array.rows)
    axes[0, 0].set_yticks((rows + 0.5) * columns, [f"row {r}" for r in rows])
    axes[0, 0].set_ylim(len(units), 0)
    axes[0, 0].set_ylabel(f"electrode, {units.shape[1]} nearest neurons each")
    return fig


def _examples(table: np.ndarray) -> list[int]:
    """Example presentations in order of time.

    Of a phase without learning, the first presentation of each of its first stimuli; of a phase with learning, its
    first and last presentation.
    """
    shown: set[int] = set()
    for phase in np.unique(table["phase"]):
        rows = np.flatnonzero(table["phase"] == phase)
        if table["plastic"][rows[0]]:
            shown |= {int(rows[0]), int(rows[-1])}
        else:
            _, first = np.unique(table["stimulus"][rows], return_index=True)
            shown |= {int(row) for row in rows[np.sort(first)[:MOST_STIMULI]]}
    return sorted(shown)
