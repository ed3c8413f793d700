"""A living culture as small blocks of Brian2 equations, of which each can be left out: the readable definition.

Potentials are relative to rest. One time step t is, in this order:

1. Decay: adaptation, used resources, release probability u, currents; the shared noise is renewed. While synapses
   learn, the homeostatic factor `scale` grows.
2. Arrivals: spikes fired `delay` steps ago reach their targets. Each transmits w times the share of resources that it
   released when it was fired; then w -= A_minus w exp(-t / tau), t the time since the target's last spike.
3. Membrane: v = E v + (1 - E) input + noise, with E = exp(-dt / tau); refractory cells are held at reset instead.
4. Spikes: where v reaches the threshold, or stimulation hits a cell that is not held. Reset, refractory time,
   adaptation.
5. Release: u += U (1 - u), released = u (1 - used), used += released (Tsodyks and Markram 1997, PNAS 94:719; Markram,
   Wang and Tsodyks 1998, PNAS 95:5323).
6. Learning of the cells that fired: w += A_plus (bound - w) exp(-t / tau) - heterosynaptic w of their inputs, t the
   time since the last arrival (pairs of nearest spikes; soft bounds as in van Rossum, Bi and Turrigiano 2000, J
   Neurosci 20:8812; the loss at every postsynaptic spike as in Kempter, Gerstner and van Hemmen 1999, Phys Rev E
   59:4498); `scale` falls (multiplicative scaling, Turrigiano et al. 1998, Nature 391:892).

All engines, and the reference of the tests, follow it. An arrival and a spike of its target in one step count as cause
and effect: t = 0 for potentiation, no depression.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from protocols.spec.dish.living import LivingCulture as LivingSpec


@dataclass(frozen=True)
class Block:
    """One ingredient: Brian2 code that it adds to the parts of a step.

    Parameters
    ----------
    variables
        Declarations of the neurons.
    decay, charge, spike
        Statements of the neurons: at the start of a step, after the arrivals, and of the cells that fire.
    input, jump
        Terms of the membrane's input, and of its jump in this step.
    synapse
        Declarations of the synapses of one sign.
    on_arrival, on_target_spike
        Statements of those synapses.
    """

    variables: str = ""
    decay: str = ""
    charge: str = ""
    input: str = ""
    jump: str = ""
    spike: str = ""
    synapse: str = ""
    on_arrival: str = ""
    on_target_spike: str = ""


MEMBRANE = Block(
    variables="""
    v : volt
    v_threshold : volt (shared, constant)
    v_reset : volt (shared, constant)
    membrane_decay : 1 (shared, constant)    # E = exp(-dt / tau)
    refractory_steps : integer (shared, constant)
    refractory_left : integer
    held : boolean
    hit : boolean                            # by a stimulation pulse of this step
    direct : boolean                         # made to fire by it
    drive : volt (constant)
    step : integer (shared)                  # of the culture's life
    """,
    input="drive",
    spike="""
    v = v_reset
    refractory_left = refractory_steps
    """,
)

PRIVATE_NOISE = Block(
    variables="noise : volt (shared, constant)",
    jump="noise * standard_noise(i, step)",
)

SHARED_NOISE = Block(
    variables="""
    shared : 1 (shared)                      # variance 1
    shared_decay : 1 (shared, constant)
    shared_renewal : 1 (shared, constant)    # sqrt(1 - shared_decay**2)
    shared_noise : volt (shared, constant)
    """,
    decay="shared = shared_decay * shared + shared_renewal * standard_shared_noise(step)",
    input="shared_noise * shared",
)

ADAPTATION = Block(
    variables="""
    adaptation : volt
    adaptation_decay : 1 (shared, constant)
    adaptation_step : volt (shared, constant)
    """,
    decay="adaptation = adaptation * adaptation_decay",
    input="-adaptation",
    spike="adaptation = adaptation + adaptation_step",
)

EXCITATION = Block(
    variables="""
    excitation : volt                        # charge that arrives in this step
    scale : 1                                # homeostatic factor on it, else 1
    ampa : volt
    ampa_decay : 1 (shared, constant)
    ampa_gain : 1 (shared, constant)
    """,
    decay="""
    ampa = ampa * ampa_decay
    excitation = 0 * volt
    """,
    charge="ampa = ampa + ampa_gain * (scale * excitation)",
    input="ampa",
    synapse="w : volt",
    on_arrival="excitation_post += w * released",
)

NMDA = Block(
    variables="""
    nmda : volt
    nmda_decay : 1 (shared, constant)
    nmda_gain : 1 (shared, constant)
    """,
    decay="nmda = nmda * nmda_decay",
    charge="nmda = nmda + nmda_gain * (scale * excitation)",
    input="nmda",
)

INHIBITION = Block(
    variables="""
    inhibition : volt
    gaba : volt
    gaba_decay : 1 (shared, constant)
    gaba_gain : 1 (shared, constant)
    """,
    decay="""
    gaba = gaba * gaba_decay
    inhibition = 0 * volt
    """,
    charge="gaba = gaba + gaba_gain * inhibition",
    input="-gaba",
    synapse="w : volt",
    on_arrival="inhibition_post += w * released",
)

DEPRESSION = Block(
    variables="""
    used : 1                                 # share of the resources
    released : 1                             # share released by a spike of this step
    depresses : 1 (constant)                 # 0 or 1
    u : 1
    U : 1 (shared, constant)
    recovery_decay : 1 (shared, constant)
    facilitation_decay : 1 (shared, constant)  # 0: u is U at every spike
    """,
    decay="""
    used = used * recovery_decay
    u = u * facilitation_decay
    """,
    spike="""
    u = u + U * (1 - u)
    released = depresses * u * (1 - used) + (1 - depresses)
    used = used + depresses * released
    """,
)

STDP = Block(
    variables="""
    last_spike : 1                           # step
    learning : 1 (shared)                    # 0 or 1
    trace_decay : 1 (shared, constant)
    A_plus : 1 (shared, constant)
    A_minus : 1 (shared, constant)
    heterosynaptic : 1 (shared, constant)
    bound : volt (shared, constant)
    """,
    spike="last_spike = step",
    synapse="last_arrival : 1                # step",
    on_arrival="""
    w = w - learning_post * A_minus_post * w * trace_decay_post ** (step_post - last_spike_post)
    last_arrival = step_post
    """,
    on_target_spike="""
    x = trace_decay_post ** (step_post - last_arrival)
    w = w + learning_post * (A_plus_post * (bound_post - w) * x - heterosynaptic_post * w)
    """,
)

HOMEOSTASIS = Block(
    variables="""
    scale_growth : 1 (shared, constant)
    scale_loss : 1 (shared, constant)
    scale_most : 1 (shared, constant)
    """,
    decay="scale = clip(scale * scale_growth ** learning, 1 / scale_most, scale_most)",
    spike="scale = clip(scale * scale_loss ** learning, 1 / scale_most, scale_most)",
)


@dataclass(frozen=True)
class Equations:
    """Brian2 code of a culture's neurons and of its synapses of each sign.

    Functions used: ``standard_noise(i, step)``, ``standard_shared_noise(step)``, and ``released_at(i, step)``, the
    share of the resources that cell i released with a spike of an earlier step.
    """

    variables: str
    decay: str
    membrane: str
    spike: str
    excitatory: Block
    inhibitory: Block

    @classmethod
    def of(cls, spec: LivingSpec) -> "Equations":
        """The equations of a spec, without the ingredients that it leaves out."""
        noise, synapses, plasticity = spec.neurons.noise, spec.synapses, spec.plasticity
        excitatory = [EXCITATION]
        if plasticity is not None:
            excitatory.append(STDP)
        chosen = [MEMBRANE]
        chosen += [PRIVATE_NOISE] if noise is not None and noise.private else []
        chosen += [SHARED_NOISE] if noise is not None and noise.shared else []
        chosen += [ADAPTATION] if spec.adaptation is not None else []
        chosen += [DEPRESSION] if spec.depression is not None else []
        if synapses is not None:
            chosen += [*excitatory, INHIBITION]
            chosen += [NMDA] if synapses.nmda is not None else []
            chosen += [HOMEOSTASIS] if plasticity is not None and plasticity.homeostasis is not None else []
        whole = _joined(chosen)
        step = f"""
        held = refractory_left > 0
        v = int(held) * v_reset + int(not held) * ({_membrane(chosen)})
        refractory_left = clip(refractory_left - 1, 0, inf)
        direct = hit and not held
        """
        released = "1" if spec.depression is None else "released_at(i, step_post - delay_steps)"
        return cls(
            variables=whole.variables,
            decay=whole.decay,
            membrane=whole.charge + step,
            spike=whole.spike,
            excitatory=_transmitting(_joined(excitatory), released),
            inhibitory=_transmitting(INHIBITION, released),
        )


def _joined(blocks: Iterable[Block]) -> Block:
    """One block with the code of all, in their order."""
    blocks = list(blocks)
    return Block(**{part.name: "\n".join(getattr(block, part.name) for block in blocks) for part in fields(Block)})


def _membrane(blocks: Iterable[Block]) -> str:
    """The membrane potential after a step."""
    blocks = list(blocks)
    inputs = " + ".join(f"({block.input})" for block in blocks if block.input)
    jumps = "".join(f" + {block.jump}" for block in blocks if block.jump)
    return f"membrane_decay * v + (1 - membrane_decay) * ({inputs}){jumps}"


def _transmitting(block: Block, released: str) -> Block:
    """The block with the released share of resources filled in."""
    return replace(
        block,
        synapse=block.synapse + "\ndelay_steps : integer (constant)",
        on_arrival=block.on_arrival.replace("released", released),
    )
