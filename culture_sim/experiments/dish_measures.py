"""The measures of a living dish: those its protocol asks for, from what the electrodes heard of one culture."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from culture_sim.analysis import stimulation, synchrony
from culture_sim.analysis.network_bursts import NetworkBursts
from culture_sim.analysis.panel import Measure, found_network_bursts, panel
from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.analysis.stimulation import Heard
from culture_sim.closed_loop import measures as loops
from culture_sim.model.electrodes import neurons_within
from protocols.plan.dish import DishPlan, expand_dish
from protocols.plan.loops import Events, events_of
from protocols.spec.dish.asked import (
    BurstControl,
    Connectivity,
    Course,
    EvokedSpikes,
    Growth,
    PairedPulse,
    Rally,
    Sttc,
    Tiling,
)
from protocols.spec.dish.asked import Panel as PanelAsked
from protocols.spec.dish.timeline import patterns_of, unrolled
from protocols.spec.protocol import DishProtocol


@dataclass(frozen=True, eq=False)
class DishRecording:
    """What the electrodes heard of one culture while a timeline was carried out.

    Parameters
    ----------
    protocol, plan
        What was done.
    heard
        Spikes; a neuron that several electrodes hear counts for each.
    electrodes : shape (n_electrodes, 2)
        Positions in metres.
    n_heard : int, shape (n_electrodes,)
        Number of neurons that each electrode hears.
    stimulated : int, shape (n_pulses,)
        Time steps of all pulses.
    events
        What controllers of closed loops noted.
    """

    protocol: DishProtocol
    plan: DishPlan
    heard: Heard
    electrodes: np.ndarray
    n_heard: np.ndarray
    stimulated: np.ndarray
    events: Events

    @classmethod
    def of(cls, protocol: DishProtocol, arrays: Mapping[str, np.ndarray], seed: str = "") -> Self:
        """From the arrays of a seed; `seed`: what stands before their names, such as ``seed_0/``."""
        heard = Heard(*(arrays[f"{seed}heard/{field}"] for field in Heard._fields))
        electrodes = arrays[f"{seed}electrodes"]
        reached = neurons_within(protocol.record.within, electrodes, arrays[f"{seed}positions"])
        plan = expand_dish(protocol)
        by_loops = arrays.get(f"{seed}stimuli/step", np.zeros(0, np.int64))
        stimulated = np.unique(np.concatenate([plan.pulses["at"], by_loops]))
        return cls(protocol, plan, heard, electrodes, np.diff(reached.indptr), stimulated, events_of(arrays, seed))

    def trains(self, step: str, blank_s: float = 0.0) -> SpikeTrains:
        """Spike trains of the electrodes in one step, from its start; without spikes within `blank_s` of a pulse."""
        row, dt = self.plan.steps[self.plan.names.index(step)], self.protocol.culture.simulation.dt
        first, last = np.searchsorted(self.heard.step, [row["start"], row["stop"]])
        at, electrode = self.heard.step[first:last], self.heard.electrode[first:last]
        if (blank := self.protocol.culture.steps(blank_s)) and len(self.stimulated):
            before = np.searchsorted(self.stimulated, at, "right") - 1  # the last pulse up to each spike, -1: none
            kept = (before < 0) | (at - self.stimulated[before] >= blank)
            at, electrode = at[kept], electrode[kept]
        return SpikeTrains(
            (at - row["start"]) * dt,
            electrode,
            len(self.electrodes),
            float(row["stop"] - row["start"]) * dt,
            self.electrodes,
            {"protocol": self.protocol.name, "step": step},
        )

    @cached_property
    def network_bursts(self) -> dict[str, NetworkBursts]:
        """Network bursts of each panel (s from the start of its step), by its name."""
        panels = {name: asked for name, asked in self.protocol.measure.items() if isinstance(asked, PanelAsked)}
        return {
            name: found_network_bursts(self.trains(asked.panel, asked.blank), asked.definitions)
            for name, asked in panels.items()
        }

    def patterns(self, step: str) -> tuple[str, ...]:
        """Names of the patterns that a step stimulates."""
        return patterns_of(dict(unrolled(self.protocol.timeline))[step])

    def window(self, window: tuple[float, float]) -> tuple[int, int]:
        """A window after a pulse in time steps, at least one long."""
        first, last = (self.protocol.culture.steps(time) for time in window)
        return first, max(last, first + 1)


def measures(dish: DishRecording) -> dict[str, Measure]:
    """All measures that the protocol asks for, of one culture, by path."""
    found: dict[str, Measure] = {}
    for name, asked in dish.protocol.measure.items():
        match asked:
            case PanelAsked(panel=step, blank=blank):
                of_step = panel(dish.trains(step, blank), asked.definitions, dish.network_bursts[name])
                found |= {f"{name}/{key}": loops.blanked(value, blank) for key, value in of_step.items()}
            case EvokedSpikes():
                found |= _evoked(name, asked, dish)
            case Course():
                found |= _course(name, asked, dish)
            case PairedPulse():
                found |= _paired_pulse(name, asked, dish)
            case Growth():
                found |= _growth(name, asked, dish)
            case Sttc():
                found |= _sttc(name, asked, dish)
            case Connectivity():
                found |= _connectivity(name, asked, dish)
            case BurstControl():
                found |= _burst_control(name, asked, dish)
            case Rally(rally=step, early=early):
                row, dt = dish.plan.steps[dish.plan.names.index(step)], dish.protocol.culture.simulation.dt
                rallies = loops.rallies(dish.events, row["start"], row["stop"], dt, early)
                found |= {f"{name}/{key}": value for key, value in rallies.items()}
    return found


def _spelled(window: tuple[float, float]) -> str:
    return f"{window[0] * 1e3:g} to {window[1] * 1e3:g} ms after the pulse, direct spikes excluded"


def _evoked(name: str, asked: EvokedSpikes, dish: DishRecording) -> dict[str, Measure]:
    found, n, dt = {}, len(dish.electrodes), dish.protocol.culture.simulation.dt
    longest = max(last for _, last in asked.windows.values())
    for step in asked.evoked:
        for pattern in dish.patterns(step):
            pulses = dish.plan.pulses_of(step, pattern)
            for key, window in asked.windows.items():
                value = stimulation.evoked(dish.heard, n, pulses, *dish.window(window)).mean()
                definition = f"{_spelled(window)}, less as long before it"
                found[f"{name}/{step}/{pattern}/{key}"] = Measure(float(value), "spikes per electrode", definition)
            found[f"{name}/{step}/{pattern}/direct"] = Measure(
                stimulation.direct(dish.heard, n, pulses), "spikes per electrode", "caused directly by the pulse"
            )
            late = stimulation.latency(dish.heard, n, pulses, dish.protocol.culture.steps(longest))
            found[f"{name}/{step}/{pattern}/latency"] = Measure(
                late * dt * 1e3, "ms", "median over electrodes of the mean first spike"
            )
    return found


def _course(name: str, asked: Course, dish: DishRecording) -> dict[str, Measure]:
    found, steps = {}, dish.protocol.culture.steps
    bins = asked.bins
    definition = (
        f"leaky spike count ({asked.leak * 1e3:g} ms), zero at the pulse, direct spikes included, mean over "
        f"{asked.bin * 1e3:g} ms from the time named, over neurons heard, electrodes and pulses"
    )
    for step in asked.course:
        for pattern in dish.patterns(step):
            course = stimulation.leaky_course(
                dish.heard,
                dish.n_heard,
                dish.plan.pulses_of(step, pattern),
                asked.leak / dish.protocol.culture.simulation.dt,
                steps(asked.bin),
                len(bins),
            )
            for key, value in zip(bins, course, strict=True):
                found[f"{name}/{step}/{pattern}/{key}"] = Measure(float(value), "leaky spikes per neuron", definition)
    return found


def _paired_pulse(name: str, asked: PairedPulse, dish: DishRecording) -> dict[str, Measure]:
    patterns, n = dish.patterns(asked.paired_pulse), len(dish.electrodes)
    both = [
        stimulation.counts(
            dish.heard, n, dish.plan.pulses_of(asked.paired_pulse, pattern, turn), *dish.window(asked.window)
        )
        for turn, pattern in enumerate((patterns[0], patterns[-1]))
    ]
    first, second = (float(counts.mean()) for counts in both)
    ratio = second / first if first > 0 else np.nan
    definition = _spelled(asked.window)
    return {
        f"{name}/ratio": Measure(ratio, "", f"second over first response, {definition}"),
        f"{name}/first": Measure(first, "spikes per electrode", definition),
        f"{name}/second": Measure(second, "spikes per electrode", definition),
    }


def _growth(name: str, asked: Growth, dish: DishRecording) -> dict[str, Measure]:
    found, (earlier, later), n = {}, asked.growth, len(dish.electrodes)
    for pattern in dish.patterns(earlier):
        before, after = (
            stimulation.evoked(dish.heard, n, dish.plan.pulses_of(step, pattern), *dish.window(asked.window)).mean()
            for step in asked.growth
        )
        ratio = float(after / before) if before > 0 else np.nan
        found[f"{name}/{pattern}"] = Measure(ratio, "", f"{later} over {earlier}, {_spelled(asked.window)}")
    return found


def _tiling(asked: Tiling, dish: DishRecording, step: str) -> np.ndarray:
    trains = dish.trains(step)
    return synchrony.sttc_of_active(trains, trains.rates >= asked.active_rate, asked.dt)


def _tiled(asked: Tiling) -> str:
    active = f"pairs of electrodes of at least {asked.active_rate:g} Hz"
    return f"STTC (Cutts and Eglen 2014), dt {asked.dt * 1e3:g} ms, {active}"


def _sttc(name: str, asked: Sttc, dish: DishRecording) -> dict[str, Measure]:
    found, near = {}, f"{asked.near * 1e6:g} um"
    for step in asked.sttc:
        values = _tiling(asked, dish, step)
        for key, least, most, which in (
            ("near", 0.0, asked.near, f"nearer than {near}"),
            ("far", asked.near, np.inf, f"{near} apart or more"),
        ):
            value = synchrony.mean_within(values, dish.electrodes, least, most)
            found[f"{name}/{step}/{key}"] = Measure(value, "", f"mean {_tiled(asked)}, {which}")
    return found


def _connectivity(name: str, asked: Connectivity, dish: DishRecording) -> dict[str, Measure]:
    earlier, later = asked.connectivity
    found = synchrony.pair_change(*(_tiling(asked, dish, step) for step in asked.connectivity))
    of = f"{_tiled(asked)} in {earlier} and in {later}"
    return {
        f"{name}/correlation": Measure(found.correlation, "", f"Pearson correlation of {of}"),
        f"{name}/change": Measure(found.change, "", f"mean of {later} less {earlier}: {of}"),
        f"{name}/absolute change": Measure(found.absolute, "", f"mean absolute difference: {of}"),
    }


def _burst_control(name: str, asked: BurstControl, dish: DishRecording) -> dict[str, Measure]:
    first, second = (loops.Stretch(dish.trains(step, asked.blank), dish.trains(step)) for step in asked.burst_control)
    control = loops.burst_control(first, second, asked.definitions, asked.blank)
    return {f"{name}/{key}": value for key, value in control.items()}
