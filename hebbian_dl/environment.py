"""Environment of this process: processes started by torchrun, threads, device; torch is imported where it is used."""

import os

from protocols.runs.machine import cores_of_each
from protocols.spec.faults import ProtocolFault


def n_processes() -> int:
    """Number of processes that torchrun started for this command; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def n_here() -> int:
    """Number of these processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or 1)


def leads() -> bool:
    """Whether this process is the leader (rank 0) or the only one."""
    return n_processes() == 1 or os.environ.get("RANK", "0") == "0"


def threads() -> int:
    """Threads per process: OMP_NUM_THREADS, which torchrun sets to 1, or an equal share of the cores."""
    return int(os.environ.get("OMP_NUM_THREADS") or cores_of_each())


def set_up_torch(n_threads: int, *, tiny_is_zero: bool) -> None:
    """Set the number of torch's threads, and whether numbers below 1e-38 count as 0.

    A sharp softmax leaves many such numbers, with which a processor is ten times slower. Threads take the setting over
    when they start: call this before torch has computed anything in the process.
    """
    import torch

    torch.set_num_threads(n_threads)
    torch.set_flush_denormal(tiny_is_zero)


def device_of(asked: str) -> str:
    """Device of the trainings, ``cpu`` or ``cuda``, from the option ``--device``.

    Raises
    ------
    ProtocolFault
        If there is no GPU, or fewer than processes.
    """
    if asked == "cpu":
        return "cpu"
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise ProtocolFault(["--device cuda: torch finds no CUDA device; allowed: auto, cpu"])
    if not torch.cuda.is_available():
        return "cpu"
    if (n := n_here()) > (found := torch.cuda.device_count()):
        raise ProtocolFault(
            [
                f"--device {asked}: {found} GPU{'s' * (found > 1)} for {n} processes on a machine; "
                "allowed: a GPU each, or --device cpu"
            ]
        )
    return "cuda"
