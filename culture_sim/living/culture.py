"""A grown culture as explicit arrays; no simulator."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from culture_sim.living import stimulation, wiring
from culture_sim.living.wiring import Synapses
from culture_sim.model.electrodes import electrode_positions
from culture_sim.model.placement import place_cells
from protocols.spec.dish.living import LivingCulture as LivingSpec
from protocols.spec.random_streams import stream


@dataclass(frozen=True, eq=False)
class LivingCulture:
    """Everything a simulator needs to know of one culture.

    Parameters
    ----------
    spec
        Parameters of neurons, synapses, plasticity, stimulation and simulation.
    electrodes : shape (n_electrodes, 2)
        Positions in metres.
    positions : shape (n_neurons, 2)
        Positions of the cells in metres.
    excitatory : bool, shape (n_neurons,)
        The sign of each cell's outputs (Dale's principle).
    synapses
        Targets, weights and delays of each cell.
    drive : shape (n_neurons,)
        Constant input of each cell in volts.
    sensitivity : shape (n_neurons,)
        Factor on the stimulation threshold of each cell, of median 1.
    axon_end : shape (n_neurons, 2)
        End of each cell's straight axon in metres; the cell's own position where it cannot be hit.
    noise_seed, shared_noise_seed
        Seeds of the counter-based noise, 0 to 2**64 - 1.
    """

    spec: LivingSpec
    electrodes: np.ndarray
    positions: np.ndarray
    excitatory: np.ndarray
    synapses: Synapses
    drive: np.ndarray
    sensitivity: np.ndarray
    axon_end: np.ndarray
    noise_seed: int
    shared_noise_seed: int

    def __post_init__(self) -> None:
        n, n_synapses = self.spec.n_neurons, len(self.synapses.target)
        shapes = {
            "positions": (n, 2),
            "axon_end": (n, 2),
            "excitatory": (n,),
            "drive": (n,),
            "sensitivity": (n,),
            "electrodes": (len(self.electrodes), 2),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name}: shape {getattr(self, name).shape}; allowed: {shape}")
        start, target, weight, delay = self.synapses
        if start.shape != (n + 1,) or start[0] != 0 or start[-1] != n_synapses or np.any(np.diff(start) < 0):
            raise ValueError(f"synapses.start: allowed: {n + 1} ascending numbers from 0 to {n_synapses}")
        if not len(target) == len(weight) == len(delay):
            raise ValueError("synapses: allowed: as many targets as weights and delays")
        if n_synapses and not (target.min() >= 0 and target.max() < n):
            raise ValueError(f"synapses.target: {target.min()} to {target.max()}; allowed: 0 to {n - 1}")
        if n_synapses and not (np.all(np.isfinite(weight)) and weight.min() >= 0):
            raise ValueError("synapses.weight: allowed: finite magnitudes, 0 or more")
        same_row = np.repeat(np.arange(n), np.diff(start))
        same_row = same_row[1:] == same_row[:-1]
        if n_synapses and (delay.min() < 1 or np.any(same_row & (np.diff(delay) < 0))):
            raise ValueError("synapses.delay: allowed: 1 step or more, ascending within each cell's row")

    @classmethod
    def grow(cls, spec: LivingSpec, seed: int = 0) -> Self:
        """Place and wire a culture at random, the same for the same seed.

        Parameters
        ----------
        spec
            The ``culture:`` section of a protocol, of ``model: living``.
        seed
            Seeds a random stream for each ingredient, so that leaving one out changes no other's numbers.
        """
        n, dtype = spec.n_neurons, np.dtype(spec.simulation.precision)
        positions = place_cells(spec, n, stream("placement", seed))
        rank = np.random.default_rng(stream("sign", seed)).permutation(n)
        excitatory = rank < round(spec.neurons.excitatory * n)
        if spec.synapses is None:
            synapses = Synapses.none(n, dtype)
        else:
            synapses = wiring.wire(spec.synapses, positions, excitatory, spec.simulation.dt, dtype, seed)
        drive = spec.neurons.drive
        spread, axons = (spec.stimulation.spread, spec.stimulation.axons) if spec.stimulation else (0.0, None)
        return cls(
            spec=spec,
            electrodes=electrode_positions(spec.array),
            positions=positions,
            excitatory=excitatory,
            synapses=synapses,
            drive=drive.mean + drive.sd * np.random.default_rng(stream("drive", seed)).standard_normal(n),
            sensitivity=np.exp(spread * np.random.default_rng(stream("sensitivity", seed)).standard_normal(n)),
            axon_end=stimulation.axon_ends(axons, positions, stream("axons", seed)),
            noise_seed=_seed64("noise/private", seed),
            shared_noise_seed=_seed64("noise/shared", seed),
        )

    @property
    def excitatory_synapses(self) -> np.ndarray:
        """Which synapses belong to excitatory cells, and so can be plastic; bool, shape (n_synapses,)."""
        return np.repeat(self.excitatory, np.diff(self.synapses.start))

    def hit_by(self, electrode: int, amplitude_A: float, width_s: float) -> np.ndarray:
        """Cells that a pulse on an electrode makes fire: their threshold current lies below it; int32, shape (n,)."""
        return np.flatnonzero(self.threshold_current(electrode, width_s) < amplitude_A).astype(np.int32)

    def threshold_current(self, electrode: int, width_s: float) -> np.ndarray:
        """Least amplitude of a pulse on an electrode that makes each cell fire, in amperes, shape (n_neurons,)."""
        if self.spec.stimulation is None:
            return np.full(len(self.positions), np.inf)
        distance = stimulation.distance_to_axons(self.electrodes[electrode], self.positions, self.axon_end)
        return stimulation.threshold_current(self.spec.stimulation, distance, self.sensitivity, width_s)


def _seed64(name: str, seed: int) -> int:
    return int(stream(name, seed).generate_state(1, np.uint64)[0])
