"""Cultures that controls compare with: the same with something taken away, and integrate-and-fire neurons at random."""

from dataclasses import replace

import numpy as np

from culture_sim.living import LivingCulture
from culture_sim.living.wiring import Synapses
from protocols.spec.dish.living import LivingCulture as LivingSpec
from protocols.spec.random_streams import stream
from protocols.spec.reservoir.section import CULTURES, Reservoir

STRENGTHS = (0.1, 1.5)  # of the synapses of integrate-and-fire neurons, times those of the culture: least and most
BELOW_THRESHOLD = 0.5  # their mean drive, times the threshold: they are silent without a stimulus, as far as noise lets
EVERYWHERE = 1.0  # m, reach of random wiring

PLASTIC = ("culture", "shuffled")  # variants whose synapses change when the protocol says so


def simulated(reservoir: Reservoir) -> list[str]:
    """Names of all that is simulated: the culture, then the controls that need a simulation; one of each setting."""
    cultures = [name for name in CULTURES if name in reservoir.controls]
    settings = [f"lif_{k}" for k in range(reservoir.budget)] if "lif" in reservoir.controls else []
    return ["culture", *cultures, *settings]


def grown(name: str, culture: LivingCulture, reservoir: Reservoir, seed: int) -> LivingCulture:
    """What is simulated by this name, for a culture of a seed."""
    match name:
        case "shuffled":
            return shuffled(culture, seed)
        case "unconnected":
            return unconnected(culture)
        case "culture" | "without_plasticity":
            return culture
    strength = strengths(reservoir.budget)[int(name.removeprefix("lif_"))]
    return LivingCulture.grow(integrate_and_fire(culture.spec, strength), seed)


def shuffled(culture: LivingCulture, seed: int) -> LivingCulture:
    """The culture with random targets: each synapse keeps its presynaptic cell, weight and delay.

    No cell is its own target. Numbers of inputs differ, as they do where wiring is random.
    """
    start, target, weight, delay = culture.synapses
    n, rng = len(culture.positions), np.random.default_rng(stream("reservoir/shuffled", seed))
    source = np.repeat(np.arange(n), np.diff(start))
    other = rng.integers(n - 1, size=len(target))
    other = (other + (other >= source)).astype(target.dtype)
    order = np.lexsort((other, delay, source))
    return replace(culture, synapses=Synapses(start, other[order], weight[order], delay[order]))


def unconnected(culture: LivingCulture) -> LivingCulture:
    """The culture without synapses."""
    spec = culture.spec
    none = Synapses.none(len(culture.positions), np.dtype(spec.simulation.precision))
    return replace(culture, spec=spec.model_copy(update={"synapses": None, "plasticity": None}), synapses=none)


def integrate_and_fire(spec: LivingSpec, strength: float) -> LivingSpec:
    """As many leaky integrate-and-fire neurons as a culture has, wired at random, whatever their distance.

    They have fast synapses without depression, no adaptation, no plasticity, no shared noise, and a drive below the
    threshold; electrodes stimulate and hear them as they do the culture's.

    Parameters
    ----------
    spec
        The culture.
    strength
        Of the synapses, times that of the culture's rested ones.
    """
    synapses, depression, noise = spec.synapses, spec.depression, spec.neurons.noise
    assert synapses is not None  # noqa: S101  (checked by the specification)
    rested = strength * (depression.U if depression else 1)
    neurons = spec.neurons.model_copy(
        update={
            "drive": spec.neurons.drive.model_copy(update={"mean": BELOW_THRESHOLD * spec.neurons.threshold}),
            "noise": noise and noise.model_copy(update={"shared": 0.0}),
        }
    )
    wiring = {
        "excitatory": synapses.excitatory * rested,
        "inhibitory": synapses.inhibitory * rested,
        "reach": EVERYWHERE,
        "inhibitory_reach": EVERYWHERE,
        "nmda": None,
    }
    return spec.model_copy(
        update={
            "neurons": neurons,
            "synapses": synapses.model_copy(update=wiring),
            "depression": None,
            "adaptation": None,
            "plasticity": None,
        }
    )


def strengths(budget: int) -> list[float]:
    """Strengths of integrate-and-fire synapses to try, evenly spread on a logarithmic scale."""
    return [float(value) for value in np.geomspace(*STRENGTHS, budget)]
