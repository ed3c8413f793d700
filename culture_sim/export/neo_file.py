"""Neo: a block with a spike train per electrode, events of stimulation, epochs of steps and trials; as NIX (.nix)."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.export.trials import trials
from culture_sim.export.whole_file import whole
from culture_sim.formats.experiment import Experiment
from culture_sim.formats.nix import OURS


def write(experiment: Experiment, path: Path) -> Path:
    """Write one file, completely or not at all."""
    from neo.io import NixIO

    with whole(path) as unfinished, NixIO(unfinished, mode="ow") as io:
        io.write_block(block(experiment))
    return path


def block(experiment: Experiment) -> Any:
    """The experiment as Neo's block of one segment."""
    from neo import Block, Epoch, Event, Segment, SpikeTrain
    from quantities import s

    found = Block(
        name=str(experiment.metadata.get("protocol", "culture")),
        **{OURS: json.dumps(experiment.facts)},
        protocol=experiment.protocol,
        provenance=json.dumps(dict(experiment.provenance)),
    )
    segment = Segment(name="experiment")
    found.segments.append(segment)
    for electrode, (train, (x, y)) in enumerate(zip(experiment.trains, experiment.positions, strict=True)):
        places = {"electrode": electrode, "x_um": round(float(x) * 1e6, 9), "y_um": round(float(y) * 1e6, 9)}
        segment.spiketrains.append(
            SpikeTrain(train * s, t_stop=experiment.duration_s * s, name=str(electrode), **places)
        )
    tick, pulses, steps = experiment.tick_s, experiment.pulses, experiment.steps
    length = (steps.stop - steps.start) * tick
    segment.epochs.append(Epoch(steps.start * tick * s, length * s, labels=steps.name, name="steps"))
    if len(pulses.at):
        segment.events.append(
            Event(
                pulses.at * tick * s,
                labels=pulses.pattern,
                name="stimulation",
                array_annotations={"amplitude_A": pulses.amplitude_A, "phase_s": pulses.width_s},
            )
        )
        rows = trials(experiment)
        start, stop = (np.array(values) for values in (list(zip(*rows, strict=True))[:2]))
        labels = np.array([f"{row.step} {row.pattern} {row.trial}" for row in rows])
        segment.epochs.append(Epoch(start * s, (stop - start) * s, labels=labels, name="trials"))
    return found
