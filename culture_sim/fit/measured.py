"""Measures of a recording as a fit compares them: chosen ones, on a linear or a logarithmic scale."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from culture_sim import formats
from culture_sim.analysis.panel import Measure, panel
from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.experiments.dish import distances
from culture_sim.fit.simulated import asked_panel, definitions_by, panel_values
from protocols.loading.published import read_targets
from protocols.spec.dish.measures import PANEL
from protocols.spec.dish.recordings import RecordingMeasures
from protocols.spec.dish.timeline import duration, unrolled
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import FitProtocol

#: measures on a linear scale: shares, and what may be negative; all others on a logarithmic one
LINEAR = (
    *("spikes in bursts", "spikes in network bursts", "STTC near"),
    *("avalanche size exponent", "avalanche duration exponent", "branching ratio"),
)
SHORTER = 0.98  # of the simulated length: a recording that is shorter is refused


@dataclass(frozen=True)
class Recorded:
    """The panel of one recording.

    Parameters
    ----------
    name
        Of its file.
    values : shape (n_measures,)
        In the order of `PANEL`, NaN where one is not defined.
    measures
        The same with units and definitions, by name.
    metadata
        What the file says of the culture.
    by_rule
        As `values`, with network bursts by other rules.
    """

    name: str
    values: np.ndarray
    measures: Mapping[str, Measure]
    metadata: Mapping[str, str | int | float]
    by_rule: Mapping[str, np.ndarray] = field(default_factory=dict)


def recorded(path: Path, protocol: FitProtocol, rules: Sequence[str] = ()) -> list[Recorded]:
    """The recordings of a file, measured as simulations are.

    Parameters
    ----------
    path
        Of the file.
    protocol
        Of the fit.
    rules
        Further rules of network bursts by which to measure them, too.

    Raises
    ------
    ProtocolFault
        If all are shorter than a simulated recording, or a measure of the fit is not defined in one.
    """
    return [_measured(name, trains, protocol, rules) for name, trains in _long(path, protocol, 1)]


def halves(path: Path, protocol: FitProtocol) -> list[tuple[Recorded, Recorded]]:
    """First and second half of each recording of a file, each measured as a recording.

    Raises
    ------
    ProtocolFault
        If all halves are shorter than a simulated recording, or a measure of the fit is not defined in one.
    """
    found = []
    for name, trains in _long(path, protocol, 2):
        middle = trains.duration / 2
        parts = trains.between(0, middle), trains.between(middle, trains.duration)
        first, second = (_measured(name, part, protocol, ()) for part in parts)
        found.append((first, second))
    return found


def _long(path: Path, protocol: FitProtocol, times: int) -> list[tuple[str, SpikeTrains]]:
    """The recordings of a file that last as long as `times` simulated ones at least."""
    asked = asked_panel(protocol)
    definitions = RecordingMeasures.model_validate(asked.definitions.model_dump(mode="json"))
    shortest = times * SHORTER * duration(dict(unrolled(protocol.timeline))[asked.panel])
    least = f"{'the simulated length' if times == 1 else f'{times} times the simulated length'}, {shortest:.4g} s"
    found = formats.read(path, definitions)
    short = {name: trains for name, trains in found.items() if trains.duration < shortest}
    lines = [f"{name}: lasts {trains.duration:.4g} s; allowed: at least {least}" for name, trains in short.items()]
    if len(short) == len(found):
        raise ProtocolFault([f"{line} (--set timeline.{asked.panel}.rest)" for line in lines])
    for line in lines:  # such as the step of a run in which it settles
        print(f"note: {line}: left out", file=sys.stderr)
    return [(name, trains) for name, trains in found.items() if name not in short]


def _measured(name: str, trains: SpikeTrains, protocol: FitProtocol, rules: Sequence[str]) -> Recorded:
    measures = panel(trains, asked_panel(protocol).definitions)
    values = np.array([measures[measure].value for measure in PANEL])
    chosen = tuple(dict.fromkeys((*protocol.fit.measures, *protocol.fit.distance)))
    scaled = on_scale(values, chosen)
    if missing := [measure for measure, value in zip(chosen, scaled, strict=True) if not np.isfinite(value)]:
        raise ProtocolFault(
            [
                f"{name}: {', '.join(missing)}: not defined in this recording (silent, or without bursts); "
                f"allowed: a fit without: --set fit.measures, --set fit.distance"
            ]
        )
    by_rule = {rule: panel_values(trains, of) for rule, of in definitions_by(rules, protocol).items()}
    return Recorded(name, values, measures, trains.metadata, by_rule)


def on_scale(values: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Chosen measures of panels, shape (..., n_measures of `PANEL`), on the scale on which they are compared.

    NaN where one is not defined, or is zero on a logarithmic scale.
    """
    chosen = values[..., [PANEL.index(name) for name in names]].astype(float)
    log = np.array([name not in LINEAR for name in names])
    positive = np.where(chosen > 0, chosen, np.nan)
    return np.where(log, np.log(positive), chosen)


def spread(protocol: FitProtocol, targets: Path | None) -> np.ndarray:
    """Standard deviation of the measures of ``fit.distance`` between real cultures, shape (n_measures,).

    Raises
    ------
    ProtocolFault
        If the table has none for one of them, or it is zero.
    """
    (name,) = protocol.measure
    table = {row.quantity: row for row in (read_targets(targets) if targets else [])}
    found = []
    for measure in protocol.fit.distance:
        row = table.get(f"{name}/{measure}")
        if row is None or not row.sd:
            raise ProtocolFault(
                [f"fit.distance: {measure}: {protocol.targets} has no spread between cultures of it; allowed: others"]
            )
        found.append(row.sd)
    return np.array(found)


def distance(values: np.ndarray, of: np.ndarray, names: Sequence[str], sd: np.ndarray) -> np.ndarray:
    """Distance of panels, shape (..., n_measures of `PANEL`), over chosen measures, as `distances` defines it."""
    index = [PANEL.index(name) for name in names]
    return distances(values[..., index], of[..., index], sd)
