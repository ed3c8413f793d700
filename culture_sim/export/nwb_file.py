"""NWB 2 through pynwb: a unit per electrode, stimulation as intervals, trials, steps, protocol, seed, code version."""

import json
import math
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.export.trials import trials
from culture_sim.export.whole_file import whole
from culture_sim.formats.experiment import Experiment
from culture_sim.formats.nwb import OURS

ARRAY = "array"


def write(experiment: Experiment, path: Path) -> Path:
    """Write one file, completely or not at all.

    The session starts, by the calendar, so long before the run ended as the experiment lasted.
    """
    from pynwb import NWBHDF5IO

    file = session(experiment)
    electrodes(file, experiment.positions, experiment.subject.region)
    _units(file, experiment)
    _intervals(file, experiment)
    _closed_loop(file, experiment)
    with whole(path) as unfinished, NWBHDF5IO(unfinished, "w") as io:
        io.write(file)
    return path


def session(experiment: Experiment) -> Any:
    """An NWB file with what is known of the session and of the culture."""
    from pynwb import NWBFile
    from pynwb.file import Subject

    facts, name = experiment.provenance, str(experiment.metadata.get("protocol", "culture"))
    ended = datetime.fromisoformat(str(facts.get("finished") or datetime.now(UTC).isoformat()))
    seed = experiment.metadata.get("seed", 0)
    code: Any = facts.get("code") or {}
    file = NWBFile(
        session_description=f"Simulated neuronal culture, protocol {name}, seed {seed}: spikes of each electrode.",
        identifier=str(uuid.uuid4()),
        session_start_time=ended - timedelta(seconds=experiment.duration_s),
        session_id=f"{name}-seed-{seed}",
        experiment_description=f"Protocol {name}, carried out on a simulated culture (a digital twin).",
        experimenter=["Twin, Digital"],
        institution="culture-twin",  # and no keywords: Neo 0.14 does not open files that have some
        protocol=experiment.protocol or None,
        notes=json.dumps({OURS: experiment.facts | {"provenance": dict(facts)}}),
        source_script=f"python -m culture_sim.run (code {code.get('hash') or 'unknown'}, commit {code.get('commit')})",
        source_script_file_name="culture_sim/run.py",
    )
    file.subject = Subject(
        subject_id=f"{name}-{seed}",
        species=experiment.subject.species,
        sex="U",
        age=experiment.subject.age,
        description="Simulated dissociated culture, no animal was used; species and days in vitro of the cultures that "
        "its model comes from.",
    )
    return file


def electrodes(file: Any, positions: np.ndarray, region: str) -> None:
    """The array as one device and group; positions in um relative to it."""
    device = file.create_device(ARRAY, description="Simulated multi-electrode array")
    group = file.create_electrode_group(ARRAY, "Electrodes of the array", location=region, device=device)
    for name, axis in (("rel_x", "along the columns"), ("rel_y", "along the rows")):
        file.add_electrode_column(name, f"Position in the array {axis} (um)")
    for x, y in positions:
        file.add_electrode(group=group, location=region, rel_x=_um(x), rel_y=_um(y))


def _um(metres: float) -> float:
    return round(float(metres) * 1e6, 9)


def _units(file: Any, experiment: Experiment) -> None:
    from pynwb.misc import Units

    file.units = Units(
        name="units",
        description="Spikes heard by each electrode: a unit an electrode, of all cells that it hears.",
        resolution=experiment.tick_s,
        electrode_table=file.electrodes,
    )
    observed = [[0.0, experiment.duration_s]]
    for electrode, train in enumerate(experiment.trains):
        file.add_unit(spike_times=train, obs_intervals=observed, electrodes=[electrode])


def _intervals(file: Any, experiment: Experiment) -> None:
    from pynwb.epoch import TimeIntervals

    tick, pulses = experiment.tick_s, experiment.pulses
    file.add_epoch_column("step", "Name of the step of the protocol's timeline")
    for name, start, stop in zip(*experiment.steps, strict=True):
        file.add_epoch(float(start * tick), float(stop * tick), tags=[str(name)], step=str(name))
    if not len(pulses.at):
        return
    of_trial = {
        "step": "Step of the timeline",
        "pattern": "Stimulated pattern",
        "trial": "Number of the trial of the pattern in the step, from 0",
    }
    for name, meaning in of_trial.items():
        file.add_trial_column(name, meaning)
    for start_s, stop_s, *rest in trials(experiment):
        file.add_trial(start_s, stop_s, **dict(zip(of_trial, rest, strict=True)))
    table = TimeIntervals(name="stimulation", description="Stimulation pulses: biphasic, the cathodic phase first")
    columns = of_trial | {
        "turn": "Number of the pulse in the trial, from 0",
        "amplitude_A": "Current of the cathodic phase (A, magnitude); NaN where the model has none",
        "phase_s": "Width of a phase (s); NaN where the model has none",
        "electrodes": "Stimulated electrodes, numbers with spaces between them",
    }
    for name, meaning in columns.items():
        table.add_column(name, meaning)
    for at, pattern, step, trial, turn, amplitude, width, numbers in zip(*pulses, strict=True):
        length = tick if math.isnan(width) else 2 * float(width)
        table.add_interval(
            start_time=float(at * tick),
            stop_time=float(at * tick) + length,
            step=str(step),
            pattern=str(pattern),
            trial=int(trial),
            turn=int(turn),
            amplitude_A=float(amplitude),
            phase_s=float(width),
            electrodes=" ".join(map(str, numbers)),
        )
    file.add_time_intervals(table)


def _closed_loop(file: Any, experiment: Experiment) -> None:
    """What a closed loop noted, and when it had its turns; nothing where there was none."""
    from pynwb.base import TimeSeries
    from pynwb.epoch import TimeIntervals

    tick = experiment.tick_s
    if len(experiment.events.at):
        table = TimeIntervals(name="loop_events", description="Events that the controller of the closed loop noted")
        table.add_column("event", "What it noted")
        table.add_column("value", "A number; NaN where it has none")
        for at, name, value in zip(*experiment.events, strict=True):
            table.add_interval(float(at * tick), float((at + 1) * tick), event=str(name), value=float(value))
        file.add_time_intervals(table)
    if len(experiment.ticks):
        file.add_acquisition(
            TimeSeries(
                name="loop_ticks",
                data=np.arange(len(experiment.ticks)),
                unit="ticks",
                timestamps=experiment.ticks * tick,
                description="Ends of the closed loop's ticks: when the controller got the spikes since the last one",
            )
        )
