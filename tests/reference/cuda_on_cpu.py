"""Compile a generated CUDA project for the CPU, to test it without a GPU.

``python -m tests.reference.cuda_on_cpu FOLDER 60x3`` builds programs as ``culture_sim.bench.cuda --build`` names them.
"""

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HEADERS = (
    *("cuda.h", "cuda_profiler_api.h", "curand.h", "curand_kernel.h"),
    *(
        f"thrust/{name}.h"
        for name in ("copy", "count", "device_vector", "execution_policy", "host_vector", "system_error")
    ),
)
LAUNCH = re.compile(r"(\w+)<<<([^,<>]+),([^,<>]+)>>>\s*\(")


def build(project: Path) -> Path:
    """Build the program with kernels that run thread after thread, see `cuda_on_cpu.h`."""
    for name in HEADERS:  # replaced: cuda_on_cpu.h has all they declare
        stub = project / "stubs" / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.touch()
    sources = []
    for source in sorted(project.rglob("*.cu")):
        text = LAUNCH.sub(r"for (Launch launch(\2,\3); launch.next();) \1(", source.read_text())
        assert "<<<" not in text, source
        target = source.with_suffix(".cpp")
        target.write_text(text)
        sources.append(target.relative_to(project).as_posix())
    header = Path(__file__).parent / "cuda_on_cpu.h"
    flags = ["-std=c++17", "-O1", "-w", "-ffp-contract=off", "-I.", "-Istubs", "-include", str(header)]
    objects = [source.replace(".cpp", ".o") for source in sources]
    with ThreadPoolExecutor(2) as pool:
        commands = [
            ["g++", *flags, "-c", source, "-o", target] for source, target in zip(sources, objects, strict=True)
        ]
        list(pool.map(lambda command: _call(command, project), commands))
    _call(["g++", *objects, "-o", "main"], project)
    return project / "main"


def _call(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


def rehearse(folder: Path, sizes: list[str]) -> None:
    """Build programs of the benchmark for the processor, each of NEURONSxCULTURES."""
    from culture_sim.bench.cuda import program_in
    from culture_sim.bench.presentations import bench_spec
    from culture_sim.engines.cuda_program import generate
    from culture_sim.engines.gpu import DEFAULT_CAPABILITY
    from culture_sim.model.parameters import Shape

    for size in sizes:
        neurons, cultures = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as project:
            generate(Shape.of(bench_spec(neurons, "float32")), cultures, DEFAULT_CAPABILITY, Path(project))
            target = program_in(folder, neurons, cultures, "float32", DEFAULT_CAPABILITY)
            build(Path(project)).rename(target)


if __name__ == "__main__":
    rehearse(Path(sys.argv[1]), sys.argv[2:])
