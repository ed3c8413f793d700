"""The fast engine: one C++ program for all sizes and parameters, compiled once."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np

from culture_sim.engines.compiled import compiled, execute, inputs_of
from culture_sim.living.constants import Constants
from culture_sim.living.culture import LivingCulture
from culture_sim.living.pulses import Pulses
from culture_sim.living.recording import LivingRecording, LivingState
from culture_sim.living.session import LivingSession
from protocols.runs import scratch

FLAGS = ("-ffp-contract=off",)  # products and sums rounded one by one: results equal NumPy's
NUMBERS = ("v", "ampa", "nmda", "gaba", "adaptation", "used", "u", "scale", "weight", "in_flight_release")
WHOLE_NUMBERS = ("refractory", "last_spike", "arrived", "in_flight_neuron", "in_flight_step")


def program() -> Path:
    """The compiled program; compiles it unless it is kept already.

    Raises
    ------
    RuntimeError
        If there is no C++ compiler, or it fails; the message holds the end of what it said.
    """
    sources = Path(str(resources.files("culture_sim.living")))
    return compiled((*sources.glob("*.cpp"), *sources.glob("*.h")), FLAGS)


def run(
    culture: LivingCulture, session: LivingSession, state: LivingState, progress: Callable[[int, int], None]
) -> LivingRecording:
    """Run the program on this culture's arrays, in a scratch directory."""
    executable = program()
    with scratch.new_folder() as directory:
        write_inputs(directory, culture, session, state)
        execute(executable, directory, lambda done: progress(done, session.n_steps))
        return _read_outputs(directory / "outputs", culture, session, state)


def write_inputs(directory: Path, culture: LivingCulture, session: LivingSession, state: LivingState) -> None:
    """Write what the program reads into a scratch directory."""
    real = np.dtype(culture.spec.simulation.precision)
    with inputs_of(directory) as write:
        write("settings", [state.step, session.n_steps, real.itemsize], np.int64)
        write("constants", Constants.of(culture.spec), np.float64)
        write("noise_seeds", np.array([culture.noise_seed, culture.shared_noise_seed], np.uint64), np.uint64)
        write("excitatory", culture.excitatory, np.uint8)
        write("start", culture.synapses.start, np.int64)
        write("target", culture.synapses.target, np.int32)
        write("delay", culture.synapses.delay, np.int32)
        write("drive", culture.drive, real)
        write("shared", [state.shared], np.float64)
        for name in NUMBERS:
            write(name, getattr(state, name), real)
        for name in WHOLE_NUMBERS:
            write(name, getattr(state, name), np.int32)
        pulses = Pulses.of(culture, session)
        write("pulse_step", pulses.step, np.int64)
        write("pulse_kind", pulses.kind, np.int32)
        write("kind_start", np.cumsum([0, *map(len, pulses.cells)]), np.int64)
        write("kind_cells", np.concatenate([*pulses.cells, np.zeros(0, np.int32)]), np.int32)
        write("plastic", session.plastic, np.int64)
        write("snapshot_steps", session.snapshots, np.int64)


def _read_outputs(
    outputs: Path, culture: LivingCulture, session: LivingSession, before: LivingState
) -> LivingRecording:
    real = np.dtype(culture.spec.simulation.precision)
    n_snapshots = len(session.snapshots)
    weights = np.fromfile(outputs / "snapshots", real) if n_snapshots else np.zeros(0, real)
    return LivingRecording(
        dt=culture.spec.simulation.dt,
        session=session,
        neuron=np.fromfile(outputs / "neuron", np.int32),
        step=np.fromfile(outputs / "step", np.int32),
        direct=np.fromfile(outputs / "direct", np.uint8).astype(bool),
        state=read_state(outputs, culture, before.step + session.n_steps),
        snapshots=list(weights.reshape(n_snapshots, -1)) if n_snapshots else [],
    )


def read_state(outputs: Path, culture: LivingCulture, step: int) -> LivingState:
    """The state that the program wrote, after so many steps of the culture's life."""
    real = np.dtype(culture.spec.simulation.precision)
    numbers = {name: np.fromfile(outputs / name, real) for name in NUMBERS}
    whole = {name: np.fromfile(outputs / name, np.int32) for name in WHOLE_NUMBERS}
    shared = float(np.fromfile(outputs / "shared", np.float64)[0])
    return LivingState(step=step, shared=shared, **numbers, **whole)
