"""The culture as a Brian2 network, without parameter values, weights or stimuli.

The engines `runtime` and `cuda` build this same network. They differ in how a spike reaches its synapses (`Route`)
and in what calls the steps between presentations (`CultureNetwork.flush`, `normalise`, `reset`). The program of the
engine `cpp` is written by hand after it (``engines/sources``).

The network can hold several cultures of one shape, not connected to each other. Their parameters are then stored per
neuron; those of a single culture are shared by its neurons, which is faster.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from culture_sim.model import brian  # noqa: F401  before Brian2 itself

# isort: split
import brian2 as b2
import numpy as np
from brian2.equations.codestrings import Expression
from brian2.groups.group import CodeRunner
from brian2.synapses.synapses import SummedVariableUpdater

from culture_sim.model import neurons, plasticity
from culture_sim.model.culture import PROJECTIONS
from culture_sim.model.parameters import Shape, strength_variable


@dataclass(frozen=True)
class Pathway:
    """Code of a presynaptic spike (`event` of the source): `transmit`, and `learn` if the synapses are plastic.

    `learn` includes the transmission and equals `transmit` in a presentation without learning.
    """

    event: str
    transmit: str
    learn: str | None


#: Connects spikes to synapses: (source, target, model, pathway, name) -> Synapses, runners
Route = Callable[[b2.Group, b2.NeuronGroup, str, Pathway, str], tuple[b2.Synapses, list[CodeRunner]]]


@dataclass(frozen=True)
class CultureNetwork:
    """A Brian2 network and the runners to be called between presentations, in order.

    `flush` matters only after learning. `normalise` is idempotent: without learning, once is enough.
    """

    network: b2.Network
    stimulus: b2.SpikeGeneratorGroup
    neurons: b2.NeuronGroup
    synapses: Mapping[str, b2.Synapses]
    monitor: b2.SpikeMonitor
    flush: list[CodeRunner]
    move_origin: list[CodeRunner]
    normalise: list[CodeRunner]
    reset: list[CodeRunner]


def direct(
    source: b2.Group, target: b2.NeuronGroup, model: str, pathway: Pathway, name: str
) -> tuple[b2.Synapses, list[CodeRunner]]:
    """Brian2's ordinary synapses: the route of the runtime engine."""
    on_pre = pathway.learn or pathway.transmit
    synapses = b2.Synapses(source, target, model, on_pre=on_pre, on_event=pathway.event, clock=target.clock, name=name)
    return synapses, []


def build(shape: Shape, route: Route = direct, n_cultures: int | None = None) -> CultureNetwork:
    """Assemble the network. The caller connects the synapses and sets the values.

    Parameters
    ----------
    shape
        The shape of one culture.
    route
        How spikes reach their synapses.
    n_cultures
        Cultures side by side, each with its own parameters; None: one culture, its parameters shared by all neurons.
    """
    b2.prefs.core.default_float_dtype = np.dtype(shape.precision).type
    clock = b2.Clock(dt=shape.dt * b2.second, name="culture_clock")
    cells = _neurons(shape, n_cultures, clock)
    stimulus, on_pulse = _stimulus(shape, n_cultures, cells, clock)
    monitor = b2.SpikeMonitor(cells, name="spikes")
    objects: list[b2.BrianObject] = [cells, stimulus, on_pulse, monitor]
    synapses, flush, normalise = {}, [], []
    for name, is_plastic in zip(PROJECTIONS, shape.plastic, strict=True):
        relayed = name == "inhibitory"
        sign = "-" if relayed else "+"
        projection, runners = route(
            stimulus if name == "electrode" else cells,
            cells,
            _synapse_model(is_plastic, n_cultures),
            Pathway(
                "relay" if relayed else "spike",
                plasticity.transmit(sign),
                plasticity.learn(sign, relayed=relayed) if is_plastic else None,
            ),
            name,
        )
        synapses[name] = projection
        objects += [projection, *runners]
        if is_plastic:
            if n_cultures is not None:
                projection.variables.add_reference(
                    "strength", cells, strength_variable(name), index="_postsynaptic_idx"
                )
            flush.append(_between(projection, plasticity.flush(relayed=relayed), f"flush_{name}"))
            normalise += [_sum_incoming(projection, cells), _between(projection, plasticity.NORMALISE, f"scale_{name}")]
    move_origin = [
        _between(cells, plasticity.MOVE_ORIGIN, "move_origin"),
        _between(stimulus, plasticity.SOURCE_MOVE_ORIGIN, "move_stimulus_origin"),
        _between(cells, plasticity.RESTART_CLOCK, "restart_clock"),
    ]
    reset = [
        _between(cells, neurons.RESET_STATE + plasticity.RESET_STATE, "reset_neurons"),
        _between(stimulus, plasticity.SOURCE_RESET_STATE, "reset_stimulus"),
    ]
    network = b2.Network(objects, name="culture_network")
    network.schedule = ["start", "groups", "thresholds", "resets", "synapses", "end"]
    return CultureNetwork(network, stimulus, cells, synapses, monitor, flush, move_origin, normalise, reset)


