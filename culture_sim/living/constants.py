"""What one time step needs of the parameters: decay factors and gains.

An ingredient that is left out has neutral values, with which its equations change nothing.
"""

from typing import NamedTuple

import numpy as np

from protocols.spec.dish.living import LivingCulture as LivingSpec


class Constants(NamedTuple):
    """Constants of a culture's time step; potentials in volts. The compiled program reads them in this order.

    ``*_decay`` is exp(-dt / tau). A gain turns the charge that arrives (V, the jump that it would cause at once) into
    the current's potential, so that the steps' contributions to the membrane sum up to the charge.
    """

    threshold: float
    reset: float
    refractory: float  # steps
    membrane_decay: float
    noise: float  # jump per step of a standard number
    shared_decay: float
    shared_renewal: float  # sqrt(1 - shared_decay^2): the shared noise keeps variance 1
    shared_noise: float  # input per unit of shared noise
    ampa_decay: float
    ampa_gain: float
    nmda_decay: float
    nmda_gain: float
    gaba_decay: float
    gaba_gain: float
    adaptation_decay: float
    adaptation_step: float
    U: float
    recovery_decay: float
    facilitation_decay: float
    depressing_inhibition: float  # 0 or 1
    A_plus: float
    A_minus: float
    heterosynaptic: float
    trace_decay: float
    bound: float
    scale_growth: float  # of the homeostatic factor, per step
    scale_loss: float  # of the homeostatic factor, per spike
    scale_most: float

    @classmethod
    def of(cls, spec: LivingSpec) -> "Constants":
        """The constants of a spec."""
        neurons, dt = spec.neurons, spec.simulation.dt
        leak = np.exp(-dt / neurons.membrane)
        values: dict[str, float] = {
            "threshold": neurons.threshold,
            "reset": neurons.reset,
            "refractory": spec.steps(neurons.refractory),
            "membrane_decay": leak,
            **_noise(spec, leak),
            **_currents(spec, leak),
            **_short_term(spec),
            **_plasticity(spec),
        }
        return cls(**{name: float(value) for name, value in values.items()})


def _noise(spec: LivingSpec, leak: float) -> dict[str, float]:
    """Amplitudes that give the membrane the asked standard deviations.

    White noise of jumps s: variance s^2 / (1 - E^2), where E is the membrane's decay factor. An input K z, where z has
    variance 1 and autocorrelation c^k: variance K^2 (1 - E)^2 (1 + E c) / ((1 - E^2) (1 - E c)).
    """
    noise, dt = spec.neurons.noise, spec.simulation.dt
    if noise is None:
        return {"noise": 0, "shared_decay": 0, "shared_renewal": 0, "shared_noise": 0}
    c = np.exp(-dt / noise.shared_decay)
    per_unit = (1 - leak) * np.sqrt((1 + leak * c) / ((1 - leak**2) * (1 - leak * c)))
    return {
        "noise": noise.private * np.sqrt(1 - leak**2),
        "shared_decay": c if noise.shared else 0,
        "shared_renewal": np.sqrt(1 - c**2) if noise.shared else 0,
        "shared_noise": noise.shared / per_unit,
    }


def _currents(spec: LivingSpec, leak: float) -> dict[str, float]:
    """An arriving charge w adds gain w; it contributes (1 - E) gain w (1 + e + e^2 + ...) = w to the membrane."""
    synapses, dt = spec.synapses, spec.simulation.dt
    nmda = synapses.nmda if synapses else None
    taus = {
        "ampa": (synapses.ampa if synapses else None, 1 - (nmda.share if nmda else 0)),
        "nmda": (nmda.decay if nmda else None, nmda.share if nmda else 0),
        "gaba": (synapses.gaba if synapses else None, 1),
    }
    values = {}
    for name, (tau, share) in taus.items():
        decay = np.exp(-dt / tau) if tau else 0
        values[f"{name}_decay"] = decay
        values[f"{name}_gain"] = share * (1 - decay) / (1 - leak) if tau else 0
    return values


def _short_term(spec: LivingSpec) -> dict[str, float]:
    """Depression and facilitation of the outputs, and adaptation.

    Without depression every spike releases all resources (U = 1), which are back a step later.
    """
    depression, adaptation, dt = spec.depression, spec.adaptation, spec.simulation.dt
    facilitation = depression.facilitation if depression else None
    return {
        "U": depression.U if depression else 1,
        "recovery_decay": np.exp(-dt / depression.recovery) if depression else 0,
        "facilitation_decay": np.exp(-dt / facilitation) if facilitation else 0,
        "depressing_inhibition": bool(depression and depression.inhibitory),
        "adaptation_decay": np.exp(-dt / adaptation.decay) if adaptation else 0,
        "adaptation_step": adaptation.step if adaptation else 0,
    }


def _plasticity(spec: LivingSpec) -> dict[str, float]:
    """STDP and homeostasis: with growth g per step and loss l per spike, ln h is steady where rate = target."""
    plasticity, dt = spec.plasticity, spec.simulation.dt
    homeostasis = plasticity.homeostasis if plasticity else None
    return {
        "A_plus": plasticity.A_plus if plasticity else 0,
        "A_minus": plasticity.A_minus if plasticity else 0,
        "heterosynaptic": plasticity.heterosynaptic if plasticity else 0,
        "trace_decay": np.exp(-dt / plasticity.trace_decay) if plasticity else 0,
        "bound": plasticity.bound * spec.synapses.excitatory if plasticity and spec.synapses else 0,
        "scale_growth": np.exp(dt / homeostasis.decay) if homeostasis else 1,
        "scale_loss": np.exp(-1 / (homeostasis.target * homeostasis.decay)) if homeostasis else 1,
        "scale_most": homeostasis.most if homeostasis else 1,
    }
