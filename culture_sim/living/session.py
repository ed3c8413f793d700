"""What is done to a culture in one stretch of continuous time."""

from dataclasses import dataclass, field

import numpy as np

MOST_STEPS = 2**31 - 2**20  # of a culture's life: steps are counted in 32 bits


def _none() -> np.ndarray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class LivingSession:
    """A stretch of continuous time; nothing is reset in it. Steps are counted from its start.

    Parameters
    ----------
    n_steps
        Its length in time steps.
    step, electrode : int, shape (n_pulses,)
        Time step and electrode of each stimulation pulse.
    amplitude_A, width_s : shape (n_pulses,)
        Current (magnitude) and width of each pulse.
    plastic : int, shape (n_intervals, 2)
        Intervals ``[first, one past the last)`` of steps in which weights change; ascending, without overlap.
    snapshots : int, shape (n_snapshots,)
        Steps before which the weights are recorded, ascending; `n_steps` is the end.
    """

    n_steps: int
    step: np.ndarray = field(default_factory=_none)
    electrode: np.ndarray = field(default_factory=_none)
    amplitude_A: np.ndarray = field(default_factory=_none)
    width_s: np.ndarray = field(default_factory=_none)
    plastic: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    snapshots: np.ndarray = field(default_factory=_none)

    def __post_init__(self) -> None:
        if not 1 <= self.n_steps <= MOST_STEPS:
            raise ValueError(f"n_steps: {self.n_steps}; allowed: 1 to {MOST_STEPS}")
        step, electrode = _integers("step", self.step), _integers("electrode", self.electrode)
        amplitude, width = _positive("amplitude_A", self.amplitude_A), _positive("width_s", self.width_s)
        if not len(step) == len(electrode) == len(amplitude) == len(width):
            sizes = f"{len(step)}, {len(electrode)}, {len(amplitude)}, {len(width)}"
            raise ValueError(f"step, electrode, amplitude_A, width_s: {sizes} entries; allowed: as many of each")
        if len(step) and not (step.min() >= 0 and step.max() < self.n_steps):
            raise ValueError(f"step: {step.min()} to {step.max()}; allowed: 0 to {self.n_steps - 1}")
        if len(electrode) and electrode.min() < 0:
            raise ValueError(f"electrode: {electrode.min()}; allowed: 0 or more")
        edges = _integers("plastic", np.ravel(self.plastic))
        within = not len(edges) or (edges[0] >= 0 and edges[-1] <= self.n_steps)
        if not within or len(edges) % 2 or np.any(np.diff(edges) < 0):
            raise ValueError(f"plastic: allowed: ascending intervals without overlap within 0 to {self.n_steps}")
        plastic = edges.reshape(-1, 2)
        snapshots = _integers("snapshots", self.snapshots)
        in_range = not len(snapshots) or (snapshots[0] >= 0 and snapshots[-1] <= self.n_steps)
        if not in_range or np.any(np.diff(snapshots) <= 0):
            raise ValueError(f"snapshots: allowed: ascending steps from 0 to {self.n_steps}")
        order = np.lexsort((electrode, step))
        checked = {"step": step, "electrode": electrode, "amplitude_A": amplitude, "width_s": width}
        for name, values in checked.items():
            object.__setattr__(self, name, values[order])
        object.__setattr__(self, "plastic", plastic[plastic[:, 0] < plastic[:, 1]])
        object.__setattr__(self, "snapshots", snapshots)

    def between(self, first: int, last: int) -> "LivingSession":
        """The part of the session from step `first` to before step `last`, as a session of its own.

        Simulated from the state at `first`, the parts of a session give the whole, bit for bit. A snapshot at a
        common edge belongs to the part that ends there.
        """
        chosen = (self.step >= first) & (self.step < last)
        shown = (self.snapshots > first if first else self.snapshots >= 0) & (self.snapshots <= last)
        return LivingSession(
            last - first,
            self.step[chosen] - first,
            self.electrode[chosen],
            self.amplitude_A[chosen],
            self.width_s[chosen],
            plastic=np.clip(self.plastic, first, last) - first,
            snapshots=self.snapshots[shown] - first,
        )


def _integers(name: str, values: object) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name}: {array.ndim}-dimensional {array.dtype}; allowed: a 1-dimensional array of integers")
    return array.astype(np.int64)


def _positive(name: str, values: object) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iuf" or not np.all(np.isfinite(array) & (array > 0)):
        raise ValueError(f"{name}: allowed: a 1-dimensional array of finite numbers above 0")
    return array.astype(np.float64)
