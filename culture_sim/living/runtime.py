"""The readable engine: the equations in Brian2, with NumPy code generation; slow."""

from collections.abc import Callable
from dataclasses import replace

from culture_sim.model import brian

# isort: split
import brian2 as b2
import numpy as np

from culture_sim.living.constants import Constants
from culture_sim.living.culture import LivingCulture
from culture_sim.living.equations import Block, Equations
from culture_sim.living.noise import standard_noise
from culture_sim.living.pulses import Pulses
from culture_sim.living.recording import LivingRecording, LivingState
from culture_sim.living.session import LivingSession

#: Variables of the neurons that are part of the state, each only where its ingredient is there.
CARRIED = ("v", "ampa", "nmda", "gaba", "adaptation", "used", "u", "scale")


def run(
    culture: LivingCulture, session: LivingSession, state: LivingState, progress: Callable[[int, int], None]
) -> LivingRecording:
    """Build the network in this process and run it."""
    with brian.LOCK:
        set_up(culture)
        network = Network(culture, state)
        conductor = _Conductor(network, culture, session, state, progress)
        network.network.add(conductor.begin, conductor.end)
        network.network.run(0 * b2.second, namespace={})
        network.replay(state)
        network.network.run(session.n_steps * culture.spec.simulation.dt * b2.second, namespace={})
        step = np.rint(np.asarray(network.monitor.t_[:]) / culture.spec.simulation.dt).astype(np.int32)
        return LivingRecording(
            dt=culture.spec.simulation.dt,
            session=session,
            neuron=np.asarray(network.monitor.i[:], np.int32),
            step=step,
            direct=np.asarray(network.monitor.direct[:], bool),
            state=network.state(state, step),
            snapshots=conductor.snapshots,
        )


def set_up(culture: LivingCulture) -> None:
    """Set Brian2's device and preferences for this culture."""
    b2.set_device("runtime")
    b2.prefs.codegen.target = "numpy"
    b2.prefs.core.default_float_dtype = np.dtype(culture.spec.simulation.precision).type
    b2.prefs.core.stop_on_keyboard_interrupt = False  # else an interrupted run ends early, as if it were whole