def _synapse_model(is_plastic: bool, n_cultures: int | None) -> str:
    if not is_plastic:
        return plasticity.STATIC_SYNAPSE
    return plasticity.PLASTIC_SYNAPSE + (plasticity.STRENGTH if n_cultures is None else "")


def _neurons(shape: Shape, n_cultures: int | None, clock: b2.Clock) -> b2.NeuronGroup:
    model = neurons.MODEL + plasticity.MODEL
    if n_cultures is not None:
        model = model.replace("(shared, constant)", "(constant)").replace("(shared)", "")
        model += "\n".join(f"{strength_variable(name)} : volt (constant)" for name in PROJECTIONS)
    cells = b2.NeuronGroup(
        shape.n_neurons * (n_cultures or 1),
        model,
        threshold=neurons.THRESHOLD,
        reset=neurons.SPIKE + plasticity.SPIKE,
        events={"relay": neurons.RELAY},
        clock=clock,
        name="neurons",
    )
    cells.run_regularly(plasticity.STEP + neurons.STEP, when="groups", clock=clock, name="neuron_step")
    cells.run_on_event("relay", plasticity.RELAY, when="resets")
    cells.run_regularly(plasticity.AFTER_SPIKES, when="after_resets", clock=clock, name="after_spikes")
    return cells


def _stimulus(
    shape: Shape, n_cultures: int | None, cells: b2.NeuronGroup, clock: b2.Clock
) -> tuple[b2.SpikeGeneratorGroup, CodeRunner]:
    """The electrodes as spike sources with a presynaptic trace; Brian2 has no such group."""
    count = shape.n_electrodes * (n_cultures or 1)
    stimulus = b2.SpikeGeneratorGroup(count, [], [] * b2.second, clock=clock, name="stimulus")
    for variable in ("g", "g_before"):
        stimulus.variables.add_array(variable, size=count, dtype=b2.prefs.core.default_float_dtype)
    if n_cultures is None:
        stimulus.variables.add_reference("d", cells)
    else:  # an electrode reads the plasticity clock of its culture from the culture's first neuron
        stimulus.variables.add_array("first_neuron", size=count, dtype=np.int32, constant=True)
        stimulus.variables.add_reference("d", cells, index="first_neuron")
    stimulus.run_regularly(plasticity.SOURCE_STEP, when="groups", clock=clock, name="stimulus_step")
    on_pulse = CodeRunner(
        stimulus,
        "reset",
        code=plasticity.SOURCE_SPIKE,
        clock=clock,
        when="resets",
        name="stimulus_spike",
        needed_variables=["_spikespace"],
        template_kwds={"eventspace_variable": stimulus.variables["_spikespace"]},
    )
    return stimulus, on_pulse


def _between(group: b2.Group, code: str, name: str) -> CodeRunner:
    """Code that an engine calls between presentations; it is not part of the network."""
    return CodeRunner(group, "stateupdate", code=code, clock=group.clock, name=name)


def _sum_incoming(synapses: b2.Synapses, cells: b2.NeuronGroup) -> CodeRunner:
    """Sum every neuron's incoming weights into its ``total``: safe on parallel devices too."""
    return SummedVariableUpdater(Expression("w"), "total_post", synapses, cells, "N_post", "_synaptic_post")
