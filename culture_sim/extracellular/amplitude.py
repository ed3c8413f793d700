"""How large the spikes of each neuron are at each electrode."""

import numpy as np

from protocols.spec.dish.extracellular import Extracellular


def amplitudes(
    electrodes: np.ndarray, neurons: np.ndarray, spec: Extracellular, rng: np.random.Generator
) -> np.ndarray:
    """Negative peak of each neuron's spike at each electrode (V, magnitude), shape (n_electrodes, n_neurons).

    Parameters
    ----------
    electrodes : shape (n_electrodes, 2)
    neurons : shape (n_neurons, 2)
        Positions (m).
    spec
        Peak, decay and spread; see `Extracellular`.
    rng
        Of the neurons' factors.
    """
    factor = np.exp(spec.spread * rng.standard_normal(len(neurons)) - spec.spread**2 / 2)
    distance = np.linalg.norm(electrodes[:, None] - neurons[None], axis=2)
    return spec.peak * factor * np.exp(-distance / spec.decay)


def template(spec: Extracellular) -> tuple[np.ndarray, int]:
    """A spike of amplitude 1 by sample, and the index of its negative peak.

    A negative Gaussian and, four widths later, a positive one of a third of its height and twice its width.
    """
    width = spec.width * spec.sampling
    before = int(np.ceil(4 * width))
    time = np.arange(before + int(np.ceil(12 * width)) + 1) - before
    shape = np.exp(-((time - 4 * width) ** 2) / (8 * width**2)) / 3 - np.exp(-(time**2) / (2 * width**2))
    peak = int(np.argmin(shape))
    return shape / -shape[peak], peak
