"""What an electrode hears of a simulated culture: amplitude by distance, noise, shape of a spike."""

from typing import Annotated

from pydantic import Field, model_validator

from protocols.spec.array import PositiveLength
from protocols.spec.culture import NonNegativeVoltage, PositiveTime
from protocols.spec.quantity import Rate
from protocols.spec.section import Section


class Extracellular(Section):
    """Extracellular spikes of neurons at electrodes, with Gaussian noise.

    The negative peak at a distance d is ``peak exp(-d / decay)``, times a factor of each neuron of its own. The
    defaults give 60 uV at 50 um and 17 uV at 140 um: within the first, cells of the rat hippocampus were larger than
    60 uV, and beyond the second none was told from noise (Henze et al. 2000, J Neurophysiol 84:390; Buzsaki 2004, Nat
    Neurosci 7:446). They were not fitted to cultures on arrays.

    Parameters
    ----------
    peak
        Mean negative peak at the electrode (magnitude).
    decay
        Distance over which it falls to 1 / e.
    spread
        Standard deviation of the logarithm of a neuron's factor, whose mean is 1.
    least
        Neurons below this amplitude at an electrode are left out there.
    noise
        Standard deviation of the noise, white up to half the sampling rate.
    sampling
        Samples a second and channel.
    width
        Standard deviation in time of the negative peak. A positive one of a third of its height and twice its width
        follows, four widths later.
    """

    peak: NonNegativeVoltage = 120e-6
    decay: PositiveLength = 72e-6
    spread: Annotated[float, Field(ge=0, le=3)] = 0.3
    least: NonNegativeVoltage = 5e-6
    noise: NonNegativeVoltage = 5e-6
    sampling: Annotated[Rate, Field(ge=1e3, le=1e6)] = 20e3
    width: PositiveTime = 0.12e-3

    @model_validator(mode="after")
    def _sampled(self) -> "Extracellular":
        if self.width * self.sampling < 1:
            raise ValueError(f"width: {self.width * 1e3:g} ms; allowed: at least a sample, {1e3 / self.sampling:g} ms")
        return self
