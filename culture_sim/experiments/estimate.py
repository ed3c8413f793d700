"""How much work and memory a culture will take, before anything is built."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import erfc

from culture_sim.experiments.dispatch import n_steps
from culture_sim.model.electrodes import electrode_positions
from culture_sim.model.topology import place_neurons
from protocols.spec.culture import Culture, DenseWiring, Projection
from protocols.spec.protocol import CultureProtocol
from protocols.spec.random_streams import stream

SAMPLE = 1000  # neurons drawn to estimate the number of synapses


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


def most_events(spec: Culture, n_synapses: int, n_steps: int) -> float:
    """Synaptic events if every neuron fired as fast as its refractory period allows."""
    return n_synapses * n_steps / (spec.steps(spec.neurons.refractory) + 1)


@cache  # the check, the plan and the number of jobs all ask
def expected_synapses(spec: Culture, name: str) -> int:
    """Expected number of synapses of a projection, from a sample of positions."""
    projection = spec.projections[name]
    n = spec.neurons.count
    if not isinstance(projection.wiring, DenseWiring):
        return n * projection.wiring.fan_in
    sample = place_neurons(spec.array, SAMPLE, stream("estimate"))
    sources = electrode_positions(spec.array) if name == "electrode" else sample
    pairs = len(sources) * n if name == "electrode" else n * (n - 1)
    kept = _kept_probability(sources, sample, projection, projection.wiring.cutoff)
    if name != "electrode":
        kept = kept[~np.eye(SAMPLE, dtype=bool)]
    return round(pairs * float(kept.mean()))


def _kept_probability(sources: np.ndarray, targets: np.ndarray, projection: Projection, cutoff: float) -> np.ndarray:
    """Probability that |N(0, 1)| exp(-d^2 / 2 sigma^2) reaches the cutoff, for all pairs."""
    squared = ((sources[:, None] - targets[None]) ** 2).sum(axis=2)
    needed = cutoff * np.exp(np.minimum(0.5 * squared / projection.sigma**2, 700))
    return erfc(needed / np.sqrt(2))
