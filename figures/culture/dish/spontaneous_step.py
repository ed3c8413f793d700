"""The step of a dish whose spontaneous activity is drawn: what its electrodes heard, and its network bursts."""

from dataclasses import dataclass

import numpy as np

from figures.runs.run import DishRun
from protocols.plan.dish import expand_dish
from protocols.spec.dish.asked import Panel


@dataclass(frozen=True, eq=False)
class SpontaneousStep:
    """One culture in the first step that a panel measures; times in seconds from the start of the step.

    Parameters
    ----------
    measure, step
        Name of the measure and of the step.
    seed
    duration
        Of the step.
    time, electrode : shape (n_spikes,)
        What the electrodes heard, in order of time.
    start, end : shape (n_bursts,)
        Network bursts, by the panel's definition.
    """

    measure: str
    step: str
    seed: int
    duration: float
    time: np.ndarray
    electrode: np.ndarray
    start: np.ndarray
    end: np.ndarray


def spontaneous_steps(run: DishRun) -> list[SpontaneousStep]:
    """The first step that a panel measures, of every culture; empty if there is none."""
    asked = next(((name, m) for name, m in run.protocol.measure.items() if isinstance(m, Panel)), None)
    if asked is None:
        return []
    name, panel = asked
    plan, dt = expand_dish(run.protocol), run.protocol.culture.simulation.dt
    start, stop, _ = plan.steps[plan.names.index(panel.panel)]
    found = []
    for seed in run.seeds:
        at, electrode = run.array(seed, "heard/step"), run.array(seed, "heard/electrode")
        first, last = np.searchsorted(at, [start, stop])
        found.append(
            SpontaneousStep(
                measure=name,
                step=panel.panel,
                seed=seed,
                duration=float(stop - start) * dt,
                time=(at[first:last] - start) * dt,
                electrode=electrode[first:last],
                start=run.array(seed, f"network_bursts/{name}/start"),
                end=run.array(seed, f"network_bursts/{name}/end"),
            )
        )
    return found
