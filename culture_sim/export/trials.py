"""Trials of an experiment: each presentation of a stimulus, train or pair, until the next one or the step's end."""

import itertools
from typing import NamedTuple

import numpy as np

from culture_sim.formats.experiment import Experiment


class Trial(NamedTuple):
    """Times in seconds from the start of the experiment."""

    start_s: float
    stop_s: float
    step: str
    pattern: str
    trial: int


def trials(experiment: Experiment) -> list[Trial]:
    """Trials in order of time; each starts with its first pulse."""
    pulses, tick = experiment.pulses, experiment.tick_s
    first = np.flatnonzero(pulses.turn == 0)
    stops = dict(zip(experiment.steps.name.tolist(), experiment.steps.stop.tolist(), strict=True))
    found = []
    for k, following in itertools.zip_longest(first, first[1:]):
        step = str(pulses.step[k])
        within = following is not None and pulses.step[following] == step
        stop = int(pulses.at[following]) if within else stops[step]
        found.append(Trial(int(pulses.at[k]) * tick, stop * tick, step, str(pulses.pattern[k]), int(pulses.trial[k])))
    return found
