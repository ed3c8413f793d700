"""An echo state network (Jaeger 2001) on the same inputs: reservoirpy's, with settings chosen on validation trials."""

import importlib.util
from typing import NamedTuple

import numpy as np

from protocols.plan.reservoir import Trials
from protocols.spec.faults import ProtocolFault, installation
from protocols.spec.random_streams import stream

STEPS = 3  # of the network in a trial: the pattern in the first, then nothing; read after the last


class Setting(NamedTuple):
    """Settings of a network: spectral radius, leak rate, scale of the inputs."""

    radius: float
    leak: float
    scale: float


def check_installed() -> None:
    """Refuse, in one line, if reservoirpy is missing.

    Raises
    ------
    ProtocolFault
    """
    if importlib.util.find_spec("reservoirpy") is None:
        raise ProtocolFault([f"reservoir.controls: echo_state needs reservoirpy ({installation('reservoir')})"])


def settings(budget: int, seed: int) -> list[Setting]:
    """Settings to try, at random: radius 0.1 to 1.5 and scale 0.1 to 3 (logarithmic), leak 0.1 to 1."""
    draws = np.random.default_rng(stream("reservoir/echo_state", seed)).random((budget, 3))
    return [Setting(0.1 * 15**a, 0.1 + 0.9 * b, 0.1 * 30**c) for a, b, c in draws.tolist()]


def states(trials: Trials, units: int, setting: Setting, seed: int) -> np.ndarray:
    """States of a network at the end of every trial, shape (n_trials, units); it is never reset."""
    from reservoirpy.nodes import Reservoir

    inputs = np.zeros((len(trials), STEPS, trials.current.shape[1]))
    inputs[:, 0] = trials.current
    state = int(stream("reservoir/echo_state_weights", seed).generate_state(1)[0])
    network = Reservoir(
        units, lr=setting.leak, sr=setting.radius, input_scaling=setting.scale, input_connectivity=0.1, seed=state
    )
    found = np.asarray(network.run(inputs.reshape(-1, inputs.shape[-1])))
    return found[STEPS - 1 :: STEPS]
