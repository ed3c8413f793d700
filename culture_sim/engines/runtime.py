"""Engine `runtime`: Brian2 runs the network step by step from Python (Cython, or NumPy without a compiler).

It starts at once. Threads take turns: each network is built and run under the lock of Brian2.
"""

from culture_sim.model import brian  # before Brian2 itself

# isort: split
import brian2 as b2
import numpy as np
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject

from culture_sim.engines.base import Progress
from culture_sim.engines.batch import Batch
from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session
from culture_sim.model import network
from culture_sim.model.culture import Culture
from culture_sim.model.parameters import strength_variable


class RuntimeEngine:
    """Present sessions to one culture, or to several side by side, inside one `Network.run`.

    Parameters
    ----------
    target
        Brian2's code generation target, ``"cython"`` or ``"numpy"``.
    """

    def __init__(self, target: str = "cython") -> None:
        self.target = target
        self.name = f"runtime ({target})"

    @classmethod
    def best(cls) -> "RuntimeEngine":
        """Cython where it works here (it needs a compiler and Python's headers), else NumPy."""
        with brian.LOCK:
            return cls("cython" if CythonCodeObject.is_available() else "numpy")

    def run(self, culture: Culture, session: Session, progress: Progress) -> Recording:
        """Build the network in this process and run it."""
        return self.run_batch(Batch((culture,), (session,)), progress)[0]

    def run_batch(self, batch: Batch, progress: Progress) -> list[Recording]:
        """The same for several cultures in one network; one recording each."""
        with brian.LOCK:
            return self._run_batch(batch, progress)

    def _run_batch(self, batch: Batch, progress: Progress) -> list[Recording]:
        b2.set_device("runtime")
        b2.prefs.codegen.target = self.target
        b2.prefs.core.stop_on_keyboard_interrupt = False  # else an interrupted run ends early, and looks complete
        shape, n_cultures = batch.shape, len(batch.cultures)
        net = network.build(shape, n_cultures=None if n_cultures == 1 else n_cultures)
        _set_values(net, batch)
        conductor = _Conductor(net, batch, progress)
        net.network.add(conductor.operation)
        net.network.run(int(batch.n_steps.sum()) * shape.dt * b2.second, namespace={})
        step = np.rint(np.asarray(net.monitor.t_[:]) / shape.dt).astype(np.int64)
        return batch.split(np.asarray(net.monitor.i[:]), step, conductor.weights(), conductor.snapshots)


def _set_values(net: network.CultureNetwork, batch: Batch) -> None:
    for name, values in batch.parameters().items():
        _set(net.neurons, name, values, batch)
    net.neurons.variables["v"].set_value(batch.of_neurons(batch.parameters()["v_rest"]))
    electrode, step = batch.pulses()
    net.stimulus.set_spikes(electrode, step * batch.shape.dt * b2.second, sorted=True)
    if "first_neuron" in net.stimulus.variables:
        net.stimulus.variables["first_neuron"].set_value(batch.first_neuron)
    for (name, synapses), plastic in zip(net.synapses.items(), batch.shape.plastic, strict=True):
        weights = batch.weights(name).tocoo()
        if weights.nnz:
            synapses.connect(i=weights.row, j=weights.col)
            synapses.variables["w"].set_value(weights.data)
        else:
            synapses.active = False
        if plastic:
            shared = "strength" if len(batch.cultures) == 1 else strength_variable(name)
            _set(synapses if len(batch.cultures) == 1 else net.neurons, shared, batch.strength(name), batch)


def _set(group: b2.Group, name: str, of_cultures: np.ndarray, batch: Batch) -> None:
    """Set a variable that a single culture shares and that several have for each neuron."""
    variable = group.variables[name]
    variable.set_value(of_cultures[0] if variable.scalar else batch.of_neurons(of_cultures))


class _Conductor:
    """Counts presentations and runs, at the end of each, the code that belongs between two of them."""

    def __init__(self, net: network.CultureNetwork, batch: Batch, progress: Progress) -> None:
        self.net, self.batch, self.progress = net, batch, progress
        self.segments, self.learning, self.snapshot = batch.segments(), batch.learning, batch.snapshot
        self.ends = np.cumsum(self.segments.n_steps)
        self.segment = 0
        self.step = 0
        self.snapshots: list[tuple[int, dict[str, np.ndarray]]] = []
        self.normalised = False
        for runner in [*net.flush, *net.move_origin, *net.normalise, *net.reset]:
            runner.before_run({})
        self._set_learning()
        self.operation = b2.NetworkOperation(
            self.after_step, clock=net.neurons.clock, when="after_end", name="conductor"
        )

    def after_step(self) -> None:
        self.step += 1
        if self.step < self.ends[self.segment]:
            return
        presentation = int(self.segments.presentation[self.segment])
        learns = np.any(self.learning[presentation] > 0)
        _call(self.net.flush)
        _call(self.net.move_origin)
        if self.segments.last[self.segment]:
            if learns or not self.normalised:
                _call(self.net.normalise)
                self.normalised = True
            _call(self.net.reset)
            if self.snapshot[presentation]:
                self.snapshots.append((presentation, self.weights()))
            self.progress(presentation + 1, len(self.batch.n_steps))
        self.segment += 1
        if self.segment < len(self.ends):
            self._set_learning()

    def _set_learning(self) -> None:
        learning = self.learning[self.segments.presentation[self.segment]]
        _set(self.net.neurons, "learning", learning, self.batch)

    def weights(self) -> dict[str, np.ndarray]:
        """The present weights of the projections that have synapses."""
        connected = {name: synapses for name, synapses in self.net.synapses.items() if synapses.active}
        return {name: np.array(synapses.variables["w"].get_value()) for name, synapses in connected.items()}


def _call(runners: list) -> None:
    for runner in runners:
        for code in runner.code_objects:
            code()
