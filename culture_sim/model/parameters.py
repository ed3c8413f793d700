"""Shape of a culture, which a GPU's program is compiled for, and the parameters that programs read at their start."""

from dataclasses import dataclass

import numpy as np

from culture_sim.model.culture import PROJECTIONS, Culture
from culture_sim.model.plasticity import FLUSH_EVERY_TAUS
from protocols.spec.culture import Culture as CultureSpec


@dataclass(frozen=True)
class Shape:
    """Sizes and settings that cultures of one network share, and that are compiled into a program for a GPU."""

    n_neurons: int
    n_electrodes: int
    dt: float
    precision: str
    plastic: tuple[bool, ...]

    @classmethod
    def of(cls, spec: CultureSpec, n_electrodes: int | None = None) -> "Shape":
        """Shape of the cultures grown from a spec; `n_electrodes` replaces the number in its array."""
        plastic = tuple(spec.projections[name].plastic for name in PROJECTIONS)
        n_electrodes = spec.array.n_electrodes if n_electrodes is None else n_electrodes
        return cls(spec.neurons.count, n_electrodes, spec.simulation.dt, spec.simulation.precision, plastic)

    @classmethod
    def of_culture(cls, culture: Culture) -> "Shape":
        """Shape of one culture."""
        return cls.of(culture.spec, len(culture.electrodes))


#: Shared variables of the neuron group that take their values from the spec.
PARAMETERS = (
    *("v_rest", "v_threshold", "v_reset", "v_lower_bound", "leak", "refractory_steps"),
    *("trace_decay", "A_plus", "A_minus", "d"),
)


def strength_variable(projection: str) -> str:
    """Name of the neurons' variable for a projection's strength, in a network of several cultures."""
    return f"strength_{projection}"


def parameters(spec: CultureSpec) -> dict[str, float]:
    """Values of `PARAMETERS` in SI units."""
    n, p, dt = spec.neurons, spec.plasticity, spec.simulation.dt
    return {
        "v_rest": n.rest,
        "v_threshold": n.threshold,
        "v_reset": n.reset,
        "v_lower_bound": -np.inf if n.lower_bound is None else n.lower_bound,
        "leak": float(np.exp(-dt / n.membrane_decay)),
        "refractory_steps": spec.steps(n.refractory),
        "trace_decay": float(np.exp(-dt / p.trace_decay)),
        "A_plus": p.A_plus,
        "A_minus": p.A_minus,
        "d": 1.0,
    }


def longest_segment(spec: CultureSpec) -> int:
    """Largest number of steps between two flushes of the deferred plasticity."""
    return max(1, int(FLUSH_EVERY_TAUS * spec.plasticity.trace_decay / spec.simulation.dt))
