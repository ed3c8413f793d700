"""Spike-timing-dependent plasticity with nearest-spike traces, without a postsynaptic pathway.

The rule, at every step, for a synapse of magnitude ``w`` (traces jump to 1 at a spike and decay with tau):

    w -= A_minus * s_pre * x_post;   w += A_plus * x_pre * s_post;   w = max(w, 0)

Written like that, every postsynaptic spike walks a *column* of the weight matrix: strided memory, most of the
run time. But between two presynaptic spikes ``w`` only grows, by ``A_plus * sum_s exp(-(s - t_pre) / tau)`` over
the postsynaptic spikes ``s``. With the shared clock ``d = exp(-(t - T0) / tau)`` this sum is ``g_pre * (C_post -
seen)``, where

- ``g = 1 / d`` at a neuron's last spike (so its trace is ``x = g * d``),
- ``C`` sums ``d`` over a neuron's spikes since T0,
- ``seen`` is the synapse's copy of ``C_post`` at its last presynaptic spike. All synapses of a neuron saw the same
  step, so a program that keeps ``C`` of every step since T0, and the step of each neuron's last spike, needs no copies.

So potentiation can wait until the presynaptic neuron fires again, or until a flush. Only rows are walked. Exact
up to rounding; since ``g`` grows as ``exp((t - T0) / tau)``, T0 moves forward at least every `FLUSH_EVERY_TAUS`.
"""

FLUSH_EVERY_TAUS = 5.0

MODEL = """
g : 1
g_before : 1                         # g before a spike of this step
g_relay : 1
g_relay_before : 1
C : 1
C_before : 1
ltp : volt                           # potentiation by a spike of this step
ltd : volt                           # depression by a presynaptic spike in this step
d : 1 (shared)
trace_decay : 1 (shared, constant)   # exp(-dt / tau)
learning : 1 (shared)                # factor on A_plus and A_minus in this presentation, 0: no learning
A_plus : volt (shared, constant)
A_minus : volt (shared, constant)
total : volt                         # sum of incoming weights, of one projection at a time
"""

STEP = """
d = d * trace_decay
g_before = g
g_relay_before = g_relay
C_before = C
"""

SPIKE = """
g = 1 / d
C += d
"""

RELAY = "g_relay = 1 / d"

AFTER_SPIKES = """
ltp = learning * A_plus * fired
ltd = learning * A_minus * g * d
"""

# After a flush T0 is now: d = 1, hence g becomes the trace itself.
MOVE_ORIGIN = """
g = g * d
g_relay = g_relay * d
C = 0
"""
RESTART_CLOCK = "d = 1"

RESET_STATE = """
g = 0
g_relay = 0
C = 0
"""

# The stimulated electrodes carry a presynaptic trace only.
SOURCE_STEP = "g_before = g"
SOURCE_SPIKE = "g = 1 / d"
SOURCE_MOVE_ORIGIN = "g = g * d"
SOURCE_RESET_STATE = "g = 0"

STATIC_SYNAPSE = "w : volt"
PLASTIC_SYNAPSE = """
w : volt
seen : 1
"""
STRENGTH = "strength : volt (shared, constant)"  # sum of a neuron's incoming weights after normalisation

# A neuron whose inputs were all depressed to zero (up to rounding) is not scaled up to its strength.
NORMALISE = "w = w * strength / (total_post + int(total_post <= 1e-6 * strength) * volt)"


def transmit(sign: str) -> str:
    """Code of a presynaptic spike for each of its synapses, without learning.

    Parameters
    ----------
    sign
        ``"+"`` for excitation, ``"-"`` for inhibition; ``w`` is a magnitude in both.
    """
    return f"I_post {sign}= w"


def learn(sign: str, *, relayed: bool) -> str:
    """Code of a presynaptic spike for each of its plastic synapses; with ``learning = 0`` the same as `transmit`.

    Parameters
    ----------
    sign
        As in `transmit`.
    relayed
        Whether the presynaptic spikes come through the one-step relay.
    """
    g = "g_relay_before_pre" if relayed else "g_before_pre"
    # `w + ltp_post` is the weight after this step; its ltp is credited later, through C, as for any other spike.
    return f"""
    w = clip(w + learning_post * A_plus_post * {g} * (C_before_post - seen) - ltd_post, -ltp_post, inf * volt)
    seen = C_before_post
    I_post {sign}= w + ltp_post
    """


def flush(*, relayed: bool) -> str:
    """Code that adds the potentiation still deferred to every synapse."""
    g = "g_relay_pre" if relayed else "g_pre"
    return f"""
    w = clip(w + learning_post * A_plus_post * {g} * (C_post - seen), 0 * volt, inf * volt)
    seen = 0
    """
