"""Objectives of a search: metrics that are independent of test images, and their score in a trial."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from protocols.loading.search_space import Dimension, Values, dimensions
from protocols.spec.dish.asked import (
    BESIDES,
    BURST_CONTROL,
    RALLY,
    Asked,
    BurstControl,
    Connectivity,
    Course,
    EvokedSpikes,
    Growth,
    PairedPulse,
    Panel,
    Rally,
    Sttc,
)
from protocols.spec.dish.measures import PANEL
from protocols.spec.dish.timeline import patterns_of, unrolled
from protocols.spec.faults import ProtocolFault, listed, nearest, short
from protocols.spec.network import regime_name
from protocols.spec.protocol import (
    AssociationProtocol,
    DishProtocol,
    EvokedProtocol,
    NetworkProtocol,
    Protocol,
    ReservoirProtocol,
    SegmentationProtocol,
)
from protocols.spec.search import Search


def metric_names(protocol: Protocol) -> list[str]:
    """Metrics allowed as objectives of a search."""
    match protocol:
        case AssociationProtocol():
            return ["accuracy/validation", "accuracy/validation_lowest"]
        case NetworkProtocol(network=network):
            regimes = [regime_name(regime) for regime in network.regimes]
            return [f"validation/{method}/{regime}" for method in network.methods for regime in regimes]
        case SegmentationProtocol(segmentation=spec):
            regimes = [regime_name(regime) for regime in spec.regimes]
            return [f"validation_dice/{method}/{regime}" for method in spec.methods for regime in regimes]
        case DishProtocol(measure=measure):
            names = [path for name, asked in measure.items() for path in _measured(name, asked, protocol)]
            return [*names, "distance"] if protocol.targets else names
        case EvokedProtocol(evoked=evoked):
            probing = [phase for phase in protocol.phases if not phase.plastic]
            shown = [(stimulus, phase.name) for phase in probing for stimulus in phase.present]
            windows = [f"{seconds * 1e3:g}ms" for seconds in evoked.windows.values()]
            own = [f"{stimulus}/{phase}" for stimulus, phase in shown if phase in evoked.windows]
            every = [f"{stimulus}/{phase}/{window}" for stimulus, phase in shown for window in windows]
            growth = [f"growth/{stimulus}/{window}" for stimulus in protocol.stimuli for window in windows]
            return [f"{kind}/{path}" for kind in ("evoked", "leaky") for path in own + every] + growth
        case ReservoirProtocol(reservoir=reservoir):
            return [f"validation/{name}" for name in ("culture", *reservoir.controls)]
    raise TypeError(type(protocol))


def _measured(name: str, asked: Asked, protocol: DishProtocol) -> list[str]:
    """Paths of the metrics of one measure."""
    steps = dict(unrolled(protocol.timeline))
    match asked:
        case Panel():
            return [f"{name}/{measure}" for measure in PANEL]
        case EvokedSpikes(evoked=names, windows=windows):
            shown = [f"{name}/{step}/{pattern}" for step in names for pattern in patterns_of(steps[step])]
            return [f"{path}/{key}" for path in shown for key in (*windows, *BESIDES)]
        case Course(course=names, bins=bins):
            shown = [f"{name}/{step}/{pattern}" for step in names for pattern in patterns_of(steps[step])]
            return [f"{path}/{key}" for path in shown for key in bins]
        case PairedPulse():
            return [f"{name}/{key}" for key in ("ratio", "first", "second")]
        case Growth(growth=(earlier, _)):
            return [f"{name}/{pattern}" for pattern in dict.fromkeys(patterns_of(steps[earlier]))]
        case Sttc(sttc=names):
            return [f"{name}/{step}/{key}" for step in names for key in ("near", "far")]
        case Connectivity():
            return [f"{name}/{key}" for key in ("correlation", "change", "absolute change")]
        case BurstControl():
            return [f"{name}/{key}" for key in BURST_CONTROL]
        case Rally():
            return [f"{name}/{key}" for key in RALLY]
    raise TypeError(type(asked))


def held_out(metric: str) -> str:
    """The corresponding metric on test images; the same metric if there is none."""
    if metric.startswith("accuracy/validation"):
        return "accuracy/test"
    kind, slash, rest = metric.partition("/")
    tested = {"validation": "accuracy", "validation_dice": "dice"}
    return f"{tested[kind]}/{rest}" if slash and kind in tested else metric


def check_objectives(protocol: Protocol) -> None:
    """Refuse unknown objectives and metrics of test images.

    Raises
    ------
    ProtocolFault
        With one line for every fault.
    """
    search = protocol.search
    if search is None:
        return
    allowed = metric_names(protocol)
    numbers = [dimension.path for dimension in dimensions(protocol) if dimension.kind != "choice"]
    lines = [_fault(name, allowed, numbers) for name in search.objectives if name not in {*allowed, *numbers}]
    first = next(iter(search.objectives))
    if first in numbers:
        lines.append(f"search.objectives.{short(first)}: a parameter comes first; allowed: one of {listed(allowed)}")
    if lines:
        raise ProtocolFault(lines)


def _fault(name: str, allowed: Sequence[str], numbers: Sequence[str]) -> str:
    if name.startswith(("accuracy/", "top5/", "confusion", "separation/", "ceiling/", "gain/", "map/", "dice/")):
        hint = f"is measured on test images, which must not be optimised; allowed: {listed(allowed)}"
    else:
        hint = f"no such metric; {nearest(name, [*allowed, *numbers])}"
    return f"search.objectives.{short(name)}: {hint}"


@dataclass(frozen=True)
class Worth:
    """Value of one objective in a trial: per seed, mean over seeds, and the optimised score."""

    per_seed: list[float]
    mean: float
    score: float
    unit: str


def worth(
    objective: str, search: Search, space: Sequence[Dimension], metrics: Mapping[str, Any], values: Values
) -> Worth:
    """Value of an objective in every seed, mean over seeds, and the score that is optimised.

    Raises
    ------
    RuntimeError
        If a seed has no finite value.
    """
    dimension = next((d for d in space if d.path == objective), None)
    if dimension is not None:
        value = values.get(objective, dimension.start)
        per_seed, unit = [float(value)] if value is not None else [], dimension.unit
    else:
        found = metrics.get(objective, {})
        per_seed, unit = found.get("per_seed", found.get("ratio_per_seed", [])), found.get("unit", "")
    if not per_seed or any(value is None or not math.isfinite(value) for value in per_seed):
        raise RuntimeError(f"{objective}: no finite value in some seed")
    array = np.asarray(per_seed, float)
    sign = 1 if search.objectives[objective] == "maximise" else -1
    spread = _margin(array, search.confidence) if search.score == "lower_bound" else 0.0
    return Worth(array.tolist(), float(array.mean()), float(array.mean() - sign * spread), unit)


def _margin(values: np.ndarray, confidence: float) -> float:
    """Distance of the one-sided confidence bound from the mean; 0 for a single value."""
    n = len(values)
    return float(student.ppf(confidence, n - 1) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
