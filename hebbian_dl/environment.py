"""What this process was given: how many processes torchrun started, threads, device. Imports torch only if asked."""

import os

from protocols.runs.machine import cores_of_each
from protocols.spec.faults import ProtocolFault


def n_processes() -> int:
    """How many processes torchrun started for this command."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def n_here() -> int:
    """How many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or 1)


def leads() -> bool:
    """Whether this process leads, or is alone."""
    return n_processes() == 1 or os.environ.get("RANK", "0") == "0"


def threads() -> int:
    """Threads of each process: what OMP_NUM_THREADS says, or a fair share of the cores; torchrun sets it to 1."""
    return int(os.environ.get("OMP_NUM_THREADS") or cores_of_each())


def device_of(asked: str) -> str:
    """``cpu`` or ``cuda``."""
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
