"""The ``culture:`` section: electrode array, neurons, synapses, plasticity, readout and simulation settings."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from protocols.spec.array import Array, FullGrid, PositiveLength, Rectangle
from protocols.spec.quantity import Time, Voltage
from protocols.spec.section import Section

# The bounds only exclude absurd values: far wider than any sensible setting, but safe in floating point.
PositiveTime = Annotated[Time, Field(ge=1e-6, le=1e6)]
NonNegativeVoltage = Annotated[Voltage, Field(ge=0, le=1e4)]
PotentialVoltage = Annotated[Voltage, Field(ge=-1e4, le=1e4)]


class Neurons(Section):
    """Leaky integrate-and-fire neurons placed uniformly at random."""

    count: Annotated[int, Field(ge=1, le=10**9)]
    rest: PotentialVoltage = -70e-3
    threshold: PotentialVoltage = -50e-3
    reset: PotentialVoltage = -70e-3
    lower_bound: PotentialVoltage | None = -90e-3
    refractory: Annotated[Time, Field(ge=0, le=1e6)] = 5e-3
    membrane_decay: PositiveTime = 50e-3

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.reset < self.threshold or not self.rest < self.threshold:
            raise ValueError("rest and reset must lie below threshold")
        if self.lower_bound is not None and self.lower_bound > min(self.rest, self.reset):
            raise ValueError("lower_bound must not lie above rest or reset")
        return self


class DenseWiring(Section):
    """Weights |N(0, 1)| exp(-d^2 / 2 sigma^2) between all pairs; weights below the cutoff are dropped."""

    rule: Literal["dense"] = "dense"
    cutoff: Annotated[float, Field(ge=0)] = 1e-3


class SparseWiring(Section):
    """Random connections with a mean fan-in: probability proportional to exp(-d^2 / 2 sigma^2), weights |N(0, 1)|."""

    rule: Literal["sparse"]
    fan_in: PositiveInt


class Projection(Section):
    """Connections of one kind onto all neurons.

    `strength` is the sum of the magnitudes of a neuron's incoming weights; a weight is the jump of the membrane
    potential caused by one spike.
    """

    sigma: PositiveLength
    strength: NonNegativeVoltage
    plastic: bool = True
    wiring: DenseWiring | SparseWiring = Field(default=DenseWiring(), discriminator="rule")


class Plasticity(Section):
    """Pair-based STDP with nearest-spike traces; it acts on the magnitudes of the weights."""

    rule: Literal["nearest_spike_stdp"] = "nearest_spike_stdp"
    A_plus: NonNegativeVoltage = 0.4e-3
    A_minus: NonNegativeVoltage = 0.004e-3
    trace_decay: PositiveTime = 20e-3


class Readout(Section):
    """Recording by an electrode: a leaky count of the spikes of nearby neurons.

    Parameters
    ----------
    hears
        Neurons that a response is averaged over: the electrode's ``units``, or all neurons of its ``cell``, that is,
        those to which no other electrode is nearer.
    units_per_electrode
        Number of neurons nearest to each electrode whose spikes are saved and plotted.
    leak
        Time constant of the leaky count.
    bin
        Bin width of time courses.
    """

    hears: Literal["units", "cell"] = "units"
    units_per_electrode: PositiveInt = 4
    leak: PositiveTime = 20e-3
    bin: PositiveTime = 10e-3


class Simulation(Section):
    """Time step and floating-point precision of the simulator."""

    dt: PositiveTime = 1e-3
    precision: Literal["float64", "float32"] = "float64"


class Culture(Section):
    """A neuronal culture on a multi-electrode array."""

    array: FullGrid = Array()
    neurons: Neurons
    electrode: Projection
    excitatory: Projection
    inhibitory: Projection
    plasticity: Plasticity = Plasticity()
    readout: Readout = Readout()
    simulation: Simulation = Simulation()

    @property
    def ground(self) -> Rectangle:
        """The rectangle that the neurons lie in."""
        return self.array.area

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return self.neurons.count

    @property
    def projections(self) -> dict[str, Projection]:
        """The three projections by name."""
        return {"electrode": self.electrode, "excitatory": self.excitatory, "inhibitory": self.inhibitory}

    def steps(self, duration_s: float) -> int:
        """Whole time steps in a duration."""
        return round(duration_s / self.simulation.dt)

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        for path, value in {
            "neurons.refractory": self.neurons.refractory,
            "readout.bin": self.readout.bin,
        }.items():
            if abs(value / self.simulation.dt - self.steps(value)) > 1e-6:
                raise ValueError(f"{path} must be a whole number of simulation.dt")
        for path, projection in self.projections.items():
            sources = self.array.n_electrodes if path == "electrode" else self.neurons.count - 1
            if isinstance(projection.wiring, SparseWiring) and projection.wiring.fan_in > sources:
                raise ValueError(f"{path}.wiring.fan_in must not exceed the {sources} possible inputs")
        return self
