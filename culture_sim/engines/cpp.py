"""Engine `cpp`: a compiled C++ program, the fastest engine on a CPU once it is compiled (once per model)."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from culture_sim.engines.base import Progress
from culture_sim.engines.compiled import execute
from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session, cut
from culture_sim.model.culture import Culture
from culture_sim.model.parameters import PARAMETERS, Shape, longest_segment, parameters
from protocols.runs import scratch


@dataclass(frozen=True)
class CppEngine:
    """Present a session to a culture in a compiled program.

    A culture may have fewer neurons than the program: the others have no synapses and never fire.

    Parameters
    ----------
    shape
        The shape of the cultures it can run.
    program
        The executable, from `culture_sim.engines.program.compiled`.
    """

    shape: Shape
    program: Path
    name = "cpp"

    @classmethod
    def prepare(cls, shape: Shape) -> Self:
        """An engine for this shape; compiles the program unless it is in the cache."""
        from culture_sim.engines.program import compiled  # imports Brian2, which a worker does not need

        return cls(shape, compiled(shape))

    def run(self, culture: Culture, session: Session, progress: Progress) -> Recording:
        """Run the program on this culture's arrays, in a scratch directory."""
        own = Shape.of_culture(culture)
        if replace(own, n_neurons=self.shape.n_neurons) != self.shape or own.n_neurons > self.shape.n_neurons:
            raise ValueError(f"this program was compiled for {self.shape}, the culture is {own}")
        with scratch.new_folder() as directory:
            _write_inputs(directory, culture.filled(self.shape.n_neurons), session)
            execute(self.program, directory, lambda done: progress(done, len(session.n_steps)))
            return _read_outputs(directory, culture, session)


def _write_inputs(directory: Path, culture: Culture, session: Session) -> None:
    inputs = directory / "inputs"
    inputs.mkdir()
    (directory / "outputs").mkdir()

    def write(name: str, values: object, dtype: object) -> None:
        np.asarray(values).astype(dtype, copy=False).tofile(inputs / name)  # type: ignore[call-overload]

    values = parameters(culture.spec)
    write("parameters", [values[name] for name in PARAMETERS], np.float64)
    write("strengths", [p.strength for p in culture.spec.projections.values()], np.float64)
    for name, weights in culture.weights.items():
        write(f"{name}.indptr", weights.indptr, np.int32)
        write(f"{name}.indices", weights.indices, np.int32)
        write(f"{name}.data", weights.data, culture.spec.simulation.precision)
    segments = cut(session, longest_segment(culture.spec))
    write("stimulus.electrode", session.electrode, np.int32)
    write("stimulus.step", session.step, np.int32)
    write("segments.n_steps", segments.n_steps, np.int32)
    write("segments.last", segments.last, np.int32)
    write("segments.learning", session.learning[segments.presentation], np.float64)
    write("segments.snapshot", session.snapshot[segments.presentation], np.int32)


def _read_outputs(directory: Path, culture: Culture, session: Session) -> Recording:
    outputs = directory / "outputs"
    dt = culture.spec.simulation.dt
    neuron = np.fromfile(outputs / "spikes.neuron", np.int32)
    step = np.rint(np.fromfile(outputs / "spikes.time", np.float64) / dt).astype(np.int64)
    taken = np.flatnonzero(session.snapshot)
    plastic = [name for name, projection in culture.spec.projections.items() if projection.plastic]

    def weights(index: int) -> dict[str, csr_array]:
        """The weights of one snapshot; the last one is the end of the session."""
        grown = dict(culture.weights)
        for name in plastic:
            before = culture.weights[name]
            data = np.fromfile(outputs / f"{name}.data", before.dtype, before.nnz, offset=index * before.data.nbytes)
            grown[name] = csr_array((data, before.indices, before.indptr), shape=before.shape)
        return grown

    snapshots = [(int(presentation), weights(index)) for index, presentation in enumerate(taken)]
    return Recording(dt, session, neuron, step, weights(len(taken)), snapshots)
