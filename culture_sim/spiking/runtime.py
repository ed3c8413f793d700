"""The readable engine: the equations in Brian2, with NumPy code generation; slow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from culture_sim.model import brian

# isort: split
import brian2 as b2
import numpy as np

from culture_sim.living.noise import GOLDEN, mix
from culture_sim.spiking import equations
from culture_sim.spiking.equations import Constants
from culture_sim.spiking.network import Presentations, Responses, Weights, gain, scaled
from protocols.spec.nets.spiking import SpikingNetwork

AT_REST = ("ge", "gi", "refractory_left")  # variables of the neurons that are 0 there
MOST_STEPS = 2**31 - 1


def run(
    spec: SpikingNetwork,
    weights: Weights,
    presentations: Presentations,
    progress: Callable[[int], None],
    *,
    spikes: bool,
) -> Responses:
    """Build the network in this process and run it."""
    if not len(presentations):
        none = np.zeros(0, np.int32)
        return Responses(np.zeros((0, spec.neurons), np.int32), none, none, none, weights)
    with brian.LOCK, _preferences():
        network = Network(spec, weights)
        conductor = _Conductor(network, spec, presentations, progress)
        network.network.add(conductor.begin, conductor.end)
        network.network.run(MOST_STEPS * spec.dt * b2.second, namespace={})  # the conductor stops it
        step = np.rint(np.asarray(network.monitor.t_[:]) / spec.dt).astype(np.int32)
        neuron = np.asarray(network.monitor.i[:], np.int32)
        return Responses(
            np.stack(conductor.counts),
            np.array(conductor.attempts, np.int32),
            step if spikes else step[:0],
            neuron if spikes else neuron[:0],
            network.weights(),
        )


@contextmanager
def _preferences() -> Iterator[None]:
    """Brian2's preferences for a run; sums stay in the order in which they are written."""
    b2.set_device("runtime")
    b2.prefs.codegen.target = "numpy"
    b2.prefs.core.default_float_dtype = np.float64
    b2.prefs.core.stop_on_keyboard_interrupt = False  # else an interrupted run ends early, as if it were whole
    before = b2.prefs.codegen.loop_invariant_optimisations
    b2.prefs.codegen.loop_invariant_optimisations = False
    try:
        yield
    finally:
        b2.prefs.codegen.loop_invariant_optimisations = before


class Network:
    """The equations as a Brian2 network."""

    def __init__(self, spec: SpikingNetwork, weights: Weights) -> None:
        self.shape = n_inputs, n = weights.inputs.shape
        constants: dict[str, Any] = Constants.of(spec, gain(n_inputs))._asdict()
        constants |= {name: round(constants[name]) for name in ("e_refractory", "i_refractory")}
        self.clock = b2.Clock(dt=spec.dt * b2.second, name="spiking_clock")
        self.shared = {"clock": self.clock, "namespace": constants}
        self.key = np.zeros(1, np.uint64)  # of the spike trains of this step
        self.inputs = self._inputs(n_inputs)
        self.excitatory = self._neurons(n, "excitatory", "v > e_threshold + theta", gain="gain")
        self.inhibitory = self._neurons(n, "inhibitory", "v > i_threshold", gain="1")
        self.synapses = self._input_synapses()
        lateral = self._lateral()
        self.monitor = b2.SpikeMonitor(self.excitatory, name="spiking_monitor")
        self.order = np.asarray(self.synapses.i[:]), np.asarray(self.synapses.j[:])
        self.set_inputs(weights.inputs)
        self.excitatory.variables["theta"].set_value(weights.theta)
        groups = (self.inputs, self.excitatory, self.inhibitory, self.synapses, *lateral, self.monitor)
        self.network = b2.Network(*groups, name="spiking_network")
        self.network.schedule = ["start", "synapses", "groups", "thresholds", "resets", "end"]

    def _inputs(self, n: int) -> b2.NeuronGroup:
        def uniform(i: np.ndarray) -> np.ndarray:
            """Numbers from 0 to below 1, one for each input."""
            with np.errstate(over="ignore"):
                z = mix(self.key + GOLDEN * (np.asarray(i).astype(np.uint64) + np.uint64(1)))
            return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53

        drawn = b2.Function(uniform, arg_units=[1], return_unit=1, stateless=False)
        inputs = b2.NeuronGroup(
            n,
            equations.INPUT,
            threshold="uniform(i) < probability",
            reset=equations.INPUT_SPIKE,
            clock=self.clock,
            namespace=self.shared["namespace"] | {"uniform": drawn},
            name="spiking_inputs",
        )
        inputs.run_regularly(equations.INPUT_DECAY, when="start", order=1, clock=self.clock, name="spiking_input_decay")
        return inputs

    def _neurons(self, n: int, name: str, threshold: str, gain: str) -> b2.NeuronGroup:
        excitatory = name == "excitatory"
        neurons = b2.NeuronGroup(
            n,
            equations.EXCITATORY_NEURON if excitatory else equations.NEURON,
            threshold=threshold,
            reset=equations.EXCITATORY_SPIKE if excitatory else equations.INHIBITORY_SPIKE,
            name=f"spiking_{name}",
            **self.shared,
        )
        decay = equations.EXCITATORY_DECAY if excitatory else equations.DECAY
        membrane = equations.MEMBRANE.format(gain=gain, p=name[0])
        neurons.run_regularly(decay, when="start", order=1, clock=self.clock, name=f"spiking_{name}_decay")
        neurons.run_regularly(membrane, when="groups", clock=self.clock, name=f"spiking_{name}_membrane")
        return neurons

    def _input_synapses(self) -> b2.Synapses:
        synapses = b2.Synapses(
            self.inputs,
            self.excitatory,
            "w : 1",
            on_pre=equations.ON_ARRIVAL,
            on_post=equations.ON_TARGET_SPIKE,
            name="spiking_input_synapses",
            **self.shared,
        )
        synapses.connect()
        synapses.post.when = "before_resets"  # sees the traces before this spike
        return synapses

    def _lateral(self) -> tuple[b2.Synapses, b2.Synapses]:
        """Synapses onto the inhibitory neurons, and of these onto all excitatory neurons but their own."""
        onto = b2.Synapses(
            self.excitatory, self.inhibitory, on_pre="excitation_post += w_ei", name="spiking_onto", **self.shared
        )
        onto.connect(j="i")
        back = b2.Synapses(
            self.inhibitory, self.excitatory, on_pre="inhibition_post += w_ie", name="spiking_back", **self.shared
        )
        back.connect(condition="i != j")
        return onto, back

    def set_inputs(self, inputs: np.ndarray) -> None:
        """Set the weights of the input synapses, shape (n_inputs, n_neurons)."""
        self.synapses.variables["w"].set_value(inputs[self.order])

    def weights(self) -> Weights:
        """Weights and thresholds as they are now."""
        inputs = np.empty(self.shape)
        inputs[self.order] = self.synapses.variables["w"].get_value()
        return Weights(inputs, np.array(self.excitatory.variables["theta"].get_value()))

    def to_rest(self) -> None:
        """Set all but weights and thresholds to rest, without spikes on their way."""
        for group, cell in ((self.excitatory, equations.EXCITATORY), (self.inhibitory, equations.INHIBITORY)):
            group.variables["v"].set_value(cell.rest)
            for name in AT_REST:
                group.variables[name].set_value(0)
        for group, name in ((self.inputs, "x"), (self.excitatory, "y1"), (self.excitatory, "y2")):
            group.variables[name].set_value(0.0)
        for group in (self.inputs, self.excitatory, self.inhibitory):
            group.variables["_spikespace"].get_value()[-1] = 0


