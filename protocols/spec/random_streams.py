"""Named streams of randomness: a new stimulus leaves the culture as it was."""

import zlib

import numpy as np


def stream(name: str, *seeds: int) -> np.random.SeedSequence:
    """The seed sequence of one named use of randomness.

    Parameters
    ----------
    name
        For example ``"placement"`` or ``"wiring/excitatory"``.
    seeds
        The run's seed, and further integers that tell streams of the same name apart.
    """
    return np.random.SeedSequence([zlib.crc32(name.encode()), *seeds])
