"""Dispatch by the kind of protocol: time steps and run of a seed, metrics over all seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from culture_sim import engines, living, spiking
from culture_sim.analysis import summary
from culture_sim.engines import Engine
from culture_sim.experiments import association, dish, probing, stretches
from culture_sim.reservoir import seed as reservoir_seed
from culture_sim.reservoir.plan import outline as reservoir_outline
from culture_sim.spiking import training
from protocols.loading.published import Target
from protocols.plan import reservoir
from protocols.results import learning
from protocols.runs.reporting import Report, Watch, unwatched
from protocols.runs.run_directory import Run
from protocols.spec.dish.timeline import duration, unrolled
from protocols.spec.protocol import (
    AssociationProtocol,
    CultureAssociation,
    DishProtocol,
    EvokedProtocol,
    Protocol,
    ReservoirProtocol,
    SpikingAssociation,
)


def n_steps(protocol: Protocol) -> int:
    """Number of time steps of one seed."""
    match protocol:
        case EvokedProtocol(culture=culture, phases=phases):
            return sum(culture.steps(phase.window) * len(phase.present) * phase.repetitions for phase in phases)
        case CultureAssociation(culture=culture, association=plan):
            return association.n_presentations(protocol) * culture.steps(plan.presentation)
        case SpikingAssociation(spiking_network=network):
            shown = network.presentation
            return training.n_presentations(protocol) * round((shown.duration + shown.rest) / network.dt)
        case DishProtocol(culture=culture, timeline=timeline):
            return culture.steps(sum(duration(step) for _, step in unrolled(timeline)))
        case ReservoirProtocol():
            return reservoir.n_steps(protocol)
    raise TypeError(type(protocol))


def outline(protocol: Protocol) -> list[str]:
    """Timeline of one seed, as lines of text."""
    match protocol:
        case EvokedProtocol():
            return probing.outline(protocol)
        case CultureAssociation():
            return association.outline(protocol)
        case SpikingAssociation():
            return training.outline(protocol)
        case DishProtocol():
            return dish.outline(protocol)
        case ReservoirProtocol():
            return reservoir_outline(protocol)
    raise TypeError(type(protocol))


def resumed(protocol: Protocol, run: Run, seeds: Sequence[int]) -> tuple[list[str], dict[int, float]]:
    """Where interrupted seeds go on: lines of text, and the fraction done of seeds that know it."""
    match protocol:
        case AssociationProtocol():
            begun = [str(seed) for seed in seeds if run.has_part(association.CHECKPOINT.format(seed))]
            return [f"Resuming at the last evaluation: seed {', '.join(begun)}."] if begun else [], {}
        case DishProtocol(culture=culture):
            dt = culture.simulation.dt
            return stretches.resumed(run, seeds, n_steps(protocol) * dt, dt)
    return [], {}


def doing(protocol: Protocol) -> str:
    """The activity that a progress display names."""
    return "simulating" if isinstance(protocol, DishProtocol | ReservoirProtocol) else "presenting"


def prepare(protocol: Protocol, device: str) -> Engine | str:
    """The engine of a protocol, compiled if it needs to be: of a living culture or a spiking network its name."""
    match protocol:
        case DishProtocol() | ReservoirProtocol():
            return living.prepare(device)
        case SpikingAssociation():
            return spiking.prepare(device)
        case EvokedProtocol() | CultureAssociation():
            return engines.prepare(device, engines.Shape.of(protocol.culture))
    raise TypeError(type(protocol))


def run_seed(
    protocol: Protocol, engine: Engine | str, run: Run, seed: int, report: Report, watch: Watch = unwatched
) -> dict[str, np.ndarray]:
    """Run one seed; arrays by path. Checkpoints are saved in `run`."""
    match protocol:
        case EvokedProtocol() if not isinstance(engine, str):
            return probing.run_seed(protocol, engine, seed, report)
        case CultureAssociation() if not isinstance(engine, str):
            return association.run_seed(protocol, engine, seed, run, report, watch)
        case SpikingAssociation() if isinstance(engine, str):
            return training.run_seed(protocol, engine, seed, run, report, watch)
        case DishProtocol() if isinstance(engine, str):
            return dish.run_seed(protocol, engine, seed, run, report)
        case ReservoirProtocol() if isinstance(engine, str):
            return reservoir_seed.run_seed(protocol, engine, seed, run, report)
    raise TypeError(type(protocol))


def discard(run: Run, seed: int) -> None:
    """Delete what was saved on the way of a seed that is finished."""
    stretches.discard(run, seed)
    reservoir_seed.discard(run, seed)


def summarise(protocol: Protocol, parts: Sequence[dict[str, np.ndarray]], targets: list[Target]) -> dict[str, Any]:
    """The metrics of a run from the arrays of its seeds."""
    match protocol:
        case EvokedProtocol():
            return summary.summarise(protocol, [probing.trials(part) for part in parts], targets)
        case AssociationProtocol():
            return learning.summarise(protocol, parts, targets)
        case DishProtocol() | ReservoirProtocol():
            return dish.summarise(parts, targets)
    raise TypeError(type(protocol))
