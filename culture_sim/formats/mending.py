"""Spike trains from what a file holds, unit by unit: mends what can be mended and says so, refuses the rest."""

from collections.abc import Mapping, Sequence

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains, Stimuli

LEAST_SEGMENT = 10  # spikes of a unit between two restarts of the clock, on average


def spike_trains(
    trains: Sequence[np.ndarray],
    duration: float,
    positions: np.ndarray | None = None,
    metadata: Mapping[str, str | int | float] | None = None,
    stimuli: Stimuli | None = None,
    notes: Sequence[str] = (),
) -> SpikeTrains:
    """Spike trains from the spike times of each unit (s from the start), in the order of the file.

    Times of a unit that do not ascend are sorted; positions that are not there, or not of all units, are left out: both
    with a note.

    Raises
    ------
    ValueError
        If the clock restarts within the recording, or times are not those of a recording (see `SpikeTrains`).
    """
    said = list(notes)
    unsorted = [train for train in trains if np.any(np.diff(train) < 0)]
    if unsorted:
        _refuse_restarts(unsorted, max(float(np.nanmax(train)) for train in trains if len(train)))
        said.append(f"times of {len(unsorted)} of {len(trains)} units did not ascend: sorted")
    if not sum(map(len, trains)):
        said.append("no spikes")
    if positions is None:
        said.append("electrodes have no positions: no synchrony by distance")
    elif unplaced := int(np.sum(~np.isfinite(positions).all(axis=1))):
        said.append(f"{unplaced} of {len(positions)} electrodes have no position: no synchrony by distance")
        positions = None
    time = np.concatenate([*trains, np.zeros(0)])
    unit = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    order = np.argsort(time, kind="stable")
    given = dict(metadata or {})
    return SpikeTrains(time[order], unit[order], len(trains), duration, positions, given, stimuli, tuple(said))


def _refuse_restarts(unsorted: Sequence[np.ndarray], last: float) -> None:
    """Refuse times that jump back by more than half the recording, with long ascending stretches between the jumps."""
    for train in unsorted:
        back = np.flatnonzero(np.diff(train) < 0)
        jumps = train[back] - train[back + 1]
        if jumps.max() > last / 2 and len(train) / (len(back) + 1) >= LEAST_SEGMENT:
            at = back[np.argmax(jumps)]
            raise ValueError(
                f"the clock restarts: after {train[at]:g} s comes {train[at + 1]:g} s; allowed: one recording a file"
            )
