"""Run directories of cultures: what each electrode hears, one experiment per seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.experiments.dispatch import n_steps
from culture_sim.experiments.stimulus import encode
from culture_sim.formats.experiment import MOUSE, RAT, Experiment, Pulses, Steps
from culture_sim.model.electrodes import each_hearing, heard_neurons
from protocols.plan.dish import expand_dish
from protocols.plan.loops import NO_EVENTS, Events, events, loop_pulses, ticks
from protocols.plan.timeline import expand
from protocols.runs.run_directory import read_json, read_protocol
from protocols.spec.dish.recordings import RecordingMeasures
from protocols.spec.protocol import DishProtocol, EvokedProtocol

DESCRIPTION = "a finished run of python -m culture_sim.run"

Arrays = Mapping[str, np.ndarray]


def recognises(path: Path) -> bool:
    """Whether a folder is a finished run."""
    return (path / "protocol.yaml").is_file() and (path / "arrays.npz").is_file()


def n_spikes(path: Path) -> int:
    """About how many spikes it holds."""
    return (path / "arrays.npz").stat().st_size // 7


def read(path: Path, definitions: RecordingMeasures) -> dict[str, SpikeTrains]:
    """Read the spikes of every seed and step, by name.

    Raises
    ------
    ValueError
        If the run kept no spikes.
    """
    return {
        f"{path.resolve().name} seed {seed} {step}".rstrip(): trains
        for seed, experiment in experiments(path).items()
        for step, trains in experiment.recordings().items()
    }


def experiments(path: Path) -> dict[int, Experiment]:
    """The experiment of every seed.

    Raises
    ------
    ValueError
        If the run kept no spikes.
    """
    text = (path / "protocol.yaml").read_text(encoding="utf-8")
    protocol, provenance = read_protocol(path, ("protocol.yaml",)), read_json(path / "provenance.json")
    with np.load(path / "arrays.npz") as arrays:
        kept = f"seed_{protocol.first_seed}/spikes/step" in arrays.files
        found = {}
        for seed in protocol.seed_list:
            match protocol:
                case DishProtocol():
                    parts = _of_dish(protocol, arrays, seed)
                case EvokedProtocol() if kept:
                    parts = (*_of_phases(protocol, arrays, seed), NO_EVENTS, np.zeros(0, np.int64))
                case _:
                    raise ValueError(
                        "no spikes were kept; allowed: a run of stimuli in phases (record.spikes all or units) or of "
                        "steps"
                    )
            found[seed] = Experiment(
                protocol.culture.simulation.dt,
                n_steps(protocol),
                *parts[:5],
                events=parts[5],
                ticks=parts[6],
                metadata={"protocol": protocol.name, "seed": seed},
                protocol=text,
                provenance=provenance,
                whole=isinstance(protocol, EvokedProtocol),
                subject=MOUSE if isinstance(protocol, DishProtocol) else RAT,
            )
    return found


Parts = tuple[np.ndarray, np.ndarray, np.ndarray, Steps, Pulses]


def _of_dish(protocol: DishProtocol, arrays: Arrays, seed: int) -> tuple[*Parts, Events, np.ndarray]:
    plan = expand_dish(protocol)
    names, numbers = np.array(plan.names, np.str_), protocol.culture.array.numbers
    given: list[tuple[Any, ...]] = [
        (at, plan.patterns[pattern], plan.names[step], trial, turn, of.amplitude, of.width, numbers(of.electrodes))
        for step, trial, pattern, turn, at in plan.pulses.tolist()
        for of in [protocol.patterns[plan.patterns[pattern]]]
    ]
    given += [(p.at, p.label, p.step, p.trial, 0, *p[4:]) for p in loop_pulses(plan, arrays, seed)]
    given.sort(key=lambda pulse: pulse[0])
    at, pattern, of_step, trial, turn, amplitude, width, stimulated = zip(*given, strict=True) if given else [()] * 8
    pulses = Pulses(
        np.array(at, np.int64),
        np.array(pattern, np.str_),
        np.array(of_step, np.str_),
        np.array(trial, np.int32),
        np.array(turn, np.int32),
        np.array(amplitude, float),
        np.array(width, float),
        [np.array(each, np.int64) for each in stimulated],
    )
    step, electrode = (arrays[f"seed_{seed}/heard/{name}"].astype(np.int64) for name in ("step", "electrode"))
    order = np.lexsort((electrode, step))
    steps = Steps(names, plan.steps["start"], plan.steps["stop"])
    of_loops = events(arrays, seed), ticks(arrays, seed)
    return step[order], electrode[order], arrays[f"seed_{seed}/electrodes"], steps, pulses, *of_loops


def _of_phases(protocol: EvokedProtocol, arrays: Arrays, seed: int) -> Parts:
    electrodes, positions = arrays[f"seed_{seed}/electrodes"], arrays[f"seed_{seed}/positions"]
    heard = heard_neurons(protocol.culture.readout, electrodes, positions)
    spike, electrode = each_hearing(heard, arrays[f"seed_{seed}/spikes/neuron"])
    step = arrays[f"seed_{seed}/spikes/step"][spike].astype(np.int64)
    order = np.lexsort((electrode, step))
    timeline = expand(protocol, seed)
    shown, names = timeline.presentations, np.array(timeline.phases, np.str_)
    session = encode(protocol, timeline, seed)
    of_phase = [shown[shown["phase"] == k] for k in range(len(names))]
    starts = np.array([rows["onset_step"].min() for rows in of_phase])
    steps = Steps(names, starts, np.append(starts[1:], n_steps(protocol)))
    at, first = np.unique(session.step, return_index=True)
    of = np.searchsorted(shown["onset_step"], at, "right") - 1
    unknown = np.full(len(at), np.nan)
    pulses = Pulses(
        at,
        np.array(timeline.stimuli, np.str_)[shown["stimulus"][of]],
        names[shown["phase"][of]],
        shown["trial"][of],
        np.arange(len(at)) - np.searchsorted(of, of),
        unknown,
        unknown,
        np.split(session.electrode, first[1:]),
    )
    return step[order], electrode[order], electrodes, steps, pulses
