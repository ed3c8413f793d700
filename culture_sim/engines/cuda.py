"""CUDA engine, through Brian2CUDA: many cultures at once in one program on one GPU."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from culture_sim.engines import gpu
from culture_sim.engines.base import Progress
from culture_sim.engines.batch import Batch
from culture_sim.engines.compiled import execute, inputs_of
from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session
from culture_sim.model.culture import PROJECTIONS, Culture
from culture_sim.model.parameters import Shape, strength_variable
from protocols.runs import scratch

NEVER = np.int32(2**31 - 1)  # step of a dummy pulse that is never reached: a stimulus must not be empty


@dataclass(frozen=True)
class CudaEngine:
    """Present sessions to several cultures at once in a compiled program.

    Parameters
    ----------
    shape
        Shape of the cultures it can run.
    n_cultures
        Cultures that it runs at once. Smaller batches are padded with silent cultures.
    program
        The executable, from `culture_sim.engines.cuda_program.compiled`.
    """

    shape: Shape
    n_cultures: int
    program: Path
    name = "cuda"

    @classmethod
    def prepare(cls, shape: Shape, n_cultures: int = 1) -> Self:
        """An engine for `n_cultures` cultures of this shape; compiles the program unless it is cached.

        Raises
        ------
        RuntimeError
            If Brian2CUDA, nvcc or a GPU is missing, or nvcc fails.
        """
        gpu.require_toolchain()
        capability = gpu.require_gpu().capability
        from culture_sim.engines.cuda_program import compiled  # imports Brian2, which a worker does not need

        return cls(shape, n_cultures, compiled(shape, n_cultures, capability))

    def run(self, culture: Culture, session: Session, progress: Progress) -> Recording:
        """Run one culture."""
        return self.run_batch(Batch((culture,), (session,)), progress)[0]

    def run_batch(self, batch: Batch, progress: Progress) -> list[Recording]:
        """Run the program on the arrays of all cultures, in a scratch directory."""
        given = len(batch.cultures)
        if batch.shape != self.shape or given > self.n_cultures:
            allowed = f"up to {self.n_cultures} of {self.shape}"
            raise ValueError(f"this program was compiled for {allowed}, the batch has {given} of {batch.shape}")
        filled = _filled(batch, self.n_cultures)
        with scratch.new_folder() as directory:
            write_inputs(directory, filled)
            execute(self.program, directory, lambda done: progress(done, len(filled.sessions[0].n_steps)))
            return read_outputs(directory, filled)[:given]


def _filled(batch: Batch, n_cultures: int) -> Batch:
    """The batch padded to `n_cultures` with cultures without synapses or pulses."""
    missing = n_cultures - len(batch.cultures)
    like = batch.cultures[0]
    none = {name: csr_array(weights.shape, dtype=weights.dtype) for name, weights in like.weights.items()}
    silent = Session(batch.n_steps, np.zeros(len(batch.n_steps)), [], [])  # type: ignore[arg-type]
    return Batch(
        batch.cultures + (replace(like, weights=none),) * missing,
        batch.sessions + (silent,) * missing,
    )


def write_inputs(directory: Path, batch: Batch) -> None:
    """Write the files that the program reads; `cuda_program` uses the same names."""
    precision = batch.shape.precision
    values = batch.parameters()
    values["v"] = values["v_rest"]
    values |= {strength_variable(name): batch.strength(name) for name in PROJECTIONS}
    with inputs_of(directory) as write:
        for name, of_cultures in values.items():
            write(f"neurons.{name}", batch.of_neurons(of_cultures), precision)
        for name in PROJECTIONS:
            weights = batch.weights(name)
            write(f"{name}.indptr", weights.indptr, np.int32)
            write(f"{name}.indices", weights.indices, np.int32)
            write(f"{name}.data", weights.data, precision)
        electrode, step = batch.pulses()
        write("stimulus.first_neuron", batch.first_neuron, np.int32)
        write("stimulus.electrode", [*electrode, 0], np.int32)
        write("stimulus.step", [*step, NEVER], np.int32)
        segments = batch.segments()
        write("segments.n_steps", segments.n_steps, np.int32)
        write("segments.last", segments.last, np.int32)
        write("segments.learning", batch.learning[segments.presentation], precision)
        write("segments.snapshot", batch.snapshot[segments.presentation], np.int32)


def read_outputs(directory: Path, batch: Batch) -> list[Recording]:
    """Read the files that the program wrote; the spikes of one step come in any order."""
    outputs = directory / "outputs"
    neuron = np.fromfile(outputs / "spikes.neuron", np.int32)
    step = np.rint(np.fromfile(outputs / "spikes.time", np.float64) / batch.shape.dt).astype(np.int64)
    plastic = [name for name, learns in zip(PROJECTIONS, batch.shape.plastic, strict=True) if learns]
    n_synapses = {name: sum(culture.weights[name].nnz for culture in batch.cultures) for name in plastic}

    def weights(index: int) -> dict[str, np.ndarray]:
        """The weights of one snapshot; the last one is the end of the session."""
        found = {}
        for name, n in n_synapses.items():
            dtype = np.dtype(batch.shape.precision)
            found[name] = np.fromfile(outputs / f"{name}.data", dtype, n, offset=index * n * dtype.itemsize)
        return found

    taken = np.flatnonzero(batch.snapshot)
    snapshots = [(int(presentation), weights(index)) for index, presentation in enumerate(taken)]
    return batch.split(neuron, step, weights(len(taken)), snapshots)
