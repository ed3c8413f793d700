"""Measures of a recording as a fit compares them: chosen ones, on a linear or a logarithmic scale."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from culture_sim import formats
from culture_sim.analysis.panel import Measure, panel
from culture_sim.experiments.dish import distances
from culture_sim.fit.simulated import asked_panel
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
    """

    name: str
    values: np.ndarray
    measures: Mapping[str, Measure]
    metadata: Mapping[str, str | int | float]


def recorded(path: Path, protocol: FitProtocol) -> list[Recorded]:
    """The recordings of a file, measured as simulations are.

    Raises
    ------
    ProtocolFault
        If all are shorter than a simulated recording, or a measure of the fit is not defined in one.
    """
    asked = asked_panel(protocol)
    definitions = RecordingMeasures.model_validate(asked.definitions.model_dump(mode="json"))
    shortest = SHORTER * duration(dict(unrolled(protocol.timeline))[asked.panel])
    found, short = [], []
    for name, trains in formats.read(path, definitions).items():
        if trains.duration < shortest:
            short.append(
                f"{name}: lasts {trains.duration:.4g} s; allowed: at least the simulated length, {shortest:.4g} s"
            )
            continue
        measures = panel(trains, asked.definitions)
        values = np.array([measures[measure].value for measure in PANEL])
        chosen = dict.fromkeys((*protocol.fit.measures, *protocol.fit.distance))
        scaled = on_scale(values, tuple(chosen))
        if missing := [measure for measure, value in zip(chosen, scaled, strict=True) if not np.isfinite(value)]:
            raise ProtocolFault(
                [
                    f"{name}: {', '.join(missing)}: not defined in this recording (silent, or without bursts); "
                    f"allowed: a fit without: --set fit.measures, --set fit.distance"
                ]
            )
        found.append(Recorded(name, values, measures, trains.metadata))
    if not found:
        raise ProtocolFault([f"{line} (--set timeline.{asked.panel}.rest)" for line in short])
    for line in short:  # such as the step of a run in which it settles
        print(f"note: {line}: left out", file=sys.stderr)
    return found


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
