"""Estimate of a run's time steps, synaptic events and memory, before any culture is grown."""

from dataclasses import dataclass

import numpy as np

from culture_sim.experiments.dish_needs import Needs
from culture_sim.experiments.dispatch import n_steps
from culture_sim.model.expected_work import expected_synapses, most_events
from protocols.spec.protocol import CultureProtocol, DishProtocol


@dataclass(frozen=True)
class Estimate:
    """Estimate for one seed.

    Parameters
    ----------
    n_synapses
        Expected number of synapses in all projections.
    memory_bytes
        Peak memory.
    n_steps
        Time steps.
    most_events
        Upper bound on synaptic events: every neuron fires as fast as its refractory period allows.
    """

    n_synapses: int
    memory_bytes: int
    n_steps: int
    most_events: float


def estimate(protocol: CultureProtocol | DishProtocol, *, compiled: bool) -> Estimate:
    """Estimate one seed of a protocol; `compiled` for a compiled program, else for Brian2's runtime."""
    if isinstance(protocol, DishProtocol):
        return _of_dish(protocol)
    spec = protocol.culture
    synapses = sum(expected_synapses(spec, name) for name in spec.projections)
    # Growing holds every synapse twice (index and weight); a compiled program then holds both indices, the weight and
    # its `seen`. Brian2's runtime holds indices as 64 bit integers, several times over.
    word = np.dtype(spec.simulation.precision).itemsize
    per_synapse = 1.1 * (4 * word + 16) if compiled else 4 * word + 120
    steps = n_steps(protocol)
    return Estimate(synapses, int(synapses * per_synapse + 300e6), steps, most_events(spec, synapses, steps))


def _of_dish(protocol: DishProtocol) -> Estimate:
    spec, steps, needs = protocol.culture, n_steps(protocol), Needs.of(protocol)
    events = needs.n_synapses * steps / (spec.steps(spec.neurons.refractory) + 1)
    return Estimate(needs.n_synapses, needs.seed_bytes, steps, events)
