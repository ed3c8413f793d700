"""Interchangeable simulators of the same network: `runtime`, `cpp`, `cuda`."""

import sys

from culture_sim.engines.base import Engine, Progress
from culture_sim.engines.cpp import CppEngine
from culture_sim.model.parameters import Shape

DEVICES = ("auto", "runtime", "cpp", "cuda")

# Measured on two cores: compiling takes 15 s; NumPy code takes 1 ms a step at 240 neurons and 15 ns a synaptic event.
COMPILE_S, NUMPY_STEP_S, NUMPY_EVENT_S = 15.0, 1e-3, 15e-9

__all__ = ["DEVICES", "CppEngine", "Engine", "Progress", "Shape", "prepare"]


def prepare(device: str, shape: Shape, n_steps: int, n_events: float) -> Engine:
    """Choose an engine, compiling what it needs.

    Parameters
    ----------
    device
        ``"runtime"``, ``"cpp"``, ``"cuda"``, or ``"auto"``: a compiled program if there is one in the cache or the
        work is worth compiling it, else the runtime. ``"auto"`` never chooses a GPU: one culture does not keep it busy.
    shape
        Shape of the cultures to simulate.
    n_steps, n_events
        Expected time steps and synaptic events of all seeds, which decide whether compiling is worthwhile.

    Raises
    ------
    RuntimeError
        If `device` is ``"cpp"`` and there is no C++ compiler, or ``"cuda"`` and there is no GPU or no compiler for it.
    """
    if device == "cuda":
        from culture_sim.engines.cuda import CudaEngine

        return CudaEngine.prepare(shape)
    from culture_sim.engines import program
    from culture_sim.engines.runtime import RuntimeEngine

    if program.compiler() is None:
        if device == "cpp":
            raise RuntimeError("no C++ compiler found (g++ and make); allowed: --device runtime")
        print("No C++ compiler found: falling back to NumPy code generation, which is slower.", file=sys.stderr)
        return RuntimeEngine("numpy")
    numpy_s = n_steps * NUMPY_STEP_S + n_events * NUMPY_EVENT_S
    if device == "runtime":
        return RuntimeEngine.best()
    if device == "auto" and numpy_s < COMPILE_S and not program.is_kept(shape):
        return RuntimeEngine("numpy")
    return CppEngine.prepare(shape)
