"""The ``culture:`` section of a culture that is spontaneously active (``model: living``).

A value of null leaves an ingredient out. Potentials are relative to rest. The defaults of drive, noise, synapses,
depression and adaptation were fitted, at 240 neurons on 1.6 mm x 1.6 mm, to the spontaneous activity of six dissociated
cultures of mouse cortex and hippocampus at 21 days in vitro (recordings of Charlesworth et al. 2015, Neural Dev 10:1).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from protocols.spec.array import AnyArray, Array, PositiveLength, Rectangle
from protocols.spec.culture import NonNegativeVoltage, PositiveTime, PotentialVoltage, Simulation
from protocols.spec.dish.placement import MOST_NEURONS, Area, Placement, UniformPlacement
from protocols.spec.quantity import Current, CurrentPerArea, Density, Rate, Speed, Time
from protocols.spec.section import Section

Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=0, le=1e3)]
Spread = Annotated[float, Field(ge=0, le=5)]
PositiveRate = Annotated[Rate, Field(ge=1e-6, le=1e4)]
PositiveCurrent = Annotated[Current, Field(ge=1e-12, le=1)]
PositiveSpeed = Annotated[Speed, Field(ge=1e-3, le=1e3)]
FIXED_DELAY = 1e-3  # s, of all synapses where `delay` is null


class Drive(Section):
    """Constant input of each neuron: the potential that it would reach without threshold, drawn from a Gaussian."""

    mean: PotentialVoltage = 15.3e-3
    sd: NonNegativeVoltage = 2.51e-3


class Noise(Section):
    """Fluctuating input, given by the standard deviation of the membrane potential that it causes without threshold.

    Parameters
    ----------
    private
        White noise, independent in each neuron.
    shared
        The same for all neurons, with the correlation time `shared_decay`.
    """

    private: NonNegativeVoltage = 0.748e-3
    shared: NonNegativeVoltage = 1.10e-3
    shared_decay: PositiveTime = 3.19


class LivingNeurons(Section):
    """Leaky integrate-and-fire neurons, each either excitatory or inhibitory; as many as their count or density says.

    Parameters
    ----------
    count
        Number of neurons.
    density
        Number of neurons per area of the culture, in place of the count, for example ``1000 / mm2``.
    placement
        Where they lie in the area.
    """

    count: Annotated[int, Field(ge=1, le=MOST_NEURONS, strict=True)] | None = None
    density: Annotated[Density, Field(gt=0, le=1e12)] | None = None
    placement: Placement = UniformPlacement()
    excitatory: Share = 0.8
    membrane: PositiveTime = 20e-3
    threshold: Annotated[PotentialVoltage, Field(gt=0)] = 20e-3
    reset: PotentialVoltage = 10e-3
    refractory: Annotated[Time, Field(ge=0, le=10)] = 3e-3
    drive: Drive = Drive()
    noise: Noise | None = Noise()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.reset < self.threshold:
            raise ValueError("reset must lie below threshold")
        if (self.count is None) == (self.density is None):
            given = "neither count nor density" if self.count is None else "both count and density"
            raise ValueError(f"{given}; allowed: one of them, the other null")
        return self


class Nmda(Section):
    """Slow part of excitation: its time constant and its share of the charge."""

    decay: PositiveTime = 80e-3
    share: Share = 0.342


class Delay(Section):
    """Delay of a synapse: `least` + distance / `speed`, at most `most`."""

    least: PositiveTime = 1e-3
    speed: PositiveSpeed = 0.46
    most: PositiveTime = 15e-3

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.most < self.least:
            raise ValueError("most must not lie below least")
        return self


class LivingSynapses(Section):
    """Sparse random connections with log-normal weights and exponentially decaying currents.

    Parameters
    ----------
    excitatory, inhibitory
        Median weight: the jump of the membrane potential if the charge of one spike came all at once.
    spread
        Standard deviation of the logarithm of the weights.
    fan_in
        Mean number of inputs of a neuron; those from excitatory and inhibitory cells in proportion to the cells.
    reach, inhibitory_reach
        Length constant lambda of the connection probability, which falls as exp(-distance / lambda).
    ampa, gaba
        Time constants of fast excitation and of inhibition.
    nmda
        Slow excitation; null: all charge is fast.
    delay
        Delay by distance; null: 1 ms.
    """

    excitatory: NonNegativeVoltage = 7.47e-3
    inhibitory: NonNegativeVoltage = 16.4e-3
    spread: Spread = 0.6
    fan_in: Annotated[float, Field(ge=0, le=1e5)] = 40
    reach: PositiveLength = 0.0939e-3
    inhibitory_reach: PositiveLength = 0.41e-3
    ampa: PositiveTime = 5e-3
    nmda: Nmda | None = Nmda()
    gaba: PositiveTime = 10e-3
    delay: Delay | None = None


class Depression(Section):
    """Short-term plasticity of all synapses of a neuron (Tsodyks and Markram 1997; Markram et al. 1998).

    Parameters
    ----------
    U
        Share of the resources that the first spike releases; each spike transmits its release times the weight.
    recovery
        Time constant of the recovery of resources.
    facilitation
        Time constant at which the share falls back to zero after a spike raised it; null: it is always `U`.
    inhibitory
        Whether synapses of inhibitory cells depress too; otherwise they transmit their whole weight.
    """

    U: Annotated[float, Field(gt=0, le=1)] = 0.174
    recovery: PositiveTime = 0.525
    facilitation: PositiveTime | None = None
    inhibitory: bool = True


class Adaptation(Section):
    """Spike-frequency adaptation: each spike lowers the drive by `step`, which decays with `decay`."""

    step: NonNegativeVoltage = 0.261e-3
    decay: PositiveTime = 2.29


class Homeostasis(Section):
    """Scaling of a neuron's incoming excitation by a factor h that leads its rate to a target.

    d ln h / dt = (1 - rate / target) / decay, with 1 / `most` <= h <= `most`.
    """

    target: PositiveRate = 3.0
    decay: PositiveTime = 600.0
    most: Annotated[float, Field(ge=1, le=1e3)] = 5.0


class LivingPlasticity(Section):
    """STDP of excitatory synapses by nearest spike pairs, bounded, with optional homeostasis.

    At a postsynaptic spike w += A_plus (bound strength - w) x - heterosynaptic w, where x = exp(-t / trace_decay) and t
    the time since the last arrival of a presynaptic spike; at an arrival w -= A_minus w y, where y likewise counts from
    the last postsynaptic spike. strength is the median excitatory weight. With `heterosynaptic`, the inputs of a cell
    that fires without them weaken (Kempter, Gerstner and van Hemmen 1999, Phys Rev E 59:4498).
    """

    A_plus: Share = 0.001
    A_minus: Share = 0.001
    heterosynaptic: Share = 0.0
    trace_decay: Annotated[PositiveTime, Field(le=10)] = 20e-3
    bound: Factor = 6.0
    homeostasis: Homeostasis | None = None


class Axons(Section):
    """Axons that pass an electrode: a `share` of cells can be hit along a straight axon of mean length `reach`."""

    share: Share = 0.3
    reach: PositiveLength = 0.3e-3


class Stimulation(Section):
    """Extracellular stimulation by current pulses (strength-duration and current-distance relations).

    The threshold current of a cell at distance r is (rheobase + k r^2) (1 + chronaxie / pulse width), times a
    log-normal factor (Tehovnik 1996, J Neurosci Methods 65:1; Tehovnik et al. 2006, J Neurophysiol 96:512).

    Parameters
    ----------
    rheobase
        Threshold current at distance zero for a very long pulse.
    chronaxie
        Pulse width at which the threshold current is twice that of a very long pulse.
    k
        Increase of the threshold current with the squared distance.
    spread
        Standard deviation of the logarithm of the threshold over cells.
    axons
        Axons that can be hit instead of the cell body; null: none.
    """

    rheobase: PositiveCurrent = 4e-6
    chronaxie: PositiveTime = 200e-6
    k: Annotated[CurrentPerArea, Field(ge=0, le=1e9)] = 600.0
    spread: Spread = 0.3
    axons: Axons | None = None


class LivingCulture(Section):
    """A culture of neurons that fires and bursts by itself, in continuous time.

    Parameters
    ----------
    area
        Where its neurons lie; null: the area of the array.
    """

    model: Literal["living"]
    array: AnyArray = Array(rows=8, columns=8, pitch="200 um")
    area: Area | None = None
    neurons: LivingNeurons
    synapses: LivingSynapses | None = LivingSynapses()
    depression: Depression | None = Depression()
    adaptation: Adaptation | None = Adaptation()
    plasticity: LivingPlasticity | None = None
    stimulation: Stimulation | None = Stimulation()
    simulation: Simulation = Simulation()

    @property
    def ground(self) -> Rectangle:
        """The rectangle that the neurons lie in."""
        if self.area is None:
            return self.array.area
        left, top, width, height = self.array.bounds
        wider, higher = self.area.width - width, self.area.height - height
        return Rectangle(left - wider / 2, top - higher / 2, self.area.width, self.area.height)

    @property
    def n_neurons(self) -> int:
        """Number of neurons: the count, or the density times the area."""
        if self.neurons.count is not None:
            return self.neurons.count
        return round((self.neurons.density or 0) * self.ground.width * self.ground.height)

    def steps(self, duration_s: float) -> int:
        """Whole time steps in a duration."""
        return round(duration_s / self.simulation.dt)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        n, _ = self.n_neurons, self.ground
        if not 1 <= n <= MOST_NEURONS:
            raise ValueError(f"neurons.density: gives {n} neurons; allowed: 1 to {MOST_NEURONS}")
        if self.synapses is not None and self.synapses.fan_in > n - 1:
            raise ValueError(f"synapses.fan_in must not exceed the {n - 1} possible inputs")
        self._check_whole_steps("neurons.refractory", self.neurons.refractory)
        if self.synapses is not None and self.synapses.delay is not None:
            self._check_whole_steps("synapses.delay.least", self.synapses.delay.least, at_least=1)
            self._check_whole_steps("synapses.delay.most", self.synapses.delay.most, at_least=1)
        elif self.synapses is not None:
            self._check_whole_steps("synapses.delay: null, that is 1 ms,", FIXED_DELAY, at_least=1)
        return self

    def _check_whole_steps(self, path: str, duration_s: float, at_least: int = 0) -> None:
        steps = duration_s / self.simulation.dt
        if abs(steps - round(steps)) > 1e-6 or round(steps) < at_least:
            raise ValueError(f"{path} must be a whole number of simulation.dt")
