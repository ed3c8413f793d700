"""Brian2's runtime: starts at once, runs step by step from Python (Cython, or NumPy without a compiler)."""

import brian2 as b2
import numpy as np
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from scipy.sparse import csr_array

from culture_sim import network
from culture_sim.culture import Culture
from culture_sim.engines.base import Progress, longest_segment
from culture_sim.parameters import Shape, parameters
from culture_sim.recording import Recording
from culture_sim.session import Session, cut


class RuntimeEngine:
    """Present a session to a culture inside one `Network.run`.

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
        return cls("cython" if CythonCodeObject.is_available() else "numpy")

    def run(self, culture: Culture, session: Session, progress: Progress) -> Recording:
        """Build the network in this process and run it."""
        b2.set_device("runtime")
        b2.prefs.codegen.target = self.target
        b2.prefs.core.stop_on_keyboard_interrupt = False  # else an interrupted run ends early, as if it were whole
        net = network.build(Shape.of_culture(culture))
        _set_values(net, culture, session)
        conductor = _Conductor(net, culture, session, progress)
        net.network.add(conductor.operation)
        total = int(session.n_steps.sum())
        net.network.run(total * culture.spec.simulation.dt * b2.second, namespace={})
        step = np.rint(np.asarray(net.monitor.t_[:]) / culture.spec.simulation.dt).astype(np.int64)
        neuron = np.asarray(net.monitor.i[:], np.int32)
        order = np.lexsort((neuron, step))
        return Recording(
            culture.spec.simulation.dt,
            session,
            neuron[order],
            step[order],
            conductor.weights(),
            conductor.snapshots,
        )


def _set_values(net: network.CultureNetwork, culture: Culture, session: Session) -> None:
    for name, value in parameters(culture.spec).items():
        net.neurons.variables[name].set_value(value)
    net.neurons.variables["v"].set_value(culture.spec.neurons.rest)
    times = session.step * culture.spec.simulation.dt * b2.second
    net.stimulus.set_spikes(session.electrode, times, sorted=True)
    for name, synapses in net.synapses.items():
        weights = culture.weights[name].tocoo()
        if weights.nnz:
            synapses.connect(i=weights.row, j=weights.col)
            synapses.variables["w"].set_value(weights.data)
        else:
            synapses.active = False
        if culture.spec.projections[name].plastic:
            synapses.variables["strength"].set_value(culture.spec.projections[name].strength)


class _Conductor:
    """Does what happens between presentations, and counts them."""

    def __init__(self, net: network.CultureNetwork, culture: Culture, session: Session, progress: Progress) -> None:
        self.net, self.culture, self.session, self.progress = net, culture, session, progress
        self.segments = cut(session, longest_segment(culture.spec))
        self.ends = np.cumsum(self.segments.n_steps)
        self.segment = 0
        self.step = 0
        self.snapshots: list[tuple[int, dict[str, csr_array]]] = []
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
        learns = self.session.learning[presentation] > 0
        _call(self.net.flush)
        _call(self.net.move_origin)
        if self.segments.last[self.segment]:
            if learns or not self.normalised:
                _call(self.net.normalise)
                self.normalised = True
            _call(self.net.reset)
            if self.session.snapshot[presentation]:
                self.snapshots.append((presentation, self.weights()))
            self.progress(presentation + 1, len(self.session.n_steps))
        self.segment += 1
        if self.segment < len(self.ends):
            self._set_learning()

    def _set_learning(self) -> None:
        learning = self.session.learning[self.segments.presentation[self.segment]]
        self.net.neurons.variables["learning"].set_value(learning)

    def weights(self) -> dict[str, csr_array]:
        grown = {}
        for name, before in self.culture.weights.items():
            data = np.array(self.net.synapses[name].variables["w"].get_value()) if before.nnz else before.data
            grown[name] = csr_array((data, before.indices, before.indptr), shape=before.shape)
        return grown


def _call(runners: list) -> None:
    for runner in runners:
        for code in runner.code_objects:
            code()
