"""The library's entry point: a network, and the images to present to it."""

from collections.abc import Callable

from culture_sim.engines.compiled import compiler
from culture_sim.spiking import cpp
from culture_sim.spiking.network import Presentations, Responses, Weights
from protocols.spec.nets.spiking import SpikingNetwork

DEVICES = ("auto", "cpp", "runtime")


def prepare(device: str) -> str:
    """The device that ``auto`` stands for here, compiled if it needs to be.

    Raises
    ------
    RuntimeError
        If the device has no engine for spiking networks, there is no compiler for ``cpp``, or the compiler fails.
    """
    if device not in DEVICES:
        raise RuntimeError(f"--device {device}: spiking networks have none; allowed: {', '.join(DEVICES)}")
    if device == "runtime" or (device == "auto" and compiler() is None):
        return "runtime"
    cpp.program()
    return "cpp"


def present(
    spec: SpikingNetwork,
    weights: Weights,
    presentations: Presentations,
    device: str = "auto",
    progress: Callable[[int], None] = lambda done: None,
    *,
    spikes: bool = False,
) -> Responses:
    """Present images to a network. The given weights are left as they were.

    Parameters
    ----------
    spec, weights
        The network.
    presentations
        The images, in sequence.
    device
        ``"cpp"``: the compiled program. ``"runtime"``: Brian2, slow. ``"auto"``: compiled where there is a compiler.
        Both give the same spikes.
    progress
        Called with the number of presentations done.
    spikes
        Whether to record all spikes of the excitatory neurons.

    Raises
    ------
    ValueError
        If the weights do not fit the images or the network.
    RuntimeError
        If the compiler or the compiled program fails.
    """
    shape, needed = weights.inputs.shape, (presentations.images.shape[1], spec.neurons)
    if shape != needed:
        raise ValueError(f"weights.inputs: shape {shape}; allowed: {needed}, inputs and neurons")
    if prepare(device) == "runtime":
        from culture_sim.spiking import runtime  # brings Brian2

        return runtime.run(spec, weights, presentations, progress, spikes=spikes)
    return cpp.run(spec, weights, presentations, progress, spikes=spikes)
