"""What figures and pages of recordings show: the curves of each, groups of them, and their development."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from culture_sim.analysis import avalanches, network_bursts, synchrony
from culture_sim.analysis.network_bursts import NetworkBursts
from culture_sim.analysis.panel import Measure
from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.panel_tables import Row, culture_of, key_of, place
from figures.culture.panel.recorded import Aged, Recorded
from protocols.spec.dish.measures import Measures

MOST_UNITS = 256  # whose synchrony is compared pair by pair
PROFILE = 1e-3 * np.arange(-205, 506, 10)  # s: edges of the bins around the peak of a network burst


def curves(
    trains: SpikeTrains, measures: Measures, bursts: NetworkBursts, found: Mapping[str, Measure]
) -> tuple[Recorded, list[str]]:
    """Distributions and curves of a recording, from its network bursts and its panel; and what was left out."""
    active = trains.rates >= measures.active_rate
    pairs = synchrony.pairs_of_active(trains, active, measures.synchrony.dt, MOST_UNITS)
    runs = avalanches.avalanches(trains, measures.avalanches.bin)
    rates = network_bursts.profiles(trains, active, bursts, PROFILE)
    n = len(PROFILE) - 1
    profile = np.vstack([rates.mean(axis=0), np.quantile(rates, (0.25, 0.75), axis=0)]) if len(rates) else np.zeros(0)
    exponents = tuple(found[f"avalanche {kind} exponent"].value for kind in ("size", "duration"))
    recorded = Recorded(
        distance=pairs.distance,
        sttc=pairs.sttc,
        dt=measures.synchrony.dt,
        size=runs.size,
        duration=runs.duration,
        exponents=(exponents[0], exponents[1]),
        bin_s=runs.bin_s,
        lag=(PROFILE[1:] + PROFILE[:-1]) / 2,
        profile=profile if len(rates) else np.full((3, n), np.nan),
        n_bursts=len(rates),
    )
    few = 0 < pairs.n_units < active.sum()
    left_out = f"synchrony by distance: {pairs.n_units} of {active.sum()} active units, drawn at random"
    return recorded, [left_out] if few else []


def aged(rows: Sequence[Row]) -> list[Aged]:
    """Recordings whose metadata say their age in days, as a number or as ``P21D``."""
    return [
        Aged(
            age=age,
            region=str(row["metadata"].get("region", "")),
            culture=culture_of(row),
            values={name: measure.value for name, measure in row["measures"].items()},
        )
        for row in rows
        if (age := _days(row["metadata"].get("age"))) is not None
    ]


def _days(age: object) -> float | None:
    spelled = re.fullmatch(r"P?(\d+(?:\.\d+)?)D?", str(age))
    return float(spelled[1]) if spelled else None


def panels(rows: Sequence[Row], keys: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Recordings by group, in panels: one for each value of the keys before the last; steps of runs are in each."""
    if len(rows) == 1:
        return {rows[0]["name"]: {"": list(rows)}}
    runs = [row for row in rows if "protocol" in row["metadata"]]
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if "protocol" not in row["metadata"]:
            found.setdefault(key_of(row, keys[:-1]), []).append(row)
    titles = {key: ", ".join(map(str, filter(None, key))) for key in sorted(found, key=place)} or {(): ""}
    return {title: by_group([*runs, *found.get(key, [])], keys[-1:]) for key, title in titles.items()}


def by_group(rows: Sequence[Row], keys: Sequence[str]) -> dict[str, list[Any]]:
    """Recordings of each group: steps of runs, and recordings by metadata.

    Steps of a run that are shorter than half its longest one, such as those in which it settles, are left out, and
    recordings with stimuli if there are others.
    """
    longest: dict[str, float] = {}
    chosen = [row for row in rows if not row["stimulated"]] or rows
    for metadata in (row["metadata"] for row in chosen):
        run = metadata.get("protocol", "")
        longest[run] = max(longest.get(run, 0.0), metadata["duration_s"])
    groups: dict[str, list[Any]] = {}
    for row in sorted(chosen, key=lambda row: ("protocol" not in row["metadata"], place(key_of(row, keys)))):
        metadata = row["metadata"]
        values = [f"{key} {metadata[key]}" for key in keys if key in metadata]
        if "protocol" not in metadata:
            groups.setdefault(", ".join(values) or "recordings", []).append(row)
        elif metadata["duration_s"] >= longest[metadata["protocol"]] / 2:
            of_run = [metadata["protocol"], metadata.get("step", "")]
            groups.setdefault(", ".join(["twin", *dict.fromkeys(filter(None, of_run)), *values]), []).append(row)
    return groups
