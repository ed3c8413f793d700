"""The fast engine: one C++ program for all sizes and parameters, compiled once."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np

from culture_sim.engines.compiled import compiled, execute, inputs_of
from culture_sim.spiking.equations import Constants
from culture_sim.spiking.network import Presentations, Responses, Weights, gain
from protocols.runs import scratch
from protocols.spec.nets.spiking import SpikingNetwork

FLAGS = ("-ffp-contract=off",)  # products and sums rounded one by one: results equal NumPy's


def program() -> Path:
    """The compiled program; compiles it unless it is kept already.

    Raises
    ------
    RuntimeError
        If there is no C++ compiler, or it fails; the message holds the end of what it said.
    """
    noise = Path(str(resources.files("culture_sim.living"))) / "noise.h"
    return compiled((Path(str(resources.files("culture_sim.spiking"))) / "program.cpp", noise), FLAGS)


def run(
    spec: SpikingNetwork,
    weights: Weights,
    presentations: Presentations,
    progress: Callable[[int], None],
    *,
    spikes: bool,
) -> Responses:
    """Run the program on these arrays, in a scratch directory."""
    shown, n_neurons = spec.presentation, spec.neurons
    steps = [round(duration_s / spec.dt) for duration_s in (shown.duration, shown.rest)]
    executable = program()
    with scratch.new_folder() as directory:
        with inputs_of(directory) as write:
            settings = [n_neurons, len(weights.inputs), len(presentations), *steps, shown.fewest_spikes, shown.attempts]
            write("settings", [*settings, spikes], np.int64)
            write("constants", Constants.of(spec, gain(len(weights.inputs))), np.float64)
            write("weights", weights.inputs, np.float64)
            write("theta", weights.theta, np.float64)
            write("images", presentations.images, np.float32)
            write("learning", presentations.learning, np.float64)
            write("keys", presentations.keys, np.uint64)
        execute(executable, directory, progress)
        outputs = directory / "outputs"
        return Responses(
            counts=np.fromfile(outputs / "counts", np.int32).reshape(-1, n_neurons),
            attempts=np.fromfile(outputs / "attempts", np.int32),
            step=np.fromfile(outputs / "step", np.int32),
            neuron=np.fromfile(outputs / "neuron", np.int32),
            weights=Weights(
                np.fromfile(outputs / "weights", np.float64).reshape(weights.inputs.shape),
                np.fromfile(outputs / "theta", np.float64),
            ),
        )
