"""Steps on a GPU: queued without waiting for their results, and replayed as a CUDA graph where their shape is fixed.

A program that reads a value from a GPU (`Tensor.item`, `if tensor:`) waits until all work queued before it is done, and
the GPU then idles while the next kernels are queued. So no step of a training on a GPU reads one: NaN and infinity are
looked for once an epoch and before every checkpoint.
"""

import contextlib
import os
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples

WARM_UP = 3  # steps before the recording: libraries choose their kernels, optimizers make their buffers
FEWEST = 16  # steps in an epoch for which a recording pays

Step = Callable[[Examples], Tensor | None]


def readable(tensor: Tensor) -> bool:
    """Whether reading this tensor's values costs no wait for a GPU."""
    return not tensor.is_cuda


def wanted(n_steps: int) -> bool:
    """Whether an epoch of `n_steps` steps is worth a recording; ``HEBBIAN_CUDA_GRAPHS=0`` turns recordings off."""
    return n_steps >= FEWEST and processes.world() == 1 and os.environ.get("HEBBIAN_CUDA_GRAPHS", "1") != "0"


def record(act: Callable[[], Tensor | None]) -> tuple[Callable[[], None], Tensor | None]:
    """Record the kernels of `act` without running them.

    Returns
    -------
    replay, result
        Calling `replay` runs the kernels, on the tensors that `act` used; it leaves `act`'s result in `result`.

    Raises
    ------
    RuntimeError
        If `act` does what a CUDA graph cannot hold, for example reads a value.
    """
    graph = torch.cuda.CUDAGraph()

    def recorded() -> Tensor | None:
        graph.capture_begin()
        try:
            result = act()
        except BaseException:
            with contextlib.suppress(RuntimeError):
                graph.capture_end()
            raise
        graph.capture_end()
        return result

    return graph.replay, beside(recorded)


def beside(act: Callable[[], Tensor | None]) -> Tensor | None:
    """Call `act` on a stream of its own, in the order of the current one: what a recording and its warm-up need."""
    side, current = torch.cuda.Stream(), torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        result = act()
    current.wait_stream(side)
    return result


class Replayed:
    """A step as a CUDA graph: after a warm-up its kernels are recorded once, then replayed for every batch.

    Replaying costs one call where the step costs one per kernel. Batches of another shape, and all batches on other
    devices or if the step cannot be recorded, are learned by the step itself. All that the step reads from Python
    (learning rate, layers that learn) is recorded with it: make a new object when it changes.

    Parameters
    ----------
    step
        Learns one batch; returns a loss or None.

    Attributes
    ----------
    fails : bool
        Whether the step could not be recorded.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self._warm = 0
        self._replay: Callable[[], None] | None = None
        self._batch: Examples | None = None
        self._result: Tensor | None = None
        self.fails = False

    def __call__(self, batch: Examples) -> Tensor | None:
        """Learn one batch; returns the loss, or None."""
        if readable(batch.images) or self.fails:
            return self.step(batch)
        if self._warm < WARM_UP:
            self._warm += 1
            return beside(lambda: self.step(batch))
        if self._batch is None:
            self._record(batch)
        held = self._batch
        if held is None or self._replay is None or batch.images.shape != held.images.shape:
            return self.step(batch)
        held.images.copy_(batch.images)
        held.labels.copy_(batch.labels)
        self._replay()
        return None if self._result is None else self._result.clone()

    def _record(self, batch: Examples) -> None:
        held = Examples(batch.images.clone(), batch.labels.clone())
        try:
            self._replay, self._result = record(lambda: self.step(held))
            self._batch = held
        except RuntimeError as error:
            self.fails = True
            first = str(error).partition("\n")[0]
            warnings.warn(f"no CUDA graph of this step, which runs kernel by kernel: {first}", stacklevel=2)
