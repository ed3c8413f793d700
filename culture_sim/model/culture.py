"""A culture as plain data: positions and synaptic weights, independent of any simulator."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from culture_sim.model.electrodes import electrode_positions
from culture_sim.model.placement import place_neurons
from culture_sim.model.topology import wire
from protocols.spec.culture import Culture as CultureSpec
from protocols.spec.random_streams import stream

PROJECTIONS = ("electrode", "excitatory", "inhibitory")


@dataclass(frozen=True)
class Culture:
    """Parameters, positions and weights of one culture.

    Parameters
    ----------
    spec
        Neuron, plasticity and simulation parameters. Its neuron count must equal ``len(positions)``.
    electrodes : shape (n_electrodes, 2)
        Electrode positions in metres.
    positions : shape (n_neurons, 2)
        Neuron positions in metres.
    weights
        For each of ``electrode``, ``excitatory`` and ``inhibitory`` the weight magnitudes in volts, shape
        (n_sources, n_neurons). Stored zeros are synapses too and can grow; absent entries cannot.
    """

    spec: CultureSpec
    electrodes: np.ndarray
    positions: np.ndarray
    weights: Mapping[str, csr_array]

    def __post_init__(self) -> None:
        n = self.spec.neurons.count
        if self.positions.shape != (n, 2):
            raise ValueError(f"positions: shape {self.positions.shape}; allowed: {(n, 2)}")
        if set(self.weights) != set(PROJECTIONS):
            raise ValueError(f"weights: {sorted(self.weights)}; allowed: exactly {sorted(PROJECTIONS)}")
        for name in PROJECTIONS:
            shape = (len(self.electrodes) if name == "electrode" else n, n)
            weights = self.weights[name]
            if weights.format != "csr" or not weights.has_canonical_format:
                raise ValueError(f"weights[{name!r}]: allowed: a csr_array, columns sorted, no pair twice")
            if weights.shape != shape:
                raise ValueError(f"weights[{name!r}]: shape {weights.shape}; allowed: {shape}")
            if weights.dtype != self.spec.simulation.precision:
                allowed = f"allowed: {self.spec.simulation.precision}, as simulation.precision says"
                raise ValueError(f"weights[{name!r}]: {weights.dtype}; {allowed}")
            if not np.all(np.isfinite(weights.data)) or np.any(weights.data < 0):
                raise ValueError(f"weights[{name!r}]: must be finite magnitudes >= 0")

    @classmethod
    def grow(cls, spec: CultureSpec, seed: int = 0) -> Self:
        """Place and wire a culture at random; the same seed gives the same culture.

        Parameters
        ----------
        spec
            The ``culture:`` section of a protocol.
        seed
            Seeds the streams ``placement`` and ``wiring/<projection>``.
        """
        electrodes = electrode_positions(spec.array)
        positions = place_neurons(spec.array.area, spec.neurons.count, stream("placement", seed))
        weights = {
            name: wire(
                electrodes if name == "electrode" else positions,
                positions,
                projection,
                stream(f"wiring/{name}", seed),
                recurrent=name != "electrode",
                dtype=np.dtype(spec.simulation.precision).type,
            )
            for name, projection in spec.projections.items()
        }
        return cls(spec, electrodes, positions, weights)

    @classmethod
    def from_arrays(
        cls, spec: CultureSpec, positions: np.ndarray, weights: Mapping[str, np.ndarray | csr_array]
    ) -> Self:
        """Build a culture from explicit positions and weights (dense, or sparse to keep zero-weight synapses)."""
        dtype = np.dtype(spec.simulation.precision)
        rows = {}
        for name, given in weights.items():
            rows[name] = csr_array(given, dtype=dtype, copy=True)
            rows[name].sum_duplicates()
        return cls(spec, electrode_positions(spec.array), np.asarray(positions, float), rows)

    def filled(self, n_neurons: int) -> Self:
        """The culture padded to `n_neurons` with neurons without synapses, which never fire."""
        missing = n_neurons - len(self.positions)
        if not missing:
            return self
        weights = {}
        for name, own in self.weights.items():
            silent = 0 if name == "electrode" else missing
            indptr = np.pad(own.indptr, (0, silent), mode="edge")
            weights[name] = csr_array((own.data, own.indices, indptr), shape=(len(indptr) - 1, n_neurons))
        neurons = self.spec.neurons.model_copy(update={"count": n_neurons})
        return replace(
            self,
            spec=self.spec.model_copy(update={"neurons": neurons}),
            positions=np.pad(self.positions, ((0, missing), (0, 0))),
            weights=weights,
        )

    @property
    def n_synapses(self) -> int:
        """Number of synapses in all projections."""
        return sum(int(weights.nnz) for weights in self.weights.values())
