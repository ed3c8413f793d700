"""The network of Diehl and Cook (2015) as Brian2 code: the readable definition, which both engines follow.

Conductances are in units of a neuron's leak conductance, voltages in V. One time step t is, in this order:

1. Decay: conductances and traces; while the network learns, also theta, the adaptive part of the thresholds.
2. Arrivals of the spikes of step t - 1. Input spikes excite the excitatory neurons by gain * w; while the network
   learns, then w -= A_minus y_1 (y_1: fast trace of the target), not below 0. Excitatory spikes excite the inhibitory
   neuron of the same number; inhibitory spikes inhibit all excitatory neurons but that one.
3. Membranes: tau dv/dt = (v_rest - v) + g_e (E_e - v) + g_i (E_i - v), E_e = 0, by the linearly implicit Euler method,
   which is stable for any conductance. Refractory neurons are held at reset instead.
4. Spikes: v > v_threshold + theta of the excitatory neurons, v > v_threshold of the inhibitory ones; a Poisson input
   fires with probability rate * dt.
5. While the network learns, the inputs of the excitatory neurons that fired: w += A_plus x y_2 (x: trace of the input,
   y_2: slow trace of the neuron), not above 1; and their theta rises.
6. Traces of all neurons that fired are set to 1, their potential to reset.

An image is shown, then, while the network learns, follows rest without input spikes. At the start all variables but w
and theta are set to rest, which the published rest of 150 ms is for; before it, while the network learns, the weights
of each neuron are scaled to their sum. If fewer than `fewest_spikes` came while the image was shown, it is shown again
at a higher rate.

Equations and constants: the paper's section 2 and the authors' program (peter-u-diehl/stdp-mnist), which uses the
triplet rule. Differences from the program: no random delays of 0 to 10 ms of the input synapses; the exact state at the
start of a presentation (above); the integration method.
"""

from typing import NamedTuple, Self

import numpy as np

from protocols.spec.nets.spiking import SpikingNetwork

THETA_START = 20e-3  # V; a neuron that never fires becomes more excitable as it decays


class Membrane(NamedTuple):
    """Constants of a population: times in s, potentials in V."""

    decay: float
    rest: float
    reset: float
    threshold: float
    inhibitory_reversal: float
    refractory: float


EXCITATORY = Membrane(100e-3, -65e-3, -65e-3, -72e-3, -100e-3, 5e-3)  # the threshold starts at -72 + 20 mV
INHIBITORY = Membrane(10e-3, -60e-3, -45e-3, -40e-3, -85e-3, 2e-3)
EXCITATION_DECAY, INHIBITION_DECAY = 1e-3, 2e-3  # s, of the conductances


class Constants(NamedTuple):
    """Numbers of one time step; the order is that of the compiled program."""

    excitation_decay: float
    inhibition_decay: float
    e_step: float  # dt / tau of the excitatory neurons
    e_rest: float
    e_reset: float
    e_threshold: float
    e_reversal: float
    e_refractory: float  # steps
    i_step: float
    i_rest: float
    i_reset: float
    i_threshold: float
    i_reversal: float
    i_refractory: float
    theta_decay: float
    theta_increase: float
    x_decay: float
    y1_decay: float
    y2_decay: float
    A_plus: float
    A_minus: float
    w_ei: float  # onto an inhibitory neuron
    w_ie: float  # of an inhibitory neuron
    gain: float
    weight_sum: float  # of a neuron's weights
    rate: float  # of a white pixel, Hz
    raise_by: float
    dt: float

    @classmethod
    def of(cls, spec: SpikingNetwork, gain: float) -> Self:
        """The constants of a spec."""
        dt, shown, stdp = spec.dt, spec.presentation, spec.plasticity
        populations = {
            f"{name}_{key}": value
            for name, cell in (("e", EXCITATORY), ("i", INHIBITORY))
            for key, value in {
                "step": dt / cell.decay,
                "rest": cell.rest,
                "reset": cell.reset,
                "threshold": cell.threshold,
                "reversal": cell.inhibitory_reversal,
                "refractory": round(cell.refractory / dt),
            }.items()
        }
        values = {
            "excitation_decay": np.exp(-dt / EXCITATION_DECAY),
            "inhibition_decay": np.exp(-dt / INHIBITION_DECAY),
            **populations,
            "theta_decay": np.exp(-dt / spec.threshold.decay),
            "theta_increase": spec.threshold.increase,
            "x_decay": np.exp(-dt / stdp.input_decay),
            "y1_decay": np.exp(-dt / stdp.output_decay),
            "y2_decay": np.exp(-dt / stdp.slow_output_decay),
            "A_plus": stdp.A_plus,
            "A_minus": stdp.A_minus,
            "w_ei": spec.excitation,
            "w_ie": spec.inhibition,
            "gain": gain,
            "weight_sum": spec.input_sum / gain,
            "rate": shown.rate,
            "raise_by": shown.raise_by,
            "dt": dt,
        }
        return cls(**{name: float(value) for name, value in values.items()})


INPUT = """
x : 1                      # trace
probability : 1            # of a spike in this step
"""
INPUT_DECAY = "x = x * x_decay"
INPUT_SPIKE = "x = 1"

NEURON = """
v : 1
ge : 1
gi : 1
excitation : 1             # conductances that arrive in this step
inhibition : 1
refractory_left : integer
held : boolean
"""
DECAY = """
ge = ge * excitation_decay
gi = gi * inhibition_decay
excitation = 0
inhibition = 0
"""
MEMBRANE = """
ge = ge + {gain} * excitation
gi = gi + inhibition
held = refractory_left > 0
moved = (v + {p}_step * ({p}_rest + gi * {p}_reversal)) / (1 + {p}_step * (1 + ge + gi))
v = int(held) * {p}_reset + int(not held) * moved
refractory_left = clip(refractory_left - 1, 0, inf)
"""

EXCITATORY_NEURON = f"""
{NEURON}
theta : 1
y1 : 1                     # traces
y2 : 1
learning : 1 (shared)      # factor on the plasticity
"""
EXCITATORY_DECAY = f"""
{DECAY}
y1 = y1 * y1_decay
y2 = y2 * y2_decay
theta = int(learning > 0) * (theta * theta_decay) + int(learning == 0) * theta
"""
EXCITATORY_SPIKE = """
v = e_reset
refractory_left = e_refractory
theta = theta + int(learning > 0) * theta_increase
y1 = 1
y2 = 1
"""
INHIBITORY_SPIKE = """
v = i_reset
refractory_left = i_refractory
"""

ON_ARRIVAL = """
excitation_post += w
depressed = clip(w - (learning_post * A_minus) * y1_post, 0, inf)
w = int(learning_post > 0) * depressed + int(learning_post == 0) * w
"""
ON_TARGET_SPIKE = """
potentiated = clip(w + (learning_post * A_plus) * (x_pre * y2_post), -inf, 1)
w = int(learning_post > 0) * potentiated + int(learning_post == 0) * w
"""
