"""Simulated recordings of fitted cultures: what the posterior predicts, for the recording and for other protocols."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from culture_sim.analysis.panel import MEASURED
from culture_sim.experiments import dispatch
from culture_sim.fit.simulated import asked_panel, heard, panel_values, with_parameters
from protocols.loading.overrides import changed
from protocols.runs.processes import Failed, side_by_side
from protocols.runs.reporting import unheard
from protocols.search.trial import scratch_run
from protocols.spec.dish.measures import PANEL
from protocols.spec.protocol import DishProtocol

PRELOAD = ("culture_sim.experiments.dispatch", "scipy.stats")
MOST_HERE = 2  # simulations for which no processes are started


def panels(
    protocol: DishProtocol, points: Sequence[Mapping[str, Any]], first: int, device: str, jobs: int
) -> np.ndarray:
    """Panels of one culture for each set of parameters, shape (n, n_measures of `PANEL`).

    Parameters
    ----------
    protocol
        The experiment.
    points
        Parameters by dotted path, as a protocol file spells them.
    first
        Seed of the first culture; each has its own.
    device, jobs
        Engine, and simulations at a time.
    """
    work = functools.partial(_panel, protocol, device)
    return np.array(_each(work, [(dict(point), first + k) for k, point in enumerate(points)], jobs)).reshape(
        -1, len(PANEL)
    )


def outcomes(
    protocol: DishProtocol, points: Sequence[Mapping[str, Any]], first: int, device: str, jobs: int
) -> list[dict[str, Any]]:
    """All measures of another protocol, in one culture for each set of parameters: value and unit by name."""
    work = functools.partial(_outcome, protocol, device)
    return _each(work, [(dict(point), first + k) for k, point in enumerate(points)], jobs)


def _each(work: Any, arguments: Sequence[Any], jobs: int) -> list[Any]:
    """Results in the order of the arguments.

    Raises
    ------
    RuntimeError
        If a simulation fails.
    """
    if jobs == 1 or len(arguments) <= MOST_HERE:
        return [work(argument, unheard) for argument in arguments]
    waiting = list(enumerate(arguments))
    found: dict[int, Any] = {}
    chunk = -(-len(arguments) // jobs)
    shares = [waiting[first : first + chunk] for first in range(0, len(waiting), chunk)]
    todo = list(enumerate(shares))
    for _, results in side_by_side(
        functools.partial(_share, work), lambda: todo.pop(0) if todo else None, jobs, lambda *_: None, PRELOAD
    ):
        if isinstance(results, Failed):
            raise RuntimeError(f"a simulation failed: {results.reason}")
        found |= results
    return [found[index] for index in range(len(arguments))]


def _share(work: Any, numbered: Sequence[tuple[int, Any]], report: Any) -> dict[int, Any]:
    return {index: work(argument, report) for index, argument in numbered}


def _panel(protocol: DishProtocol, device: str, argument: tuple[dict[str, Any], int], _: Any) -> np.ndarray:
    values, seed = argument
    definitions = asked_panel(protocol).definitions
    return panel_values(heard(with_parameters(protocol, values), device, seed), definitions)


def _outcome(protocol: DishProtocol, device: str, argument: tuple[dict[str, Any], int], _: Any) -> dict[str, Any]:
    values, seed = argument
    one = changed(protocol, values | {"seeds": 1, "first_seed": seed})
    with scratch_run(one) as run:
        part = dispatch.run_seed(one, device, run, seed, unheard)
    return {name: (float(part[MEASURED + name]), unit) for name, unit, _ in part["definitions"].tolist()}
