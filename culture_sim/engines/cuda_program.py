"""Translation of the Brian2 network into a CUDA program, compiled once and cached.

It holds no values: it is compiled for a shape and a number of cultures, and reads parameters, wiring, stimuli and
presentations at its start. Even a single culture has its parameters per neuron here: Brian2CUDA runs code
on shared variables in every thread, which for ``d = d * trace_decay`` is a data race.
"""

import contextlib
import gc
import logging
import subprocess
import warnings
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

from culture_sim.model import brian  # before Brian2 itself

# isort: split
import brian2 as b2
import brian2cuda  # noqa: F401  registers the device
import numpy as np
from brian2.codegen.cpp_prefs import get_compiler_and_args
from brian2.devices.device import get_device
from brian2.groups.group import CodeRunner
from brian2cuda.codeobject import CUDAStandaloneAtomicsCodeObject
from brian2cuda.utils.gputools import reset_gpu_selection

from culture_sim.engines import gpu
from culture_sim.engines.compiled import cache_dir, compiler, keep, source_hash
from culture_sim.model import network
from culture_sim.model.culture import PROJECTIONS
from culture_sim.model.parameters import PARAMETERS, Shape, strength_variable
from protocols.runs import scratch
from protocols.runs.machine import cores, processor_features

HEADERS = ("files.h", "culture_device.h")
# No fast arithmetic, no fused multiply-add: rounding as on the CPU, except for the order of sums.
NVCC_FLAGS = ["-w", "-fmad=false"]


class RowCodeObject(CUDAStandaloneAtomicsCodeObject):
    """Brian2CUDA's code objects plus the template `synapse_rows`."""

    templater = CUDAStandaloneAtomicsCodeObject.templater.derive("culture_sim.engines")


def rows(
    source: b2.Group, target: b2.NeuronGroup, model: str, pathway: network.Pathway, name: str
) -> tuple[b2.Synapses, list[CodeRunner]]:
    """Route of the CUDA engine: for every spike, one walk through the row of its neuron in the weight matrix.

    A presentation without learning only transmits: it reads the weights and writes nothing.
    """
    synapses = b2.Synapses(source, target, model, clock=target.clock, name=name)
    synapses.variables.add_array("row_start", size=len(source) + 1, dtype=np.int32)
    eventspace = f"_{pathway.event}space"
    synapses.variables.add_reference(eventspace, source)

    def runner(what: str, code: str, only_if: str | None) -> CodeRunner:
        return CodeRunner(
            synapses,
            "synapse_rows",
            code=code,
            clock=synapses.clock,
            when="synapses",
            name=f"{name}_{what}",
            needed_variables=[eventspace, "row_start"],
            template_kwds={
                "eventspace_variable": source.variables[eventspace],
                "n_sources": len(source),
                "only_if": only_if,
            },
            codeobj_class=RowCodeObject,
        )

    if pathway.learn is None:
        return synapses, [runner("transmit", pathway.transmit, None)]
    return synapses, [runner("transmit", pathway.transmit, "false"), runner("learn", pathway.learn, "true")]


def generate(shape: Shape, n_cultures: int, capability: str, directory: Path) -> None:
    """Write the CUDA project for `n_cultures` cultures of this shape, with a corrected makefile."""
    with brian.LOCK:
        _generate(shape, n_cultures, capability, directory)


def _generate(shape: Shape, n_cultures: int, capability: str, directory: Path) -> None:
    gc.collect()  # frees the names of earlier networks, so that a shape always gives the same source
    logging.getLogger("brian2.brian2cuda").setLevel(logging.WARNING)
    b2.set_device("cuda_standalone", build_on_run=False)
    b2.prefs.core.stop_on_keyboard_interrupt = False
    device = get_device()
    device.reinit()
    device.activate(build_on_run=False)
    backend = b2.prefs.devices.cuda_standalone.cuda_backend
    backend.detect_gpus, backend.gpu_id, backend.compute_capability = False, 0, float(capability)
    backend.extra_compile_args_nvcc = list(NVCC_FLAGS)
    b2.prefs.codegen.cpp.headers += [f'"{header}"' for header in HEADERS]
    reset_gpu_selection()
    try:
        net = network.build(shape, rows, n_cultures)
        net.network.run(0 * b2.second, namespace={})
        device.insert_code("main", _main(shape, n_cultures, net, device))
        # All results are written; exit without destructors, which would free device vectors after the driver.
        device.insert_code("before_end", "std::cout.flush(); std::_Exit(0);")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # Brian2CUDA does not close its files
            device.build(directory=str(directory), compile=False, run=False)
        for header in HEADERS:
            text = resources.files("culture_sim.engines").joinpath(header).read_text()
            (directory / header).write_text(text)
        _mend(directory / "makefile")
    finally:
        b2.prefs.codegen.cpp.headers = [h for h in b2.prefs.codegen.cpp.headers if h.strip('"') not in HEADERS]
        device.reinit()
        b2.set_device("runtime")


def _mend(makefile: Path) -> None:
    """Correct the makefile of Brian2CUDA 1.0b1: C++17, which CUDA 13 needs, and the path of a separate cuRAND."""
    text = makefile.read_text().replace("-std=c++11", "-std=c++17")
    if (found := gpu.separate_curand()) is not None:
        include, library = found
        text = text.replace("NVCCFLAGS = -I.", f"NVCCFLAGS = -I. -I{include}")
        text = text.replace("-lcurand", f"-Xlinker {library} -Xlinker -rpath={library.parent}")
    makefile.write_text(text)


