"""Several cultures of one shape as one block-diagonal network, with one recording per culture.

A small culture cannot keep a GPU busy; hundreds of them, a whole generation of a search, can. The cultures are
not connected: neuron ``i`` of culture ``c`` is neuron ``c * n_neurons + i`` of the batch, its synapses stay within the
culture, and it reads the parameters of its culture. So each behaves as if it were alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Segments, Session, cut
from culture_sim.model.culture import PROJECTIONS, Culture
from culture_sim.model.parameters import Shape, longest_segment, parameters

#: Weights of the batch by projection, in the order of its synapses.
JointWeights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Batch:
    """Cultures of one shape, each with its own session.

    Parameters
    ----------
    cultures
        May differ in wiring, weights and every parameter, but not in `Shape`.
    sessions
        One per culture. They may differ in pulses, learning factors and snapshots, not in the lengths of presentations.
    """

    cultures: tuple[Culture, ...]
    sessions: tuple[Session, ...]

    def __post_init__(self) -> None:
        if not self.cultures or len(self.cultures) != len(self.sessions):
            raise ValueError(
                f"{len(self.cultures)} cultures, {len(self.sessions)} sessions; allowed: equal numbers, at least 1"
            )
        for index, (culture, session) in enumerate(zip(self.cultures, self.sessions, strict=True)):
            if Shape.of_culture(culture) != self.shape:
                raise ValueError(
                    f"culture {index}: {Shape.of_culture(culture)}; allowed: that of the first, {self.shape}"
                )
            if not np.array_equal(session.n_steps, self.sessions[0].n_steps):
                raise ValueError(
                    f"session {index}: other lengths of presentations than session 0; allowed: the same lengths"
                )
            if len(session.electrode) and session.electrode.max() >= self.shape.n_electrodes:
                most = self.shape.n_electrodes - 1
                raise ValueError(f"session {index}: electrode {session.electrode.max()}; allowed: 0 to {most}")

    @property
    def shape(self) -> Shape:
        """The shape of one culture."""
        return Shape.of_culture(self.cultures[0])

    @property
    def n_steps(self) -> np.ndarray:
        """Length of every presentation in time steps."""
        return self.sessions[0].n_steps

    @property
    def learning(self) -> np.ndarray:
        """Learning factors, shape (n_presentations, n_cultures)."""
        return np.stack([session.learning for session in self.sessions], axis=1)

    @property
    def snapshot(self) -> np.ndarray:
        """Whether any culture's weights are recorded after each presentation, shape (n_presentations,)."""
        return np.any([session.snapshot for session in self.sessions], axis=0)

    @property
    def first_neuron(self) -> np.ndarray:
        """The first neuron of each electrode's culture, shape (n_electrodes of the batch,)."""
        return np.repeat(np.arange(len(self.cultures)) * self.shape.n_neurons, self.shape.n_electrodes)

    def segments(self) -> Segments:
        """Presentations cut into pieces short enough for the deferred plasticity of all cultures."""
        return cut(self.sessions[0], min(longest_segment(culture.spec) for culture in self.cultures))

    def parameters(self) -> dict[str, np.ndarray]:
        """The values of `PARAMETERS`, shape (n_cultures,)."""
        values = [parameters(culture.spec) for culture in self.cultures]
        return {name: np.array([of_one[name] for of_one in values]) for name in values[0]}

    def strength(self, projection: str) -> np.ndarray:
        """Sum of a neuron's incoming weights in volts, shape (n_cultures,)."""
        return np.array([culture.spec.projections[projection].strength for culture in self.cultures])

    def of_neurons(self, of_cultures: np.ndarray) -> np.ndarray:
        """Repeat a value per culture, shape (n_cultures,), for all its neurons."""
        return np.repeat(of_cultures, self.shape.n_neurons)

    def pulses(self) -> tuple[np.ndarray, np.ndarray]:
        """Electrode and step of all pulses, in order of time, then electrode."""
        offset = self.shape.n_electrodes
        electrode = np.concatenate([s.electrode + np.int32(k * offset) for k, s in enumerate(self.sessions)])
        step = np.concatenate([session.step for session in self.sessions])
        order = np.lexsort((electrode, step))
        return electrode[order], step[order]

    def weights(self, projection: str) -> csr_array:
        """Block-diagonal weights of a projection; those of one culture are contiguous in ``data``."""
        blocks = [culture.weights[projection] for culture in self.cultures]
        if len(blocks) == 1:
            return blocks[0]
        n_synapses = np.cumsum([0, *(block.nnz for block in blocks)])
        data = np.concatenate([block.data for block in blocks])
        indices = np.concatenate([block.indices + k * self.shape.n_neurons for k, block in enumerate(blocks)])
        starts = [block.indptr[:-1].astype(np.int64) + first for block, first in zip(blocks, n_synapses, strict=False)]
        n_sources, n_targets = blocks[0].shape
        shape = (n_sources * len(blocks), n_targets * len(blocks))
        return csr_array((data, indices, np.concatenate([*starts, n_synapses[-1:]])), shape=shape)

    def split(
        self, neuron: np.ndarray, step: np.ndarray, weights: JointWeights, snapshots: Sequence[tuple[int, JointWeights]]
    ) -> list[Recording]:
        """Split spikes and weights of the batch into one recording per culture.

        Parameters
        ----------
        neuron, step : shape (n_spikes,)
            Spikes of the batch, in any order.
        weights, snapshots
            As in `Recording`, but of the batch.
        """
        order = np.lexsort((neuron, step, neuron // self.shape.n_neurons))
        neuron, step = neuron[order], step[order]
        n = len(self.cultures)
        ends = np.searchsorted(neuron // self.shape.n_neurons, np.arange(n + 1))
        recordings = []
        for k, (culture, session) in enumerate(zip(self.cultures, self.sessions, strict=True)):
            mine = slice(ends[k], ends[k + 1])
            taken = [(index, self._weights_of(k, joint)) for index, joint in snapshots if session.snapshot[index]]
            of_culture = (neuron[mine] - k * self.shape.n_neurons).astype(np.int32)
            final = self._weights_of(k, weights)
            recordings.append(
                Recording(culture.spec.simulation.dt, session, of_culture, step[mine].astype(np.int64), final, taken)
            )
        return recordings

    def _weights_of(self, k: int, joint: JointWeights) -> dict[str, csr_array]:
        """Weights of culture `k` from the arrays of the batch; projections missing there are unchanged."""
        grown = dict(self.cultures[k].weights)
        for name in PROJECTIONS:
            if name in joint:
                before = grown[name]
                first = sum(culture.weights[name].nnz for culture in self.cultures[:k])
                data = np.array(joint[name][first : first + before.nnz])
                grown[name] = csr_array((data, before.indices, before.indptr), shape=before.shape)
        return grown