class Network:
    """A culture as a Brian2 network, at a state.

    Parameters
    ----------
    culture
        The grown culture.
    state
        Where to begin.
    """

    def __init__(self, culture: LivingCulture, state: LivingState) -> None:
        spec = culture.spec
        self.culture, equations = culture, Equations.of(spec)
        self.clock = b2.Clock(dt=spec.simulation.dt * b2.second, name="living_clock")
        self.max_delay = int(max(culture.synapses.delay, default=1))
        self.released = np.ones((self.max_delay + 1, len(culture.positions)))  # of the last steps, step modulo length
        self.neurons = self._neurons(equations)
        self.monitor = b2.SpikeMonitor(self.neurons, variables="direct", name="living_spikes")
        self.synapses = {
            sign: self._synapses(name, block, state)
            for sign, name, block in (
                (True, "living_excitatory", equations.excitatory),
                (False, "living_inhibitory", equations.inhibitory),
            )
            if np.any(self._of_sign(sign))
        }
        self._set_values(state)
        self.network = b2.Network(self.neurons, self.monitor, *self.synapses.values(), name="living_network")
        self.network.schedule = ["start", "synapses", "groups", "thresholds", "resets", "end"]

    def _neurons(self, equations: Equations) -> b2.NeuronGroup:
        culture = self.culture

        def private(i: np.ndarray, step: int) -> np.ndarray:
            return standard_noise(culture.noise_seed, int(step), np.asarray(i))

        def shared(step: int) -> float:
            return float(standard_noise(culture.shared_noise_seed, int(step), np.zeros(1))[0])

        neurons = b2.NeuronGroup(
            len(culture.positions),
            equations.variables,
            threshold="v >= v_threshold or direct",
            reset=equations.spike,
            namespace={"standard_noise": _function(private, 2), "standard_shared_noise": _function(shared, 1)},
            clock=self.clock,
            name="living_neurons",
        )
        neurons.run_regularly(equations.decay, when="start", order=1, clock=self.clock, name="living_decay")
        neurons.run_regularly(equations.membrane, when="groups", clock=self.clock, name="living_membrane")
        return neurons

    def _of_sign(self, excitatory: bool) -> np.ndarray:
        """Which synapses belong to cells of that sign; shape (n_synapses,)."""
        return self.culture.excitatory_synapses == excitatory

    def _synapses(self, name: str, block: Block, state: LivingState) -> b2.Synapses:
        """Synapses of one sign. A spike is seen a step after it was fired, so Brian2's delay is a step shorter."""
        excitatory = name == "living_excitatory"
        chosen = self._of_sign(excitatory)
        rows = np.repeat(np.arange(len(self.culture.positions)), np.diff(self.culture.synapses.start))[chosen]

        def released_at(i: np.ndarray, step: np.ndarray) -> np.ndarray:
            return self.released[np.asarray(step, int) % len(self.released), np.asarray(i)]

        synapses = b2.Synapses(
            self.neurons,
            self.neurons,
            block.synapse,
            on_pre=block.on_arrival,
            on_post=block.on_target_spike or None,
            namespace={"released_at": _function(released_at, 2)},
            clock=self.clock,
            name=name,
        )
        synapses.connect(i=rows, j=self.culture.synapses.target[chosen])
        steps = self.culture.synapses.delay[chosen]
        synapses.variables["delay_steps"].set_value(steps)
        synapses.pre.variables["delay"].set_value((steps - 1) * self.culture.spec.simulation.dt)
        synapses.variables["w"].set_value(state.weight[chosen])
        if block.on_target_spike:
            synapses.post.when = "after_resets"
            synapses.variables["last_arrival"].set_value(state.arrived[chosen].astype(float))
        return synapses

    def _set_values(self, state: LivingState) -> None:
        values = Constants.of(self.culture.spec)._asdict()
        values |= {"v_threshold": values.pop("threshold"), "v_reset": values.pop("reset")}
        values["refractory_steps"] = round(values.pop("refractory"))
        values |= {name: getattr(state, name) for name in CARRIED}
        values |= {"shared": state.shared, "drive": self.culture.drive, "step": state.step - 1}
        values |= {"refractory_left": state.refractory, "last_spike": state.last_spike.astype(float)}
        values["depresses"] = self.culture.excitatory | bool(values["depressing_inhibition"])
        for name, value in values.items():
            if name in self.neurons.variables:
                self.neurons.variables[name].set_value(value)

    def replay(self, state: LivingState) -> None:
        """Put the spikes that are on their way into the queues, as if they had been fired in this network."""
        self.released[state.in_flight_step % len(self.released), state.in_flight_neuron] = state.in_flight_release
        last = state.step - 1
        for step in range(state.step - self.max_delay, last):
            fired = state.in_flight_neuron[state.in_flight_step == step]
            for synapses in self.synapses.values():
                if len(fired):
                    synapses.pre.queue.push(fired.astype(np.int32))
                synapses.pre.queue.advance()
        fired = state.in_flight_neuron[state.in_flight_step == last]
        space = np.zeros(len(self.culture.positions) + 1, np.int32)  # the spikes, and at the end their number
        space[: len(fired)], space[-1] = fired, len(fired)
        self.neurons.variables["_spikespace"].set_value(space)

    def keep_releases(self, step: int) -> None:
        """At the end of a step: keep what the spikes of this step release, until they arrive."""
        if "released" in self.neurons.variables:
            self.released[step % len(self.released)] = self.neurons.variables["released"].get_value()

    def weights(self) -> np.ndarray:
        """The weights as they are now, in volts, in the order of the culture's synapses."""
        weights = self.culture.synapses.weight.copy()
        for sign, synapses in self.synapses.items():
            weights[self._of_sign(sign)] = synapses.variables["w"].get_value()
        return weights

    def state(self, before: LivingState, recording_step: np.ndarray) -> LivingState:
        """The state after a run from the state `before`, in which cells fired at these steps of the run."""
        step = int(self.neurons.variables["step"].get_value().item()) + 1
        numbers = {
            name: np.array(self.neurons.variables[name].get_value())
            for name in CARRIED
            if name in self.neurons.variables
        }
        shared = self.neurons.variables["shared"].get_value().item() if "shared" in self.neurons.variables else 0.0
        neuron = np.asarray(self.monitor.i[:], np.int32)
        fired = np.asarray(recording_step, np.int32) + before.step
        last_spike = before.last_spike.copy()
        np.maximum.at(last_spike, neuron, fired)
        neuron = np.concatenate([before.in_flight_neuron, neuron]).astype(np.int32)
        fired = np.concatenate([before.in_flight_step, fired]).astype(np.int32)
        in_flight = fired >= step - self.max_delay
        arrived = before.arrived.copy()
        if len(arrived) and True in self.synapses:
            arrived[self._of_sign(True)] = self.synapses[True].variables["last_arrival"].get_value()
        changed = replace(
            before,
            step=step,
            shared=shared,
            refractory=np.array(self.neurons.variables["refractory_left"].get_value(), np.int32),
            last_spike=last_spike,
            weight=self.weights(),
            arrived=arrived,
            in_flight_neuron=neuron[in_flight],
            in_flight_step=fired[in_flight],
            in_flight_release=self.released[fired[in_flight] % len(self.released), neuron[in_flight]],
        )
        return replace(changed, **numbers)  # type: ignore[arg-type]


class _Conductor:
    """Does what the session asks for at the start of a step, and keeps what later steps need at its end."""

    def __init__(
        self,
        network: Network,
        culture: LivingCulture,
        session: LivingSession,
        state: LivingState,
        progress: Callable[[int, int], None],
    ) -> None:
        self.network, self.session, self.first_step, self.progress = network, session, state.step, progress
        self.variables = network.neurons.variables
        self.hits = Pulses.of(culture, session).hit(len(culture.positions))
        self.learns = np.zeros(session.n_steps + 1, bool)
        for first, last in session.plastic:
            self.learns[first:last] = True
        self.asked = set(session.snapshots.tolist())
        self.snapshots: list[np.ndarray] = []
        self.done = 0
        operation = {"clock": network.clock, "order": 0}
        self.begin = b2.NetworkOperation(self._begin, when="start", name="living_begin", **operation)
        self.end = b2.NetworkOperation(self._end, when="end", name="living_end", **operation)

    def _begin(self) -> None:
        if self.done in self.asked:
            self.snapshots.append(self.network.weights())
        self.variables["step"].set_value(self.first_step + self.done)
        self.variables["hit"].set_value(self.hits.get(self.done, np.zeros(len(self.network.neurons), bool)))
        if "learning" in self.variables:
            self.variables["learning"].set_value(float(self.learns[self.done]))

    def _end(self) -> None:
        self.network.keep_releases(self.first_step + self.done)
        self.done += 1
        if self.done % 100 == 0 or self.done == self.session.n_steps:
            self.progress(self.done, self.session.n_steps)
        if self.done == self.session.n_steps and self.done in self.asked:
            self.snapshots.append(self.network.weights())


def _function(pyfunc: Callable, n_arguments: int) -> b2.Function:
    """A function of numbers for Brian2's NumPy code."""
    return b2.Function(pyfunc, arg_units=[1] * n_arguments, return_unit=1, stateless=True)
