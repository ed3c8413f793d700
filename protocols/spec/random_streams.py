"""Named, independent random streams, so that a change of stimulus does not change the culture."""

import zlib

import numpy as np


def stream(name: str, *seeds: int) -> np.random.SeedSequence:
    """Seed sequence of a named random stream.

    Parameters
    ----------
    name
        For example ``"placement"`` or ``"wiring/excitatory"``.
    seeds
        The run's seed, and further integers that distinguish streams of the same name.
    """
    return np.random.SeedSequence([zlib.crc32(name.encode()), *seeds])
