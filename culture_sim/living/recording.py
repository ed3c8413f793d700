"""What a simulation of a living culture gives back: spikes, and the state to go on from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from culture_sim.living.culture import LivingCulture
from culture_sim.living.session import LivingSession

NEVER = -(2**30)  # step of the last spike of a cell, or arrival at a synapse, that had none


@dataclass(frozen=True, eq=False)
class LivingState:
    """State between two time steps. Potentials in volts; arrays of neurons have shape (n_neurons,).

    Parameters
    ----------
    step
        Time steps of the culture's life so far; it also is the place in the stream of noise.
    shared
        Shared noise, of variance 1.
    v, ampa, nmda, gaba, adaptation
        Membrane potential above rest; currents as potentials, magnitudes.
    used
        Share of the resources of each cell's synapses that is used up.
    u
        Share of the resources that the last spike released, decaying (0 without facilitation).
    scale
        Homeostatic factor on the incoming excitation.
    refractory : int
        Steps for which each cell still is refractory.
    last_spike : int
        Step of each cell's last spike.
    weight : shape (n_synapses,)
        In the order of `culture.synapses`.
    arrived : int, shape (n_synapses,)
        Step at which the last spike arrived; of no length where the culture has no plasticity.
    in_flight_neuron, in_flight_step : int; in_flight_release : shape (n_in_flight,)
        Spikes that may still arrive somewhere: cell, step, and released share of the resources; in order of time.
    """

    step: int
    shared: float
    v: np.ndarray
    ampa: np.ndarray
    nmda: np.ndarray
    gaba: np.ndarray
    adaptation: np.ndarray
    used: np.ndarray
    u: np.ndarray
    scale: np.ndarray
    refractory: np.ndarray
    last_spike: np.ndarray
    weight: np.ndarray
    arrived: np.ndarray
    in_flight_neuron: np.ndarray
    in_flight_step: np.ndarray
    in_flight_release: np.ndarray

    @classmethod
    def at_rest(cls, culture: LivingCulture) -> Self:
        """A culture at the start of its life: all cells at rest, all resources there, no spike ever."""
        n, dtype = len(culture.positions), np.dtype(culture.spec.simulation.precision)
        n_arrivals = len(culture.synapses.weight) if culture.spec.plasticity else 0
        return cls(
            step=0,
            shared=0.0,
            **{name: np.zeros(n, dtype) for name in ("v", "ampa", "nmda", "gaba", "adaptation", "used", "u")},
            scale=np.ones(n, dtype),
            refractory=np.zeros(n, np.int32),
            last_spike=np.full(n, NEVER, np.int32),
            weight=culture.synapses.weight.copy(),
            arrived=np.full(n_arrivals, NEVER, np.int32),
            in_flight_neuron=np.zeros(0, np.int32),
            in_flight_step=np.zeros(0, np.int32),
            in_flight_release=np.zeros(0, dtype),
        )

    def check(self, culture: LivingCulture) -> None:
        """Raise a ValueError if this is no state of that culture."""
        expected = LivingState.at_rest(culture)
        for name, array in vars(expected).items():
            if isinstance(array, np.ndarray) and not name.startswith("in_flight"):
                shape = getattr(self, name).shape
                if shape != array.shape:
                    raise ValueError(f"state.{name}: shape {shape}; allowed: {array.shape}, as the culture has")


@dataclass(frozen=True, eq=False)
class LivingRecording:
    """Spikes of a session, and the state that it ended in.

    Parameters
    ----------
    dt
        Time step in seconds.
    session
        What was done.
    neuron, step : int32, shape (n_spikes,)
        Neuron and time step (from the session's start) of every spike, in order of time, then neuron.
    direct : bool, shape (n_spikes,)
        Whether a stimulation pulse of that step made the cell fire.
    state
        At the end: give it to the next `simulate` to go on. It holds the weights.
    snapshots
        At each of the session's snapshot steps: the weights in volts, shape (n_synapses,).
    """

    dt: float
    session: LivingSession
    neuron: np.ndarray
    step: np.ndarray
    direct: np.ndarray
    state: LivingState
    snapshots: Sequence[np.ndarray] = ()

    @property
    def time_s(self) -> np.ndarray:
        """Time of every spike from the session's start, in seconds."""
        return self.step * self.dt

    @property
    def duration_s(self) -> float:
        """Length of the session in seconds."""
        return self.session.n_steps * self.dt
