"""How much work and memory a culture will take, before anything is built."""

from dataclasses import dataclass

import numpy as np

from culture_sim.experiments.dispatch import n_steps
from culture_sim.model.expected_work import expected_synapses, most_events
from protocols.spec.protocol import CultureProtocol


@dataclass(frozen=True)
class Estimate:
    """What one seed will take.

    Parameters
    ----------
    n_synapses
        Expected number, all projections.
    memory_bytes
        Peak of one seed.
    n_steps
        Time steps of one seed.
    most_events
        Synaptic events of one seed if every neuron fired as fast as its refractory period allows.
    """

    n_synapses: int
    memory_bytes: int
    n_steps: int
    most_events: float


def estimate(protocol: CultureProtocol, *, compiled: bool) -> Estimate:
    """Estimate one seed of a protocol, run by a compiled program or step by step."""
    spec = protocol.culture
    synapses = sum(expected_synapses(spec, name) for name in spec.projections)
    # Growing holds every synapse twice (index and weight); a compiled program then holds both indices, the weight and
    # its `seen`. Brian2's runtime holds indices as 64 bit integers, several times over.
    word = np.dtype(spec.simulation.precision).itemsize
    per_synapse = 1.1 * (4 * word + 16) if compiled else 4 * word + 120
    steps = n_steps(protocol)
    return Estimate(synapses, int(synapses * per_synapse + 300e6), steps, most_events(spec, synapses, steps))
