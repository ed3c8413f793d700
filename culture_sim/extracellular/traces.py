"""Synthetic extracellular traces of a simulated culture: templates and noise, in chunks of any length of recording."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from culture_sim.extracellular.amplitude import amplitudes, template
from protocols.spec.dish.extracellular import Extracellular

CHUNK_S = 1.0


@dataclass(frozen=True, eq=False)
class Traces:
    """What the electrodes record of the spikes of all neurons.

    Parameters
    ----------
    spec
        Amplitudes, noise, sampling.
    sample : int, shape (n_spikes,)
        Sample of the negative peak of each spike, ascending.
    neuron : int, shape (n_spikes,)
    amplitude : shape (n_electrodes, n_neurons)
        Negative peak (V, magnitude); 0 below `spec.least`.
    n_samples
        Length.
    seed
        Of the noise.
    """

    spec: Extracellular
    sample: np.ndarray
    neuron: np.ndarray
    amplitude: np.ndarray
    n_samples: int
    seed: int

    @classmethod
    def of(
        cls,
        spec: Extracellular,
        step: np.ndarray,
        neuron: np.ndarray,
        dt: float,
        duration_s: float,
        electrodes: np.ndarray,
        neurons: np.ndarray,
        seed: int,
    ) -> Self:
        """From the spikes of a simulation; each comes at a random time within its time step.

        Parameters
        ----------
        step, neuron : int, shape (n_spikes,)
            Time step and neuron of each spike.
        dt
            Time step (s).
        electrodes : shape (n_electrodes, 2)
        neurons : shape (n_neurons, 2)
            Positions (m).
        """
        rng = np.random.default_rng([seed, 0])
        found = amplitudes(electrodes, neurons, spec, rng)
        sample = np.floor((step + rng.random(len(step))) * dt * spec.sampling).astype(np.int64)
        order = np.argsort(sample, kind="stable")
        n_samples = round(duration_s * spec.sampling)
        kept = order[sample[order] < n_samples]
        return cls(spec, sample[kept], neuron[kept], np.where(found < spec.least, 0.0, found), n_samples, seed)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.spec.sampling

    def chunks(self) -> Iterator[np.ndarray]:
        """Consecutive seconds of the traces (V), float32, shape (n_samples, n_electrodes)."""
        shape, peak = template(self.spec)
        length = round(CHUNK_S * self.spec.sampling)
        for k, first in enumerate(range(0, self.n_samples, length)):
            last = min(first + length, self.n_samples)
            rng = np.random.default_rng([self.seed, 1, k])
            trace = rng.standard_normal((last - first, len(self.amplitude)), np.float32)
            trace *= self.spec.noise
            begin, end = np.searchsorted(self.sample, [first - len(shape) + peak + 1, last + peak])
            for at, neuron in zip(self.sample[begin:end] - peak - first, self.neuron[begin:end], strict=True):
                hearing = np.flatnonzero(self.amplitude[:, neuron])
                inside = slice(max(at, 0), min(at + len(shape), last - first))
                part = shape[inside.start - at : inside.stop - at]
                trace[inside, hearing] += part[:, None] * self.amplitude[hearing, neuron]
            yield trace

    def truth(self, least: float) -> list[np.ndarray]:
        """True spike times (s) of each electrode: of all neurons of at least that amplitude (V) there."""
        return [self.sample[row[self.neuron] >= least] / self.spec.sampling for row in self.amplitude]
