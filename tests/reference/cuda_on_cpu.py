"""Compile a generated CUDA project for the CPU, to test it without a GPU."""

import re
import subprocess
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
    for source, target in zip(sources, objects, strict=True):
        _call(["g++", *flags, "-c", source, "-o", target], project)
    _call(["g++", *objects, "-o", "main"], project)
    return project / "main"


def _call(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
