"""Interchangeable simulators of the same network: `runtime`, `cpp`, `cuda`."""

import sys

from culture_sim.engines.base import Engine, Progress
from culture_sim.engines.compiled import compiler
from culture_sim.engines.cpp import CppEngine
from culture_sim.model.parameters import Shape

DEVICES = ("auto", "runtime", "cpp", "cuda")

__all__ = ["DEVICES", "CppEngine", "Engine", "Progress", "Shape", "prepare"]


def prepare(device: str, shape: Shape) -> Engine:
    """Choose an engine, compiling what it needs.

    Parameters
    ----------
    device
        ``"runtime"``, ``"cpp"``, ``"cuda"``, or ``"auto"``: the compiled program where there is a compiler, else the
        runtime. ``"auto"`` never chooses a GPU: one culture does not keep it busy.
    shape
        Shape of the cultures to simulate, which a program for a GPU is compiled for.

    Raises
    ------
    RuntimeError
        If `device` is ``"cpp"`` and there is no C++ compiler, or ``"cuda"`` and there is no GPU or no compiler for it.
    """
    if device == "cuda":
        from culture_sim.engines.cuda import CudaEngine

        return CudaEngine.prepare(shape)
    if device == "cpp" or (device == "auto" and compiler() is not None):
        return CppEngine.prepare()
    from culture_sim.engines.runtime import RuntimeEngine  # brings Brian2

    if compiler() is None:
        print("No C++ compiler found: falling back to NumPy code generation, which is slower.", file=sys.stderr)
        return RuntimeEngine("numpy")
    return RuntimeEngine.best()