def _calls(runners: list[CodeRunner]) -> str:
    """C++ calls of the code that runs between presentations."""
    for runner in runners:
        runner.before_run({})
    return " ".join(f"_run_{code.name}();" for runner in runners for code in runner.code_objects)


def _main(shape: Shape, n_cultures: int, net: network.CultureNetwork, device: object) -> str:
    """C++ code that loads the values and runs the presentations."""

    def array(group: b2.Group, variable: str, prefix: str = "dev") -> str:
        name = device.get_array_name(group.variables[variable], access_data=False)  # type: ignore[attr-defined]
        return prefix + name

    n_neurons, n_electrodes = shape.n_neurons * n_cultures, shape.n_electrodes * n_cultures
    plastic = [name for name, is_plastic in zip(PROJECTIONS, shape.plastic, strict=True) if is_plastic]
    load = [
        f'culture_device::load("neurons.{name}", {array(net.neurons, name)}, {n_neurons});'
        for name in (*PARAMETERS, "v", *map(strength_variable, plastic))
    ]
    for name, synapses in net.synapses.items():
        arrays = [array(synapses, v) for v in ("_synaptic_pre", "_synaptic_post", "w", "row_start")]
        n_rows = n_electrodes if name == "electrode" else n_neurons
        count = f"{array(synapses, 'N', '')}, {array(synapses, 'N')}"
        load.append(f'culture_device::load_synapses("{name}", {", ".join(arrays)}, {n_rows}, {count});')
        if name in plastic:
            load.append(f"{array(synapses, 'seen')}.assign({arrays[2]}.size(), 0);")
    snapshot = [f'culture_device::append("{name}.data", {array(net.synapses[name], "w")});' for name in plastic]
    stimulus, monitor = net.stimulus, net.monitor
    real = "float" if shape.precision == "float32" else "double"
    return f"""
const auto n_steps = read<int32_t>("segments.n_steps"), last = read<int32_t>("segments.last");
const auto snapshot = read<int32_t>("segments.snapshot");
const auto learning = read<{real}>("segments.learning");
{chr(10).join(load)}
culture_device::load("stimulus.first_neuron", {array(stimulus, "first_neuron")}, {n_electrodes});
culture_device::load("stimulus.electrode", {array(stimulus, "neuron_index")});
culture_device::load("stimulus.step", {array(stimulus, "_timebins")});
std::cout << "loaded" << std::endl;
size_t presentations = 0;
int64_t steps = 0;
bool normalised = false;
for (size_t k = 0; k < n_steps.size(); k++)
{{
    culture_device::set_learning(
        {array(net.neurons, "learning")}, &learning[k * {n_cultures}], {n_cultures}, {shape.n_neurons});
    {net.network.name}.t = steps * {shape.dt!r};  // a running sum would drift, and lose or gain a step in the end
    {net.network.name}.run(n_steps[k] * {shape.dt!r}, NULL, 10.0);
    steps += n_steps[k];
    if (culture_device::learning)
    {{
        {_calls(net.flush)}
        normalised = false;
    }}
    {_calls(net.move_origin)}
    culture_device::append("spikes.neuron", {array(monitor, "i")});
    culture_device::append("spikes.time", {array(monitor, "t")});
    {array(monitor, "i")}.clear();
    {array(monitor, "t")}.clear();
    {array(monitor, "N", "")}[0] = 0;
    if (!last[k]) continue;
    if (!normalised)
    {{
        {_calls(net.normalise)}
        normalised = true;
    }}
    {_calls(net.reset)}
    if (snapshot[k])
    {{
        {chr(10).join(snapshot)}
    }}
    culture_device::check(cudaDeviceSynchronize(), "the GPU");
    std::cout << ++presentations << std::endl;
}}
{chr(10).join(snapshot)}
"""


@cache
def nvcc_version() -> str:
    """Version text of the CUDA compiler."""
    return subprocess.run(["nvcc", "--version"], capture_output=True, text=True, check=True).stdout


def compiled(shape: Shape, n_cultures: int, capability: str) -> Path:
    """Path of the program for `n_cultures` cultures of this shape, compiled unless it is cached.

    Returns
    -------
    Path
        An executable.

    Raises
    ------
    RuntimeError
        If nvcc fails; the message holds the end of its output.
    """
    with _generated(shape, n_cultures, capability) as (project, program):
        keep(program, project, _compile)
    return program


@contextlib.contextmanager
def _generated(shape: Shape, n_cultures: int, capability: str) -> Iterator[tuple[Path, Path]]:
    with scratch.new_folder() as project:
        generate(shape, n_cultures, capability, project)
        flags = (project / "makefile").read_text()
        tools = (compiler(), get_compiler_and_args(), processor_features(), nvcc_version(), flags)
        sources = {
            path.relative_to(project).as_posix(): path
            for path in project.rglob("*")
            if path.suffix in {".cpp", ".cu", ".h"}
        }
        yield project, cache_dir() / source_hash(sources, tools) / "main"


def _compile(project: Path) -> None:
    done = subprocess.run(["make", f"-j{cores()}"], cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        hint = " (pip install nvidia-curand)" if "curand" in done.stderr and gpu.separate_curand() is None else ""
        raise RuntimeError(f"nvcc failed{hint}:\n" + done.stderr[-2000:])
