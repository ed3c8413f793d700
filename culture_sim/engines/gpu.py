"""Detection of the GPU and its compiler; number of cultures that fit into its memory."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from culture_sim.model.culture import Culture
from culture_sim.model.topology import MOST_SYNAPSES
from protocols.spec.faults import installation

#: Compute capability to compile for without a GPU: Hopper (H100, H200).
DEFAULT_CAPABILITY = "9.0"
CONTEXT_BYTES = 600e6  # the CUDA context, kernels and Brian2CUDA's heap
NEURON_BYTES = 4096  # of the variables of a neuron and its spikes in one segment
USED_SHARE = 0.9  # of the free memory


@dataclass(frozen=True)
class Gpu:
    """The first GPU that the driver lists."""

    name: str
    capability: str
    free_bytes: float


def find_gpu() -> Gpu | None:
    """Query the driver; None if there is no GPU or no driver."""
    query = ["nvidia-smi", "--query-gpu=name,compute_cap,memory.free", "--format=csv,noheader,nounits"]
    if shutil.which(query[0]) is None:
        return None
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    first = answer.stdout.strip().splitlines()[:1]
    if answer.returncode or not first or first[0].count(",") != 2:
        return None
    name, capability, free_mib = (field.strip() for field in first[0].split(","))
    return Gpu(name, capability, float(free_mib) * 2**20)


def require_toolchain() -> None:
    """Raise RuntimeError, with one line, if a tool to build CUDA programs is missing."""
    if importlib.util.find_spec("brian2cuda") is None:
        raise RuntimeError(f"brian2cuda is not installed (Python 3.12: {installation('cuda')}); allowed: --device cpp")
    if shutil.which("nvcc") is None or shutil.which("make") is None:
        raise RuntimeError("no CUDA compiler found (nvcc and make); allowed: --device cpp")


def require_gpu() -> Gpu:
    """The GPU; RuntimeError, with one line, if there is none."""
    gpu = find_gpu()
    if gpu is None:
        raise RuntimeError("no NVIDIA GPU found (nvidia-smi lists none); allowed: --device cpp")
    return gpu


def separate_curand() -> tuple[Path, Path] | None:
    """Headers and library of cuRAND from PyPI; None if the toolkit has its own or PyPI's is not installed."""
    nvcc = Path(shutil.which("nvcc") or "nvcc").resolve()
    for toolkit in (os.environ.get("CUDA_PATH"), nvcc.parent.parent):
        if toolkit and (Path(toolkit) / "include" / "curand.h").exists():
            return None
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec else []:
        for header in sorted(Path(root).glob("*/include/curand.h")):
            libraries = sorted((header.parents[1] / "lib").glob("libcurand.so*"))
            if libraries:
                return header.parent, libraries[0]
    return None


def bytes_per_culture(culture: Culture) -> float:
    """Device memory of one culture: two indices, weight and `seen` of every synapse, and its neurons."""
    word = np.dtype(culture.spec.simulation.precision).itemsize
    return culture.n_synapses * (2 * word + 8) + len(culture.positions) * NEURON_BYTES


def cultures_that_fit(free_bytes: float, bytes_of_one: float) -> int:
    """Largest number of cultures in one network for the free memory; 0 if not even one fits."""
    return max(0, int((USED_SHARE * free_bytes - CONTEXT_BYTES) / bytes_of_one))


def batch_size(cultures: Sequence[Culture], free_bytes: float) -> int:
    """Number of cultures to run at a time, limited by memory and by counting synapses in 32 bits.

    Raises
    ------
    RuntimeError
        If one culture is too large for this GPU.
    """
    largest = max(cultures, key=bytes_per_culture)
    fit = cultures_that_fit(free_bytes, bytes_per_culture(largest))
    if fit == 0:
        needed = bytes_per_culture(largest) / 1e9
        raise RuntimeError(f"a culture needs {needed:.1f} GB of GPU memory, {free_bytes / 1e9:.1f} GB are free")
    most = max(1, *(weights.nnz for culture in cultures for weights in culture.weights.values()))
    return max(1, min(fit, int(MOST_SYNAPSES // most), len(cultures)))
