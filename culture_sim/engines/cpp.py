"""Engine `cpp`: one C++ program for cultures of all sizes and parameters, compiled once; the fastest on a CPU."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from culture_sim.engines.base import Progress
from culture_sim.engines.compiled import compiled, execute, inputs_of
from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session, cut
from culture_sim.model.culture import PROJECTIONS, Culture
from culture_sim.model.parameters import PARAMETERS, longest_segment, parameters
from protocols.runs import scratch

FLAGS = ("-ffp-contract=fast",)  # a product and a sum rounded once, where the processor can
MOST_STEPS = 1000  # between two flushes of the deferred plasticity; bounds the memory of C at each step


def stored_bytes(n_synapses: int, n_pairs: int, word: int) -> int:
    """Memory of a projection in the program: synapses with their indices or, if that is less, all pairs without."""
    return min(n_synapses * (word + 4), n_pairs * word)


@dataclass(frozen=True)
class CppEngine:
    """Present a session to a culture in a compiled program.

    Parameters
    ----------
    program
        The executable.
    """

    program: Path
    name = "cpp"

    @classmethod
    def prepare(cls) -> Self:
        """An engine; compiles the program unless it is kept already.

        Raises
        ------
        RuntimeError
            If there is no C++ compiler, or it fails; the message holds the end of what it said.
        """
        sources = Path(str(resources.files("culture_sim.engines"))) / "sources"
        return cls(compiled(sources.iterdir(), FLAGS))

    def run(self, culture: Culture, session: Session, progress: Progress) -> Recording:
        """Run the program on this culture's arrays, in a scratch directory."""
        with scratch.new_folder() as directory:
            _write_inputs(directory, culture, session)
            execute(self.program, directory, lambda done: progress(done, len(session.n_steps)))
            return _read_outputs(directory, culture, session)


def _write_inputs(directory: Path, culture: Culture, session: Session) -> None:
    real = np.dtype(culture.spec.simulation.precision)
    projections = [culture.spec.projections[name] for name in PROJECTIONS]
    values = parameters(culture.spec)
    segments = cut(session, min(longest_segment(culture.spec), MOST_STEPS))
    with inputs_of(directory) as write:
        write("settings", [len(culture.positions), len(culture.electrodes), real.itemsize], np.int64)
        write("parameters", [values[name] for name in PARAMETERS], np.float64)
        write("strengths", [projection.strength for projection in projections], np.float64)
        write("plastic", [projection.plastic for projection in projections], np.int32)
        for name, weights in culture.weights.items():
            write(f"{name}.indptr", weights.indptr, np.int32)
            write(f"{name}.indices", weights.indices, np.int32)
            write(f"{name}.data", weights.data, real)
        write("stimulus.electrode", session.electrode, np.int32)
        write("stimulus.step", session.step, np.int32)
        write("segments.n_steps", segments.n_steps, np.int32)
        write("segments.last", segments.last, np.int32)
        write("segments.learning", session.learning[segments.presentation], np.float64)
        write("segments.snapshot", session.snapshot[segments.presentation], np.int32)


def _read_outputs(directory: Path, culture: Culture, session: Session) -> Recording:
    outputs = directory / "outputs"
    neuron, step = (np.fromfile(outputs / name, np.int32) for name in ("neuron", "step"))
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
    dt = culture.spec.simulation.dt
    return Recording(dt, session, neuron, step.astype(np.int64), weights(len(taken)), snapshots)
