"""What the memory of this machine allows."""

import time
from collections.abc import Callable

import numpy as np


def streaming_rate(n_bytes: int, repeats: int) -> float:
    """Bytes per second of reading and writing an array of this size in place, single precision, one core."""
    values = np.ones(n_bytes // 4, np.float32)
    best = min(_timed(lambda: np.multiply(values, np.float32(1.0), out=values)) for _ in range(repeats))
    return 2 * values.nbytes / best


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