class _Conductor:
    """Shows the images, again where the network hardly responds, and stops the run after the last."""

    def __init__(
        self, network: Network, spec: SpikingNetwork, presentations: Presentations, progress: Callable[[int], None]
    ) -> None:
        self.network, self.spec, self.presentations, self.progress = network, spec, presentations, progress
        self.n_shown = round(spec.presentation.duration / spec.dt)
        self.n_rest = round(spec.presentation.rest / spec.dt)
        self.step = self.attempt = 0
        self.counts: list[np.ndarray] = []
        self.attempts: list[int] = []
        self.count = np.zeros(spec.neurons, np.int32)
        operation = {"clock": network.clock, "order": 0}
        self.begin = b2.NetworkOperation(self._begin, when="start", name="spiking_begin", **operation)
        self.end = b2.NetworkOperation(self._end, when="end", name="spiking_end", **operation)

    def _begin(self) -> None:
        if self.step == 0:
            self._begin_attempt()
        if self.step == self.n_shown:
            self.network.inputs.variables["probability"].set_value(0.0)
        with np.errstate(over="ignore"):
            self.network.key[:] = mix(self.key + GOLDEN * np.uint64(self.step + 1))

    def _begin_attempt(self) -> None:
        index, shown = len(self.counts), self.spec.presentation
        learning = float(self.presentations.learning[index])
        if learning > 0:
            self.network.set_inputs(scaled(self.network.weights().inputs, self.spec))
        self.network.to_rest()
        self.network.excitatory.variables["learning"].set_value(learning)
        rate = shown.rate + self.attempt * shown.raise_by
        probability = self.presentations.images[index].astype(np.float64) * (rate * self.spec.dt)
        self.network.inputs.variables["probability"].set_value(probability)
        with np.errstate(over="ignore"):
            self.key = mix(self.presentations.keys[index : index + 1] + GOLDEN * np.uint64(self.attempt + 1))
        self.count = np.zeros(self.spec.neurons, np.int32)

    def _end(self) -> None:
        if self.step < self.n_shown:
            space = self.network.excitatory.variables["_spikespace"].get_value()
            self.count[space[: space[-1]]] += 1
        self.step += 1
        learning = self.presentations.learning[len(self.counts)] > 0
        if self.step < self.n_shown + (self.n_rest if learning else 0):
            return
        self.step, self.attempt = 0, self.attempt + 1
        shown = self.spec.presentation
        if self.count.sum() >= shown.fewest_spikes or self.attempt == shown.attempts:
            self.counts.append(self.count)
            self.attempts.append(self.attempt)
            self.attempt = 0
            self.progress(len(self.counts))
            if len(self.counts) == len(self.presentations):
                self.network.network.stop()
