"""Generate a C++ program from the Brian2 network, compile it once and keep it in the user's cache.

The program holds no values: it reads parameters, wiring, stimulus and the list of presentations from files when it
starts. It is kept under the hash of its source and of the compiler, so it serves every seed, weight, stimulus and
parameter value.
"""

import contextlib
import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from culture_sim.model import brian  # before Brian2 itself

# isort: split
import brian2 as b2
from brian2.codegen.cpp_prefs import get_compiler_and_args
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.device import get_device
from brian2.groups.group import CodeRunner

from culture_sim.engines.compiled import cache_dir, compile_in, compiler, keep, source_hash, usable
from culture_sim.model import network
from culture_sim.model.culture import PROJECTIONS
from culture_sim.model.parameters import PARAMETERS, Shape
from protocols.runs import scratch
from protocols.runs.machine import cores, processor_features


class RowCodeObject(CPPStandaloneCodeObject):
    """Brian2's C++ code objects plus the template `synapse_rows`."""

    templater = CPPStandaloneCodeObject.templater.derive("culture_sim.engines")


def rows(
    source: b2.Group, target: b2.NeuronGroup, model: str, pathway: network.Pathway, name: str
) -> tuple[b2.Synapses, list[CodeRunner]]:
    """Route of the C++ engine: for every spike, one walk through the row of its neuron in the weight matrix.

    A presentation without learning only transmits: it reads the weights and writes nothing.
    """
    synapses = b2.Synapses(source, target, model, clock=target.clock, name=name)
    learning = target.variables["learning"]
    walk = RowWalk(RowCodeObject, "learning_post", ("== 0", "> 0"), {"learning_variable": learning})
    return synapses, walk.runners(synapses, source, pathway)


@dataclass(frozen=True)
class RowWalk:
    """Use of an engine's template `synapse_rows`.

    Parameters
    ----------
    codeobj_class
        The engine's class of code objects.
    needed
        Name of the variable that the template needs in addition to the spikes.
    only_if
        Two conditions: the one under which a plastic projection only transmits, and the one under which it learns.
    more
        Further arguments of the template.
    """

    codeobj_class: type
    needed: str
    only_if: tuple[str, str]
    more: Mapping[str, object] = field(default_factory=dict)

    def runners(self, synapses: b2.Synapses, source: b2.Group, pathway: network.Pathway) -> list[CodeRunner]:
        """The code run for the spikes of every step: without learning, and with it."""
        eventspace = f"_{pathway.event}space"
        synapses.variables.add_reference(eventspace, source)

        def runner(what: str, code: str, only_if: str | None) -> CodeRunner:
            return CodeRunner(
                synapses,
                "synapse_rows",
                code=code,
                clock=synapses.clock,
                when="synapses",
                name=f"{synapses.name}_{what}",
                needed_variables=[eventspace, self.needed],
                template_kwds={
                    "eventspace_variable": source.variables[eventspace],
                    "n_sources": len(source),
                    "only_if": only_if,
                    **self.more,
                },
                codeobj_class=self.codeobj_class,
            )

        if pathway.learn is None:
            return [runner("transmit", pathway.transmit, None)]
        alone, learning = self.only_if
        return [runner("transmit", pathway.transmit, alone), runner("learn", pathway.learn, learning)]


def generate(shape: Shape, directory: Path) -> None:
    """Write the C++ project of a culture of this shape."""
    with brian.LOCK:
        _generate(shape, directory)


def _generate(shape: Shape, directory: Path) -> None:
    gc.collect()  # frees the names of deleted networks, so that the same shape gives the same source
    b2.set_device("cpp_standalone", build_on_run=False)
    b2.prefs.core.stop_on_keyboard_interrupt = False
    device = get_device()
    device.reinit()
    device.activate(build_on_run=False)
    b2.prefs.codegen.cpp.headers += ['"culture_program.h"']
    try:
        net = network.build(shape, rows)
        net.network.run(0 * b2.second, namespace={})
        device.insert_code("main", _main(shape, net, device))
        device.insert_code("before_end", "return 0;  // all results are written already")
        device.build(directory=str(directory), compile=False, run=False)
        header = resources.files("culture_sim.engines").joinpath("culture_program.h").read_text()
        (directory / "culture_program.h").write_text(header)
    finally:
        b2.prefs.codegen.cpp.headers = [h for h in b2.prefs.codegen.cpp.headers if "culture_program" not in h]
        device.reinit()
        b2.set_device("runtime")


