"""Stimulation of a culture: a sequence of presentations and the pulses in them."""

from dataclasses import dataclass

import numpy as np

from protocols.spec.consistency import MOST_STEPS


@dataclass(frozen=True)
class Session:
    """Consecutive presentations; after each the weights are normalised and the state is reset.

    Parameters
    ----------
    n_steps : int, shape (n_presentations,)
        Length of each presentation in time steps.
    learning : float, shape (n_presentations,)
        Factor on both learning rates, A_plus and A_minus, in each presentation; 0 (or False): no synapse learns.
    electrode, step : int, shape (n_pulses,)
        Stimulated electrode and time step of every pulse, counted from the start of the session.
    snapshot : bool, shape (n_presentations,), optional
        Whether the weights are recorded after each presentation.
    """

    n_steps: np.ndarray
    learning: np.ndarray
    electrode: np.ndarray
    step: np.ndarray
    snapshot: np.ndarray = None  # type: ignore[assignment]  # None: no snapshot

    def __post_init__(self) -> None:
        n_steps, electrode, step = (
            _whole_numbers(name, getattr(self, name)) for name in ("n_steps", "electrode", "step")
        )
        n, total = len(n_steps), int(np.sum(n_steps))
        if n == 0 or n_steps.min() < 1 or total > MOST_STEPS:
            raise ValueError(f"n_steps: allowed: presentations of at least one step, {MOST_STEPS} in all")
        if len(electrode) != len(step):
            raise ValueError(f"electrode has {len(electrode)} entries, step {len(step)}; allowed: the same length")
        if len(step) and not (step.min() >= 0 and step.max() < total):
            raise ValueError(f"step: {step.min()} to {step.max()}; allowed: 0 to {total - 1}")
        if len(step) and not (electrode.min() >= 0 and electrode.max() <= MOST_STEPS):
            raise ValueError(f"electrode: {electrode.min()} to {electrode.max()}; allowed: 0 or more")
        order = np.lexsort((electrode, step))
        electrode, step = electrode[order].astype(np.int32), step[order].astype(np.int32)
        if np.any((np.diff(step) == 0) & (np.diff(electrode) == 0)):
            raise ValueError("an electrode has two pulses in one time step")
        checked = {"n_steps": n_steps, "electrode": electrode, "step": step}
        checked["learning"] = _factors("learning", self.learning, n)
        checked["snapshot"] = np.zeros(n, bool) if self.snapshot is None else _flags("snapshot", self.snapshot, n)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def onset(self) -> np.ndarray:
        """First step of every presentation, shape (n_presentations,)."""
        return np.cumsum(self.n_steps) - self.n_steps


def _whole_numbers(name: str, values: object) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name}: {array.ndim}-dimensional {array.dtype}; allowed: a 1-dimensional array of integers")
    return array.astype(np.int64)


def _factors(name: str, values: object, n: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n,) or array.dtype.kind not in "biuf" or not np.all(np.isfinite(array)) or np.any(array < 0):
        raise ValueError(f"{name}: {array.dtype} of shape {array.shape}; allowed: factors >= 0 of shape {(n,)}")
    return array.astype(np.float64)


def _flags(name: str, values: object, n: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n,) or array.dtype.kind not in "biu":
        raise ValueError(f"{name}: {array.dtype} of shape {array.shape}; allowed: booleans of shape {(n,)}")
    return array.astype(bool)


@dataclass(frozen=True)
class Segments:
    """Presentations cut into pieces short enough for the deferred plasticity; shapes (n_segments,)."""

    n_steps: np.ndarray
    presentation: np.ndarray
    last: np.ndarray


def cut(session: Session, longest: int) -> Segments:
    """Cut every presentation into pieces of at most `longest` steps."""
    pieces = -(-session.n_steps // longest)
    presentation = np.repeat(np.arange(len(pieces)), pieces)
    last = np.zeros(len(presentation), bool)
    last[np.cumsum(pieces) - 1] = True
    n_steps = np.full(len(presentation), longest)
    n_steps[last] = session.n_steps - (pieces - 1) * longest
    return Segments(n_steps, presentation, last)
