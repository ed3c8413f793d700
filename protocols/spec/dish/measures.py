"""How spontaneous activity is measured: the definition behind each number, with its parameters.

The defaults are those used for cultures on multi-electrode arrays; every result names the definition it was computed
with. Times are SI floats in Python, quantities with units in files.
"""

from typing import Annotated, Literal

from pydantic import Field

from protocols.spec.culture import PositiveTime
from protocols.spec.quantity import Length, Rate
from protocols.spec.section import Section

#: names of the measures of a panel
PANEL = (
    *("active units", "rate", "ISI CV", "ISI LV"),
    *("burst rate", "burst duration", "spikes per burst", "interval of bursts", "spikes in bursts"),
    *("network burst rate", "network burst duration", "spikes in network bursts", "IBI CV", "STTC near"),
    *("avalanche size exponent", "avalanche duration exponent", "branching ratio"),
)
#: those of them that depend on the rule of network bursts
OF_NETWORK_BURSTS = ("network burst rate", "network burst duration", "spikes in network bursts", "IBI CV")

Share = Annotated[float, Field(gt=0, le=1)]
AtLeast2 = Annotated[int, Field(ge=2, le=10**6, strict=True)]


class MaxInterval(Section):
    """Bursts of a unit by maximal intervals (Cotterill et al. 2016)."""

    rule: Literal["max_interval"] = "max_interval"
    begin_isi: PositiveTime = 0.17
    end_isi: PositiveTime = 0.3
    min_ibi: PositiveTime = 0.2
    min_duration: PositiveTime = 0.01
    min_spikes: AtLeast2 = 3


class LogIsi(Section):
    """Bursts of a unit by the two modes of its logarithmic intervals (Pasquale et al. 2010)."""

    rule: Literal["log_isi"] = "log_isi"
    most_isi: PositiveTime = 0.1
    void: Share = 0.7
    min_spikes: AtLeast2 = 3


class Coincidence(Section):
    """Network bursts: at least a share of the active units fires within a window; gaps below `merge` are bridged."""

    rule: Literal["coincidence"] = "coincidence"
    window: PositiveTime = 0.05
    share: Share = 0.25
    min_units: AtLeast2 = 4
    merge: PositiveTime = 0.1


class Pooled(Section):
    """Network bursts: maximal intervals of the pooled spikes, with at least a share of the active units."""

    rule: Literal["pooled"] = "pooled"
    begin_isi: PositiveTime = 0.005
    end_isi: PositiveTime = 0.02
    share: Share = 0.25
    min_units: AtLeast2 = 4


class Overlap(Section):
    """Network bursts: at least a share of the active units is in a burst (max_interval) at the same time."""

    rule: Literal["overlap"] = "overlap"
    share: Share = 0.25
    min_units: AtLeast2 = 4


class Synchrony(Section):
    """Spike time tiling coefficient of pairs whose electrodes are nearer than `within` (Cutts and Eglen 2014)."""

    dt: PositiveTime = 0.1
    within: Length = 300e-6


class AvalancheBins(Section):
    """Avalanches in bins of a width; null for the mean interval of the pooled spikes (Beggs and Plenz 2003)."""

    bin: PositiveTime | None = None


class Measures(Section):
    """Definitions of the panel of spontaneous activity.

    Parameters
    ----------
    active_rate
        Least mean rate at which a unit counts as active.
    bursts
        Bursts of single units.
    network_bursts
        Stretches in which many units fire together.
    """

    active_rate: Rate = 0.01
    bursts: Annotated[MaxInterval | LogIsi, Field(discriminator="rule")] = MaxInterval()
    network_bursts: Annotated[Coincidence | Pooled | Overlap, Field(discriminator="rule")] = Coincidence()
    synchrony: Synchrony = Synchrony()
    avalanches: AvalancheBins = AvalancheBins()
