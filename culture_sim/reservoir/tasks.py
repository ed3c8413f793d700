"""What is asked of a response: the class of its own stimulus, and of earlier ones."""

from typing import NamedTuple

import numpy as np

from protocols.plan.reservoir import Trials


class Task(NamedTuple):
    """A question to every trial.

    Parameters
    ----------
    name
        ``""``: the class of the trial's own stimulus; ``memory/k``: of the k-th stimulus before it; ``parity/k``: of
        two classes, whether the two differ.
    meaning
        The same in words.
    truth : int, shape (n_trials,)
    chosen : int
        Trials of the first session that have an answer.
    """

    name: str
    meaning: str
    truth: np.ndarray
    chosen: np.ndarray

    @property
    def prefix(self) -> str:
        """Start of the names of its results."""
        return f"{self.name}/" if self.name else "accuracy/"


def tasks(trials: Trials, memory: int) -> list[Task]:
    """The class of each stimulus, then of `memory` earlier ones, in the first session."""
    first = np.flatnonzero(trials.session == 0)
    found = [Task("", "class of the stimulus", trials.truth, first)]
    for k in range(1, memory + 1):
        earlier, later = np.roll(trials.truth, k), first[k:]
        before = f"stimulus {k} before" if k > 1 else "stimulus before"
        found.append(Task(f"memory/{k}", f"class of the {before}", earlier, later))
        if len(trials.classes) == 2:
            differ = (earlier != trials.truth).astype(np.int32)
            meaning = f"whether the classes of the stimulus and the {before} differ"
            found.append(Task(f"parity/{k}", meaning, differ, later))
    return found
