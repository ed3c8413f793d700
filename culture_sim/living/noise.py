"""Noise as a function of seed, time step and neuron: the same numbers in every engine, from any step on.

Each number comes from one 64-bit hash (the finaliser of splitmix64; Steele, Lea and Flood 2014, OOPSLA): its four
16-bit pieces are summed, centred and scaled to unit variance. The sum is Gaussian but for its tails, which end at 3.5
standard deviations; the membrane, which adds up many of them, makes it more so.
"""

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
CENTRE = 4 * (2**16 - 1) / 2  # mean of the sum of four 16-bit integers
UNIT = 1 / np.sqrt(4 * (2.0**32 - 1) / 12)  # one over its standard deviation


def mix(z: np.ndarray) -> np.ndarray:
    """Finaliser of splitmix64: a bijection of 64-bit integers under which neighbours become unrelated."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def standard_noise(seed: int, step: int, index: np.ndarray) -> np.ndarray:
    """Numbers of mean 0 and variance 1.

    Parameters
    ----------
    seed
        0 to 2**64 - 1.
    step
        Time step, counted from the culture's first.
    index : int
        Neuron numbers, of any shape.

    Returns
    -------
    ndarray
        float64, of the shape of `index`.
    """
    with np.errstate(over="ignore"):
        key = mix(np.array([seed], np.uint64) + GOLDEN * np.uint64(step + 1))
        z = mix(key + GOLDEN * (np.asarray(index).astype(np.uint64) + np.uint64(1)))
    shifts = np.array([0, 16, 32, 48], np.uint64)
    pieces = np.sum((z[..., None] >> shifts) & np.uint64(0xFFFF), axis=-1)
    return (pieces.astype(np.float64) - CENTRE) * UNIT
