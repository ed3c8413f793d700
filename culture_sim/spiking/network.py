"""What a spiking network has learned, the images presented to it, and its responses."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from culture_sim.spiking.equations import THETA_START
from protocols.spec.nets.spiking import SpikingNetwork

PUBLISHED_INPUTS = 28 * 28
LARGEST_START = 0.3  # of the initial weights, before they are scaled to their sum (authors' program)
LEAST_START = 0.003


@dataclass(frozen=True, eq=False)
class Weights:
    """What a network has learned: all that one presentation hands to the next.

    Parameters
    ----------
    inputs : shape (n_inputs, n_neurons)
        Weights of the input synapses.
    theta : shape (n_neurons,)
        Adaptive part of the thresholds, in V.
    """

    inputs: np.ndarray
    theta: np.ndarray

    @classmethod
    def drawn(cls, spec: SpikingNetwork, n_inputs: int, rng: np.random.Generator) -> Self:
        """Weights of a network that has learned nothing: uniform, at random."""
        inputs = rng.uniform(LEAST_START, LARGEST_START + LEAST_START, (n_inputs, spec.neurons))
        return cls(scaled(inputs, spec), np.full(spec.neurons, THETA_START))


def gain(n_inputs: int) -> float:
    """Conductance of a weight of 1, in leak conductances: 1 for images of 28 x 28 pixels."""
    return PUBLISHED_INPUTS / n_inputs


def scaled(inputs: np.ndarray, spec: SpikingNetwork) -> np.ndarray:
    """Weights scaled so that those of each neuron have the sum `input_sum / gain`; added in the order of the inputs."""
    sums = np.add.accumulate(inputs, axis=0)[-1]
    target = spec.input_sum / gain(len(inputs))
    return inputs * np.divide(target, sums, out=np.ones_like(sums), where=sums > 0)


@dataclass(frozen=True, eq=False)
class Presentations:
    """Images in sequence.

    Parameters
    ----------
    images : float32, shape (n, n_inputs)
        Intensities from 0 to 1.
    learning : shape (n,)
        Factor on the plasticity; at 0 neither weights nor thresholds change.
    keys : uint64, shape (n,)
        Seed of the spike trains of each presentation.
    """

    images: np.ndarray
    learning: np.ndarray
    keys: np.ndarray

    def __post_init__(self) -> None:
        """Refuse arrays of differing lengths."""
        if not len(self.images) == len(self.learning) == len(self.keys):
            sizes = f"{len(self.images)}, {len(self.learning)}, {len(self.keys)}"
            raise ValueError(f"images, learning, keys: {sizes} entries; allowed: as many of each")
        object.__setattr__(self, "images", np.ascontiguousarray(self.images, np.float32))

    def __len__(self) -> int:
        """Number of presentations."""
        return len(self.keys)


@dataclass(frozen=True, eq=False)
class Responses:
    """Spikes of the excitatory neurons, and the network afterwards.

    Parameters
    ----------
    counts : int32, shape (n, n_neurons)
        Spikes while the image was shown, in its last attempt.
    attempts : int32, shape (n,)
        How often the image was shown.
    step, neuron : int32, shape (n_spikes,)
        All spikes, of all attempts and rests: time step since the first presentation began, and neuron; empty unless
        they were asked for.
    weights
        The network after the last presentation.
    """

    counts: np.ndarray
    attempts: np.ndarray
    step: np.ndarray
    neuron: np.ndarray
    weights: Weights
