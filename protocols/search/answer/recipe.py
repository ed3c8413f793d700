"""Recipe: how to grow, stimulate and train, before and after the search, in a lab's units and words."""

from collections.abc import Mapping, Sequence
from typing import Any

from protocols.search.answer.encoding import Parameter
from protocols.search.answer.row import Row, number
from protocols.spec.nets.layers import Convolution, Dense, Layer, Normalisation, Pooling
from protocols.spec.network import Network
from protocols.spec.protocol import (
    AssociationProtocol,
    CultureAssociation,
    CultureProtocol,
    EvokedProtocol,
    NetworkProtocol,
    Phase,
    Protocol,
)
from protocols.spec.stimuli import SpikeList

SQUARE_CM = 1e-4  # in square metres
ARRAY = tuple(f"culture.array.{key}" for key in ("rows", "columns", "pitch"))


def recipe(
    start: Protocol, best: Protocol, region: Mapping[str, Mapping[str, Any]], parameters: Sequence[Parameter]
) -> list[dict[str, Any]]:
    """Rows of ``recipe`` in ``answer.json``: a lab's settings, and every searched parameter.

    Parameters
    ----------
    start, best
        The protocol before the search, and with the best values.
    region
        Region of the optimum, by path; may lack parameters.
    parameters
        Searched parameters.

    Returns
    -------
    list of dict
        ``what``, ``start``, ``best``, ``searched`` and ``range``: values that do as well, the best included; None if
        unknown, or if several parameters determine the value.
    """
    units = {parameter["path"]: parameter["unit"] for parameter in parameters}
    of_network = isinstance(best, NetworkProtocol) or all(path.startswith("network.") for path in units)
    rows = _culture_rows(best) if isinstance(best, CultureProtocol) and not (units and of_network) else []
    known = {row.path for row in rows}
    rows += [Row(path, path, unit) for path, unit in units.items() if path not in known]
    lines = []
    for row in rows:
        several = bool(units.keys() & set(row.others))
        ranged = row.path in units and row.path in region and not several
        lines.append(
            {
                "what": row.what,
                "start": row.text(start),
                "best": row.text(best),
                "range": row.range(best, region[row.path], units[row.path]) if ranged else None,
                "searched": row.path in units or several,
            }
        )
    return lines + (_layer_lines(start, best, list(units)) if units and of_network else [])


def _culture_rows(protocol: CultureProtocol) -> list[Row]:
    """Rows on growing the culture, then on stimulating and training it."""
    rows = [
        Row("Neuron density", "culture.neurons.count", "cells/cm2", _per_square_cm, ARRAY),
        Row("Cells on the array", "culture.neurons.count"),
    ]
    for kind, name in (("excitatory", "Excitatory"), ("inhibitory", "Inhibitory"), ("electrode", "Stimulation")):
        rows.append(Row(f"{name} reach (sigma)", f"culture.{kind}.sigma", "mm"))
        rows.append(Row(f"{name} strength (sum of incoming weights)", f"culture.{kind}.strength", "mV"))
    rows += [
        Row("Resting potential", "culture.neurons.rest", "mV"),
        Row("Potentiation of a spike pair (A+)", "culture.plasticity.A_plus", "mV"),
        Row("Depression of a spike pair (A-)", "culture.plasticity.A_minus", "mV"),
    ]
    match protocol:
        case CultureAssociation():
            rows += _association_rows()
        case EvokedProtocol():
            rows += [row for phase in protocol.phases if phase.plastic for row in _phase_rows(protocol, phase)]
    return rows


def _association_rows() -> list[Row]:
    section, training = "association", "association.training"
    return [
        Row("Factor on A+ and A- at the start of training", f"{training}.learning_rate.factor"),
        Row("Factor over the training", f"{training}.learning_rate.schedule"),
        Row("Pulse rate of a white pixel", f"{section}.image.rate", "Hz"),
        Row("Pulse rate of the label", f"{section}.label.rate", "Hz"),
        Row("Length of a presentation", f"{section}.presentation", "ms"),
        Row("Presentations in training", f"{training}.presentations"),
        Row(
            "Stimulation in training",
            f"{training}.presentations",
            "min",
            lambda protocol: protocol.association.presentation / 60,
            (f"{section}.presentation",),
        ),
        Row("Order of the classes", f"{training}.order"),
        Row("Decision between the regions", f"{section}.decision"),
    ]


def _phase_rows(protocol: EvokedProtocol, phase: Phase) -> list[Row]:
    """Rows on a plastic phase: its pulse trains, and their duration."""
    trains = [name for name in dict.fromkeys(phase.present) if not isinstance(protocol.stimuli[name].train, SpikeList)]
    rows = [Row(f"Pulse rate of {name}", f"stimuli.{name}.train.rate", "Hz") for name in trains]
    rows += [Row(f"Length of {name}", f"stimuli.{name}.duration", "ms") for name in dict.fromkeys(phase.present)]

    def minutes(other: EvokedProtocol) -> float:
        return sum(other.stimuli[name].duration for name in phase.present) / 60

    repetitions = f"phases.{phase.name}.repetitions"
    durations = tuple(f"stimuli.{name}.duration" for name in phase.present)
    rows.append(Row(f"Presentations in {phase.name}", repetitions))
    rows.append(Row(f"Stimulation in {phase.name}", repetitions, "min", minutes, durations))
    return rows


def _per_square_cm(protocol: CultureProtocol) -> float:
    _, _, width, height = protocol.culture.array.area
    return SQUARE_CM / (width * height)


def _layer_lines(start: Protocol, best: Protocol, searched: Sequence[str]) -> list[dict[str, Any]]:
    """The network's layers in words."""
    before, after = (_layers(protocol) for protocol in (start, best))
    of_layers = any(path.startswith(("network.layers", "network.depth")) for path in searched)
    return [{"what": "Layers", "start": before, "best": after, "range": None, "searched": of_layers}]


def _layers(protocol: Protocol) -> str:
    match protocol:
        case NetworkProtocol(network=Network(layers=())):
            own = protocol.network
            return own.module or (own.architecture.net if own.architecture else "none")
        case NetworkProtocol():
            return ", ".join(map(_layer, protocol.network.used_layers))
        case AssociationProtocol() if protocol.network is not None:
            return ", ".join(map(_layer, protocol.network.layers))
    return "none"


def _layer(layer: Layer) -> str:
    match layer:
        case Convolution(conv=neurons, kernel=kernel):
            return f"{number(neurons)} conv {kernel} x {kernel}"
        case Pooling(pool=pool, take=take):
            return f"pool {pool} x {pool}" + ("" if take == "largest" else f" ({take})")
        case Normalisation(norm=norm):
            return "batch norm" if norm == "plain" else f"{norm} batch norm"
        case Dense(dense=neurons):
            return f"{number(neurons)} dense"
