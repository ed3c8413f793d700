"""Measures of closed loops: burst control, and rallies of pong."""

from typing import NamedTuple

import numpy as np

from culture_sim.analysis.network_bursts import NetworkBursts
from culture_sim.analysis.panel import Measure, found_network_bursts
from culture_sim.analysis.spike_trains import SpikeTrains
from protocols.plan.loops import Events
from protocols.spec.dish.measures import Measures

FULLEST = 0.15  # share of the seconds that the burstiness looks at (Wagenaar et al. 2005)
ROUNDING = 1e-9


def blanked(measure: Measure, blank_s: float) -> Measure:
    """The measure, whose definition says which spikes were left out."""
    return measure._replace(definition=measure.definition + left_out(blank_s))


def left_out(blank_s: float) -> str:
    """The end of a definition: which spikes do not count."""
    return f", without spikes within {blank_s * 1e3:g} ms after a pulse" if blank_s else ""


class Stretch(NamedTuple):
    """Spike trains of a step: without the spikes close to a pulse, and all."""

    blanked: SpikeTrains
    whole: SpikeTrains


def burst_control(first: Stretch, second: Stretch, definitions: Measures, blank_s: float) -> dict[str, Measure]:
    """Network bursts of two steps and their ratio.

    Parameters
    ----------
    first, second
        The two steps.
    definitions
        Of network bursts.
    blank_s
        For the definitions.
    """
    found: dict[str, Measure] = {}
    rates = []
    without = left_out(blank_s)
    for name, (trains, whole) in (("first", first), ("second", second)):
        bursts: NetworkBursts = found_network_bursts(trains, definitions)
        rates.append(len(bursts.start) / trains.duration * 60)
        found[name] = Measure(rates[-1], "1/min", f"network bursts{without}")
        share = float((bursts.end - bursts.start).sum() / trains.duration)
        found[f"{name} share"] = Measure(share, "share", f"of the time, in network bursts{without}")
        found[f"{name} burstiness"] = Measure(burstiness(whole), "", "Wagenaar et al. 2005, all spikes")
    ratio = rates[1] / rates[0] if rates[0] > 0 else np.nan
    return {"ratio": Measure(ratio, "", f"second over first rate of network bursts{without}")} | found


def burstiness(trains: SpikeTrains) -> float:
    """Burstiness index of Wagenaar et al. 2005 (J Neurosci 25:680): from 0, steady, to 1; NaN without spikes."""
    n = int(trains.duration + ROUNDING)  # whole seconds
    counts = np.sort(np.bincount(trains.time[trains.time < n].astype(int), minlength=n))[::-1]
    if not counts.sum():
        return np.nan
    share = counts[: round(FULLEST * n)].sum() / counts.sum()
    return float((share - FULLEST) / (1 - FULLEST))


def rallies(events: Events, start: int, stop: int, dt: float, early_s: float) -> dict[str, Measure]:
    """Length of rallies, and share of hits, early and late in a step.

    Parameters
    ----------
    events
        ``hit`` with the hits of the rally so far; ``miss`` with those of the rally that it ends.
    start, stop
        Of the step, in time steps.
    dt
        Time step in seconds.
    early_s
        Length of the early part. A rally belongs to the part in which it ends.
    """
    border = start + early_s / dt
    inside = (events.at > start) & (events.at <= stop)
    hit, miss = ((events.name == name) & inside for name in ("hit", "miss"))
    early, late = (events.at <= border), (events.at > border)
    lengths = [events.value[miss & part] for part in (early, late)]
    mean = [float(part.mean()) if len(part) else np.nan for part in lengths]
    balls = [int(((hit | miss) & part).sum()) for part in (early, late)]
    shares = [float((hit & part).sum() / n) if n else np.nan for part, n in zip((early, late), balls, strict=True)]
    of, other = f"first {early_s:g} s", "the rest"
    return {
        "early": Measure(mean[0], "hits", f"mean rally, {of}"),
        "late": Measure(mean[1], "hits", f"mean rally, {other}"),
        "change": Measure(mean[1] - mean[0], "hits", f"mean rally, {other} less {of}"),
        "early hits": Measure(shares[0], "share", f"hits of all balls, {of}"),
        "late hits": Measure(shares[1], "share", f"hits of all balls, {other}"),
        "hit change": Measure(shares[1] - shares[0], "share", f"hits of all balls, {other} less {of}"),
        "balls": Measure(float(sum(balls)), "", "balls that reached the paddle's side"),
    }