def calls(runners: list[CodeRunner]) -> str:
    """C++ calls of the code that runs between presentations."""
    for runner in runners:
        runner.before_run({})
    return " ".join(f"_run_{code.name}();" for runner in runners for code in runner.code_objects)


def _main(shape: Shape, net: network.CultureNetwork, device: object) -> str:
    """C++ code that loads the values and runs the presentations."""

    def array(group: b2.Group, variable: str) -> str:
        return device.get_array_name(group.variables[variable], access_data=False)  # type: ignore[attr-defined]

    load = []
    for index, name in enumerate(PARAMETERS):
        load.append(f"{array(net.neurons, name)}[0] = parameters[{index}];")
    load.append(f"culture_io::fill({array(net.neurons, 'v')}, {shape.n_neurons}, {array(net.neurons, 'v_rest')}[0]);")
    snapshot = []
    for index, (name, plastic) in enumerate(zip(PROJECTIONS, shape.plastic, strict=True)):
        synapses = net.synapses[name]
        pre, post, w, n = (array(synapses, v) for v in ("_synaptic_pre", "_synaptic_post", "w", "N"))
        load.append(f'culture_io::read_synapses("{name}", {pre}, {post}, {w}, {n});')
        if plastic:
            load.append(f"{array(synapses, 'seen')}.resize({post}.size());")
            load.append(f"{array(synapses, 'strength')}[0] = strengths[{index}];")
            snapshot.append(f'culture_io::append("{name}.data", {w});')
    stimulus, monitor = net.stimulus, net.monitor
    return f"""
std::vector<double> parameters, strengths, learning;
std::vector<int32_t> n_steps, last, snapshot;
culture_io::read("parameters", parameters);
culture_io::read("strengths", strengths);
{chr(10).join(load)}
culture_io::read("stimulus.electrode", {array(stimulus, "neuron_index")});
culture_io::read("stimulus.step", {array(stimulus, "_timebins")});
culture_io::read("segments.n_steps", n_steps);
culture_io::read("segments.last", last);
culture_io::read("segments.learning", learning);
culture_io::read("segments.snapshot", snapshot);
std::cout << "loaded" << std::endl;
size_t presentations = 0;
int64_t steps = 0;
bool normalised = false;
for (size_t k = 0; k < n_steps.size(); k++)
{{
    {array(net.neurons, "learning")}[0] = learning[k];
    {net.network.name}.t = steps * {shape.dt!r};  // a running sum would drift, and lose or gain a step in the end
    {net.network.name}.run(n_steps[k] * {shape.dt!r}, NULL, 10.0);
    steps += n_steps[k];
    if (learning[k] > 0)
    {{
        {calls(net.flush)}
        normalised = false;
    }}
    {calls(net.move_origin)}
    culture_io::append("spikes.neuron", {array(monitor, "i")});
    culture_io::append("spikes.time", {array(monitor, "t")});
    {array(monitor, "i")}.clear();
    {array(monitor, "t")}.clear();
    {array(monitor, "N")}[0] = 0;
    if (!last[k]) continue;
    if (!normalised)
    {{
        {calls(net.normalise)}
        normalised = true;
    }}
    {calls(net.reset)}
    if (snapshot[k])
    {{
        {chr(10).join(snapshot)}
    }}
    std::cout << ++presentations << std::endl;
}}
{chr(10).join(snapshot)}
"""


def compiled(shape: Shape) -> Path:
    """The program for cultures of this shape, compiled if it is not in the cache yet.

    Returns
    -------
    Path
        An executable.

    Raises
    ------
    RuntimeError
        If the compiler fails; the message holds the end of its output.
    """
    with _generated(shape) as (project, program):
        keep(program, project, _compile)
    return program


def is_kept(shape: Shape) -> bool:
    """Whether the program for this shape is compiled already."""
    with _generated(shape) as (_, program):
        return usable(program)


@contextlib.contextmanager
def _generated(shape: Shape) -> Iterator[tuple[Path, Path]]:
    """The generated project and the path of its program in the cache."""
    with scratch.new_folder() as project:
        with brian.LOCK:
            generate(shape, project)
            tools = (compiler(), get_compiler_and_args(), processor_features())
        yield project, cache_dir() / source_hash(project, tools) / "main"


def _compile(project: Path) -> None:
    compile_in(project, "make", f"-j{cores()}")
