"""Expected number of synapses and synaptic events of a culture, before it is grown."""

from functools import cache

import numpy as np
from scipy.special import erfc

from culture_sim.model.electrodes import electrode_positions
from culture_sim.model.placement import place_neurons
from protocols.spec.culture import Culture, DenseWiring, Projection
from protocols.spec.random_streams import stream

SAMPLE = 1000  # neurons drawn to estimate the number of synapses


def most_events(spec: Culture, n_synapses: int, n_steps: int) -> float:
    """Upper bound on the synaptic events: every neuron fires as fast as its refractory period allows."""
    return n_synapses * n_steps / (spec.steps(spec.neurons.refractory) + 1)


@cache  # needed by the memory check, the plan and the number of jobs
def expected_synapses(spec: Culture, name: str) -> int:
    """Expected number of synapses of a projection, from a sample of positions."""
    projection = spec.projections[name]
    n = spec.neurons.count
    if not isinstance(projection.wiring, DenseWiring):
        return n * projection.wiring.fan_in
    sample = place_neurons(spec.array.area, SAMPLE, stream("estimate"))
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
