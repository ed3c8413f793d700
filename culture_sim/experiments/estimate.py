"""Estimate of a run's time steps, synaptic events and memory, before any culture is grown."""

from dataclasses import dataclass

import numpy as np

from culture_sim.engines.cpp import stored_bytes
from culture_sim.experiments.dish_needs import Needs
from culture_sim.experiments.dispatch import n_steps
from culture_sim.model.expected_work import expected_synapses, most_events
from culture_sim.reservoir import plan as reservoir_plan
from culture_sim.reservoir import variants
from protocols.images.examples import count_images
from protocols.spec.protocol import CultureProtocol, DishProtocol, ReservoirProtocol, SpikingAssociation


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


def estimate(
    protocol: CultureProtocol | DishProtocol | ReservoirProtocol | SpikingAssociation, *, compiled: bool
) -> Estimate:
    """Estimate one seed of a protocol; `compiled` for a compiled program, else for Brian2's runtime."""
    if isinstance(protocol, DishProtocol):
        return _of_dish(protocol)
    if isinstance(protocol, ReservoirProtocol):
        return _of_reservoir(protocol)
    if isinstance(protocol, SpikingAssociation):
        return _of_spiking_network(protocol)
    spec = protocol.culture
    synapses = {name: expected_synapses(spec, name) for name in spec.projections}
    n, n_neurons = sum(synapses.values()), spec.neurons.count
    word = np.dtype(spec.simulation.precision).itemsize
    if compiled:  # growing holds every synapse twice (index and weight), and the process keeps that memory
        pairs = {name: n_neurons * (spec.array.n_electrodes if name == "electrode" else n_neurons) for name in synapses}
        stored = sum(stored_bytes(synapses[name], pairs[name], word) for name in synapses)
        memory = 1.1 * (2 * n * (word + 4) + stored)
    else:  # Brian2 holds indices as 64 bit integers, several times over
        memory = n * (4.0 * word + 120)
    steps = n_steps(protocol)
    return Estimate(n, int(memory + 300e6), steps, most_events(spec, n, steps))


def _of_dish(protocol: DishProtocol) -> Estimate:
    spec, steps, needs = protocol.culture, n_steps(protocol), Needs.of(protocol)
    events = needs.n_synapses * steps / (spec.steps(spec.neurons.refractory) + 1)
    return Estimate(needs.n_synapses, needs.seed_bytes, steps, events)


def _of_reservoir(protocol: ReservoirProtocol) -> Estimate:
    """The culture and the controls that are simulated, one after the other."""
    spec, synapses = protocol.culture, reservoir_plan.n_synapses(protocol)
    all_steps = n_steps(protocol) * len(variants.simulated(protocol.reservoir))
    events = synapses * all_steps / (spec.steps(spec.neurons.refractory) + 1)
    return Estimate(synapses, reservoir_plan.needed_bytes(protocol), all_steps, events)


def _of_spiking_network(protocol: SpikingAssociation) -> Estimate:
    """Weights twice, all images and those of the longest session, and spike counts."""
    spec, (_, height, width) = protocol.spiking_network, protocol.data.shape
    n_synapses = height * width * spec.neurons + spec.neurons**2  # inputs; onto and of the inhibitory neurons
    images = sum(count_images(protocol.data))
    memory = 300e6 + 16 * n_synapses + images * (16 * height * width + 8 * spec.neurons)
    return Estimate(n_synapses, int(memory), steps := n_steps(protocol), float(n_synapses) * steps)
