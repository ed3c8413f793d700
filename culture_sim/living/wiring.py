"""Random sparse wiring by distance, with log-normal weights and delays; NumPy only."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from protocols.runs.machine import cores
from protocols.spec.dish.living import FIXED_DELAY, LivingSynapses
from protocols.spec.random_streams import stream

ROWS_PER_BLOCK = 64  # presynaptic cells drawn from one random stream; part of the result, not a tuning knob
SAMPLED_ROWS = 1024  # presynaptic cells on which the connection probability is scaled to the mean fan-in


class Synapses(NamedTuple):
    """Synapses in rows: those of presynaptic cell j are ``start[j]`` to ``start[j + 1]``, by delay, then by target.

    Parameters
    ----------
    start : int64, shape (n_neurons + 1,)
    target : int32, shape (n_synapses,)
        Postsynaptic cell.
    weight : shape (n_synapses,)
        Magnitude in volts: the jump of the membrane potential if the charge of one spike came all at once.
    delay : int32, shape (n_synapses,)
        From the spike to its effect, in time steps, at least 1.
    """

    start: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    delay: np.ndarray

    @classmethod
    def none(cls, n_neurons: int, dtype: np.dtype) -> "Synapses":
        """No synapses."""
        empty = np.zeros(0, np.int32)
        return cls(np.zeros(n_neurons + 1, np.int64), empty, np.zeros(0, dtype), empty)


def wire(
    spec: LivingSynapses, positions: np.ndarray, excitatory: np.ndarray, dt: float, dtype: np.dtype, seed: int
) -> Synapses:
    """Connect cells with probability min(1, c exp(-distance / lambda)); no cell connects to itself.

    c is such that cells have `fan_in` outputs on average, excitatory and inhibitory cells each. Blocks of presynaptic
    cells have random streams of their own, so that the result does not depend on the number of threads.

    Parameters
    ----------
    spec
        Fan-in, reach, weights and delays.
    positions : shape (n_neurons, 2)
        In metres.
    excitatory : bool, shape (n_neurons,)
        The sign of each cell.
    dt
        Time step in seconds.
    dtype
        Of the weights.
    seed
        Seeds the streams ``connections``, ``weights/excitatory`` and ``weights/inhibitory``.
    """
    n = len(positions)
    places = positions.astype(np.float32)
    reach = np.where(excitatory, spec.reach, spec.inhibitory_reach).astype(np.float32)
    scale = np.zeros(n, np.float32)
    for kind in (excitatory, ~excitatory):
        scale[kind] = _scale(places, np.flatnonzero(kind), reach, spec.fan_in)
    starts = range(0, n, ROWS_PER_BLOCK)
    names = ("connections", "weights/excitatory", "weights/inhibitory")
    seeds = zip(*(stream(name, seed).spawn(len(starts)) for name in names), strict=True)

    def block(first: int, children: tuple[np.random.SeedSequence, ...]) -> tuple[np.ndarray, ...]:
        draws, *weight_draws = (np.random.default_rng(child) for child in children)
        rows = np.arange(first, min(first + ROWS_PER_BLOCK, n))
        distance = _distances(places, rows)
        chance = np.exp(-distance / reach[rows, None]) * scale[rows, None]
        connected = draws.random(chance.shape, np.float32) < chance
        connected[np.arange(len(rows)), rows] = False
        row, target = np.nonzero(connected)
        weight = np.empty(len(row))
        excites = excitatory[rows[row]]
        for median, kind, rng in zip(
            (spec.excitatory, spec.inhibitory), (excites, ~excites), weight_draws, strict=True
        ):
            weight[kind] = median * np.exp(spec.spread * rng.standard_normal(np.count_nonzero(kind)))
        delay = delay_steps(spec, distance[connected].astype(np.float64), dt)
        order = np.lexsort((target, delay, row))
        count = np.bincount(row, minlength=len(rows))
        return count, target[order].astype(np.int32), weight[order].astype(dtype), delay[order]

    with ThreadPoolExecutor(cores()) as threads:
        count, target, weight, delay = map(np.concatenate, zip(*threads.map(block, starts, seeds), strict=True))
    return Synapses(np.concatenate([[0], np.cumsum(count)]).astype(np.int64), target, weight, delay)


def delay_steps(spec: LivingSynapses, distance: np.ndarray, dt: float) -> np.ndarray:
    """Delay of synapses over a distance (m), in whole time steps, at least one."""
    if spec.delay is None:
        return np.full(len(distance), round(FIXED_DELAY / dt), np.int32)
    duration = np.minimum(spec.delay.least + distance / spec.delay.speed, spec.delay.most)
    return np.maximum(np.rint(duration / dt), 1).astype(np.int32)


def _distances(positions: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Distances from some cells to all, shape (n_rows, n_neurons)."""
    x, y = positions.T
    return np.sqrt((x[rows, None] - x) ** 2 + (y[rows, None] - y) ** 2)


def _scale(positions: np.ndarray, cells: np.ndarray, reach: np.ndarray, fan_in: float) -> float:
    """The factor c with which the cells have `fan_in` outputs on average.

    Solves mean_j sum_i min(1, c exp(-d_ij / lambda)) = fan_in by fixed-point iteration, on `SAMPLED_ROWS` cells.
    """
    if not len(cells) or not fan_in:
        return 0.0
    rows = cells[np.unique(np.linspace(0, len(cells) - 1, SAMPLED_ROWS).astype(int))]
    law = np.exp(-_distances(positions, rows) / reach[rows, None])
    law[np.arange(len(rows)), rows] = 0
    scale = 1.0
    for _ in range(100):
        update = fan_in / max(np.minimum(1, np.float32(scale) * law).sum(dtype=np.float64) / len(rows), 1e-30)
        scale = min(scale * update, 1e30)
        if abs(update - 1) < 1e-4:
            break
    return scale
