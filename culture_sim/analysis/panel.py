"""The panel of spontaneous activity: one number per measure and recording, each with unit and definition."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from culture_sim.analysis import avalanches, bursts, firing, network_bursts, synchrony
from culture_sim.analysis.bursts import Bursts
from culture_sim.analysis.network_bursts import NetworkBursts
from culture_sim.analysis.spike_trains import SpikeTrains
from protocols.spec.dish.measures import Coincidence, LogIsi, MaxInterval, Measures, Overlap, Pooled

MEASURED = "measured/"  # of a seed's arrays that hold its measures


class Measure(NamedTuple):
    """A value of a recording; NaN where it is not defined (no bursts, no positions)."""

    value: float
    unit: str
    definition: str


def as_arrays(measures: Mapping[str, Measure]) -> dict[str, np.ndarray]:
    """As arrays of a seed: ``measured/<name>``; ``definitions``: names, units, definitions, shape (n_measures, 3)."""
    spelled = [(name, found.unit, found.definition) for name, found in measures.items()]
    values = {MEASURED + name: np.array(found.value) for name, found in measures.items()}
    return values | {"definitions": np.array(spelled, np.str_).reshape(-1, 3)}


def panel(
    trains: SpikeTrains, measures: Measures | None = None, of_network: NetworkBursts | None = None
) -> dict[str, Measure]:
    """All measures of a recording by name.

    Means over units are taken over the active ones in which the measure is defined.

    Parameters
    ----------
    trains
        The recording.
    measures
        Definitions; the defaults where None.
    of_network
        The network bursts, where they are found already (`found_network_bursts`).
    """
    given = measures or Measures()
    active = trains.rates >= given.active_rate
    each = [trains.trains[unit] for unit in np.flatnonzero(active)]
    of_units = [unit_bursts(train, given) for train in each]
    of_network = of_network or found_network_bursts(trains, given)
    single, network, sync = _spelled(given.bursts), _spelled(given.network_bursts), given.synchrony
    minutes = trains.duration / 60
    durations = of_network.end - of_network.start
    per_burst = [last - first + 1 for first, last in of_units]
    within = [n.sum() / len(train) for n, train in zip(per_burst, each, strict=True)]
    isi = [np.diff(train[first]) for train, (first, _) in zip(each, of_units, strict=True)]
    runs = avalanches.avalanches(trains, given.avalanches.bin)
    bins = f"bins of {runs.bin_s * 1e3:.3g} ms" + ("" if given.avalanches.bin else ", the mean pooled interval")
    on = f"units of at least {given.active_rate:g} Hz"
    values = {
        "active units": (float(active.sum()), "", on),
        "rate": (_mean(trains.rates[active]), "Hz", f"mean over {on}"),
        "ISI CV": (_mean([firing.isi_cv(train) for train in each]), "", "sd / mean of intervals, mean over units"),
        "ISI LV": (_mean([firing.isi_lv(train) for train in each]), "", "Shinomoto 2003, mean over units"),
        "burst rate": (_mean([len(first) / minutes for first, _ in of_units]), "1/min", single),
        "burst duration": (_mean(_durations(each, of_units)), "s", single),
        "spikes per burst": (_mean(np.concatenate([*per_burst, np.zeros(0)])), "", single),
        "interval of bursts": (_mean(np.concatenate([*isi, np.zeros(0)])), "s", f"onset to onset, {single}"),
        "spikes in bursts": (_mean(within), "share", single),
        "network burst rate": (len(durations) / minutes, "1/min", network),
        "network burst duration": (_mean(durations), "s", network),
        "spikes in network bursts": (network_bursts.share_of_spikes(trains, active, of_network), "share", network),
        "IBI CV": (firing.isi_cv(of_network.start), "", f"onset to onset, {network}"),
        "STTC near": (
            _near_synchrony(trains, active, given),
            "",
            f"dt {sync.dt * 1e3:g} ms, pairs nearer than {sync.within * 1e6:g} um, Cutts and Eglen 2014",
        ),
        "avalanche size exponent": (avalanches.exponent(runs.size), "", f"maximum likelihood, {bins}"),
        "avalanche duration exponent": (avalanches.exponent(runs.duration), "", f"maximum likelihood, {bins}"),
        "branching ratio": (runs.branching, "", f"second over first bin, {bins}"),
    }
    return {name: Measure(*value) for name, value in values.items()}


def unit_bursts(train: np.ndarray, measures: Measures) -> Bursts:
    """Bursts of one unit by the rule that is given."""
    match measures.bursts:
        case MaxInterval() as rule:
            return bursts.max_interval(
                train, rule.begin_isi, rule.end_isi, rule.min_ibi, rule.min_duration, rule.min_spikes
            )
        case LogIsi() as rule:
            return bursts.log_isi(train, rule.most_isi, rule.void, rule.min_spikes)


def found_network_bursts(trains: SpikeTrains, measures: Measures) -> NetworkBursts:
    """Network bursts of the active units, by the rule that is given."""
    active = trains.rates >= measures.active_rate
    match measures.network_bursts:
        case Coincidence() as rule:
            return network_bursts.coincidence(trains, active, rule.window, rule.share, rule.min_units, rule.merge)
        case Pooled() as rule:
            return network_bursts.pooled(trains, active, rule.begin_isi, rule.end_isi, rule.share, rule.min_units)
        case Overlap() as rule:
            return network_bursts.overlapping(trains, active, rule.share, rule.min_units)


def _near_synchrony(trains: SpikeTrains, active: np.ndarray, measures: Measures) -> float:
    if trains.positions is None or active.sum() < 2:
        return np.nan
    within = measures.synchrony.within
    near = synchrony.pairs_within(trains.positions, 0.0, within)
    found = synchrony.sttc_of_active(trains, active, measures.synchrony.dt, near)
    return synchrony.mean_within(found, trains.positions, 0.0, within)


def _durations(each: list[np.ndarray], of_units: list[Bursts]) -> np.ndarray:
    """Durations of all bursts of all units (s)."""
    found = [train[last] - train[first] for train, (first, last) in zip(each, of_units, strict=True)]
    return np.concatenate([*found, np.zeros(0)])


def _mean(values: list[float] | np.ndarray) -> float:
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if len(finite) else np.nan


def _spelled(rule: MaxInterval | LogIsi | Coincidence | Pooled | Overlap) -> str:
    """A rule by name, with its parameters."""
    parameters = rule.model_dump(exclude={"rule"})
    return f"{rule.rule} ({', '.join(f'{name} {value}' for name, value in parameters.items())})"
