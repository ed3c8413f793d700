"""The ``spiking_network:`` section: the network of Diehl and Cook 2015 (Front Comput Neurosci 9:99)."""

from typing import Annotated

from pydantic import Field

from protocols.spec.culture import PositiveTime
from protocols.spec.quantity import Rate, Time, Voltage
from protocols.spec.section import Section
from protocols.spec.stimuli import PositiveRate

Size = Annotated[int, Field(ge=2, le=100_000, strict=True)]
Few = Annotated[int, Field(ge=1, le=1000, strict=True)]
Conductance = Annotated[float, Field(ge=0, le=1e4)]
Amplitude = Annotated[float, Field(ge=0, le=1)]


class SpikingPresentation(Section):
    """Poisson spike trains of the pixels, followed by rest; repeated at a higher rate if the network hardly responds.

    Parameters
    ----------
    rate
        Rate of a white pixel.
    duration, rest
        Of the spike trains, and of the silence after them in training.
    fewest_spikes
        Spikes of all excitatory neurons while the image is shown, below which it is presented again.
    raise_by
        Increase of the rate of a white pixel with each repetition.
    attempts
        Most presentations of one image; the last counts as it is. (The authors repeat without end.)
    """

    rate: PositiveRate = 63.75
    duration: PositiveTime = 0.35
    rest: Annotated[Time, Field(ge=0, le=1e6)] = 0.15
    fewest_spikes: Annotated[int, Field(ge=0, le=10**6, strict=True)] = 5
    raise_by: Annotated[Rate, Field(ge=0, le=1e6)] = 31.875
    attempts: Few = 20


class AdaptiveThreshold(Section):
    """Threshold of each excitatory neuron: it rises with every spike of a training presentation, and decays slowly."""

    increase: Annotated[Voltage, Field(ge=0, le=1)] = 0.05e-3
    decay: PositiveTime = 1e4


class Stdp(Section):
    """Triplet STDP of the input synapses, whose weights are 0 to 1; the factors of `training.learning_rate` apply.

    Parameters
    ----------
    A_plus
        Potentiation at a postsynaptic spike, times the presynaptic trace and the slow postsynaptic one before it.
    A_minus
        Depression at the arrival of a presynaptic spike, times the fast postsynaptic trace.
    input_decay, output_decay, slow_output_decay
        Time constants of the presynaptic, the fast and the slow postsynaptic trace; a spike sets its traces to 1.
    """

    A_plus: Amplitude = 0.01
    A_minus: Amplitude = 0.0001
    input_decay: PositiveTime = 20e-3
    output_decay: PositiveTime = 20e-3
    slow_output_decay: PositiveTime = 40e-3


class SpikingNetwork(Section):
    """A network that learns images without labels by STDP; labels only name its neurons, after training.

    Poisson inputs, one per pixel, excite all excitatory neurons; each of these drives one inhibitory neuron, which
    inhibits all other excitatory neurons. A class scores the mean spike count of the neurons assigned to it.

    Parameters
    ----------
    neurons
        Excitatory neurons; there are as many inhibitory ones.
    input_sum
        Sum of a neuron's input conductances (in leak conductances), to which its weights are scaled before every
        training presentation. A weight of 1 is 784 / pixels leak conductances: as published, for 28 x 28 pixels.
    excitation, inhibition
        Conductances of the synapses onto, and of, an inhibitory neuron (in leak conductances).
    labelled
        Training presentations before an evaluation whose images, presented without learning, assign each neuron the
        class to which it responds most.
    dt
        Time step.
    """

    neurons: Size
    presentation: SpikingPresentation = SpikingPresentation()
    threshold: AdaptiveThreshold = AdaptiveThreshold()
    plasticity: Stdp = Stdp()
    input_sum: Annotated[float, Field(gt=0, le=1e6)] = 78.0
    excitation: Conductance = 10.4
    inhibition: Conductance = 17.0
    labelled: Annotated[int, Field(ge=1, le=10**6, strict=True)] = 1000
    dt: PositiveTime = 0.5e-3
