"""Expand the phases of a protocol into plain tables of presentations and of driven electrodes."""

from dataclasses import dataclass

import numpy as np

from protocols.spec.evoked import Phase
from protocols.spec.protocol import EvokedProtocol
from protocols.spec.stimuli import Stimulus

PRESENTATION = np.dtype(
    [
        ("phase", np.int32),
        ("stimulus", np.int32),
        ("trial", np.int32),
        ("onset_step", np.int64),
        ("n_steps", np.int64),
        ("plastic", np.bool_),
    ]
)
DRIVE = np.dtype(
    [
        ("presentation", np.int32),
        ("electrode", np.int32),
        ("onset_step", np.int64),
        ("n_steps", np.int64),
    ]
)


@dataclass(frozen=True)
class Timeline:
    """All presentations of an experiment and the electrodes they drive.

    Parameters
    ----------
    phases, stimuli : tuple of str
        Names of phases and stimuli; the tables refer to them by index.
    presentations : structured array, shape (n_presentations,)
        ``phase``, ``stimulus``, ``trial`` (count of this stimulus in this phase, from 0), ``onset_step``, ``n_steps``,
        ``plastic``.
    drives : structured array, shape (n_drives,)
        One row for each electrode of each presentation, driven by the stimulus' pulse train: ``presentation``,
        ``electrode``, ``onset_step`` (from the start of the session), ``n_steps``. Sorted by presentation, then
        electrode.
    """

    phases: tuple[str, ...]
    stimuli: tuple[str, ...]
    presentations: np.ndarray
    drives: np.ndarray


def expand(protocol: EvokedProtocol, seed: int = 0) -> Timeline:
    """Expand a protocol.

    Parameters
    ----------
    protocol
        A checked protocol.
    seed
        Seed of the order in `shuffled` phases; it has no other effect.
    """
    stimuli = tuple(protocol.stimuli)
    rows, onset = [], 0
    for index, phase in enumerate(protocol.phases):
        n_steps = protocol.culture.steps(phase.window)
        for name, trial in _order(phase, np.random.default_rng([seed, index])):
            rows.append((index, stimuli.index(name), trial, onset, n_steps, phase.plastic))
            onset += n_steps
    presentations = np.array(rows, PRESENTATION)
    drives = [
        (k, row * protocol.culture.array.columns + column, start, length)
        for k, (start, length, stimulus) in enumerate(_driven(protocol, presentations))
        for row, column in sorted(stimulus.electrodes)
    ]
    return Timeline(tuple(p.name for p in protocol.phases), stimuli, presentations, np.array(drives, DRIVE))


def _order(phase: Phase, rng: np.random.Generator) -> list[tuple[str, int]]:
    trials = range(phase.repetitions)
    if phase.order == "blocked":
        return [(name, trial) for name in phase.present for trial in trials]
    order = [(name, trial) for trial in trials for name in phase.present]
    if phase.order == "shuffled":
        return [order[k] for k in rng.permutation(len(order))]
    return order


def _driven(protocol: EvokedProtocol, presentations: np.ndarray) -> list[tuple[int, int, Stimulus]]:
    """First step, number of steps and stimulus of the drive in each presentation."""
    stimuli, steps = tuple(protocol.stimuli.values()), protocol.culture.steps
    return [
        (int(row["onset_step"]) + steps(stimulus.onset), steps(stimulus.duration), stimulus)
        for row in presentations
        for stimulus in [stimuli[row["stimulus"]]]
    ]
