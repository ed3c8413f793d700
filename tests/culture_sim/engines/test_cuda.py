"""The CUDA engine, tested without a GPU and, where there is one, on it."""

import importlib.util
import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from culture_sim import engines, simulate_many
from culture_sim.engines import gpu
from culture_sim.engines.batch import Batch
from culture_sim.engines.compiled import compiler
from culture_sim.engines.cuda import CudaEngine
from culture_sim.engines.runtime import RuntimeEngine
from culture_sim.model.culture import Culture
from culture_sim.model.parameters import Shape
from tests.conftest import random_session, spec
from tests.culture_sim.engines.test_batch import assert_same, different_cultures
from tests.reference import cuda_on_cpu

pytestmark = pytest.mark.whole

needs_brian2cuda = pytest.mark.skipif(importlib.util.find_spec("brian2cuda") is None, reason="no brian2cuda")
needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc")
needs_gpu = pytest.mark.skipif(gpu.find_gpu() is None, reason="no GPU")


def compare_with_runtime(engine: CudaEngine) -> None:
    """Compare all cultures of a batch, in a program for one more culture, with each alone in NumPy."""
    batch = different_cultures()
    done: list[int] = []
    recordings = engine.run_batch(batch, lambda presentation, of: done.append(presentation))
    assert done == [1, 2, 3, 4]
    assert len(recordings) == 4
    for culture, presented, recording in zip(batch.cultures, batch.sessions, recordings, strict=True):
        assert_same(recording, RuntimeEngine("numpy").run(culture, presented, lambda done, of: None), culture)
    assert sum(len(recording.neuron) for recording in recordings) > 5000


@pytest.mark.slow
@needs_brian2cuda
@needs_compiler
def test_the_generated_program_does_the_same_when_its_kernels_run_on_the_processor(tmp_path: Path) -> None:
    from culture_sim.engines.cuda_program import generate

    shape = different_cultures().shape
    generate(shape, 5, gpu.DEFAULT_CAPABILITY, tmp_path)
    compare_with_runtime(CudaEngine(shape, 5, cuda_on_cpu.build(tmp_path)))


@pytest.mark.slow
@needs_brian2cuda
@needs_compiler
def test_likewise_in_single_precision_with_a_static_projection(tmp_path: Path) -> None:
    from culture_sim.engines.cuda_program import generate

    single = {"simulation__precision": "float32", "excitatory__plastic": False}
    cultures = (Culture.grow(spec(60, **single), 0), Culture.grow(spec(60, **single, plasticity__A_plus="0.05 mV"), 1))
    batch = Batch(cultures, (random_session(6, seed=0), random_session(6, seed=1)))
    generate(batch.shape, 2, gpu.DEFAULT_CAPABILITY, tmp_path)
    engine = CudaEngine(batch.shape, 2, cuda_on_cpu.build(tmp_path))
    recordings = engine.run_batch(batch, lambda done, of: None)
    for culture, presented, recording in zip(cultures, batch.sessions, recordings, strict=True):
        alone = RuntimeEngine("numpy").run(culture, presented, lambda done, of: None)
        assert len(alone.neuron) > 1000
        assert_same(recording, alone, culture, atol=1e-5)
        np.testing.assert_array_equal(recording.weights["excitatory"].data, culture.weights["excitatory"].data)


def device_code(program: Path) -> set[tuple[int, int]]:
    """(kind, architecture) of all GPU code in an executable; kind 2 is machine code."""
    content, found = program.read_bytes(), set()
    start = content.find(b"\x50\xed\x55\xba")
    while start >= 0:
        _, _, header, size = struct.unpack_from("<IHHQ", content, start)
        at, end = start + header, start + header + size
        while at < end:
            kind, _, entry_header, entry_size = struct.unpack_from("<HHIQ", content, at)
            found.add((kind, struct.unpack_from("<I", content, at + 28)[0]))
            at += entry_header + entry_size
        start = content.find(b"\x50\xed\x55\xba", end)
    return found


@pytest.mark.gpu_build
@pytest.mark.slow
@needs_brian2cuda
@needs_nvcc
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_nvcc_builds_the_program_for_the_architecture(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from culture_sim.engines.cuda_program import compiled

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shape = Shape.of(spec(60, simulation__precision=precision))
    program = compiled(shape, 3, "9.0")
    assert os.access(program, os.X_OK)
    assert (2, 90) in device_code(program)
    built = program.stat().st_mtime_ns
    assert compiled(shape, 3, "9.0").stat().st_mtime_ns == built  # taken from the cache


@pytest.mark.gpu
@needs_brian2cuda
@needs_nvcc
@needs_gpu
def test_cultures_on_a_gpu_do_what_they_do_alone() -> None:
    compare_with_runtime(CudaEngine.prepare(different_cultures().shape, 5))


@pytest.mark.gpu
@needs_brian2cuda
@needs_nvcc
@needs_gpu
def test_a_generation_is_run_in_as_many_batches_as_memory_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("culture_sim.engines.gpu.batch_size", lambda cultures, free_bytes: 3)
    cultures = [Culture.grow(spec(60), seed) for seed in range(4)]
    sessions = [random_session(3, seed=seed) for seed in range(4)]
    for culture, session, recording in zip(cultures, sessions, simulate_many(cultures, sessions, "cuda"), strict=True):
        assert_same(recording, RuntimeEngine("numpy").run(culture, session, lambda done, of: None), culture)


def test_many_cultures_without_a_gpu_are_run_one_after_the_other() -> None:
    cultures = [Culture.grow(spec(60), seed) for seed in range(2)]
    sessions = [random_session(2, seed=seed) for seed in range(2)]
    together = simulate_many(cultures, sessions)
    for culture, session, recording in zip(cultures, sessions, together, strict=True):
        assert_same(recording, RuntimeEngine("numpy").run(culture, session, lambda done, of: None), culture)


def test_batch_size_follows_the_memory_that_is_free() -> None:
    culture = Culture.grow(spec(60), 0)
    one = gpu.bytes_per_culture(culture)
    assert one == culture.n_synapses * 24 + 60 * gpu.NEURON_BYTES
    assert gpu.cultures_that_fit((gpu.CONTEXT_BYTES + 7.5 * one) / gpu.USED_SHARE, one) == 7
    assert gpu.cultures_that_fit(gpu.CONTEXT_BYTES, one) == 0
    assert gpu.batch_size([culture] * 10, (gpu.CONTEXT_BYTES + 7.5 * one) / gpu.USED_SHARE) == 7
    assert gpu.batch_size([culture] * 3, 80e9) == 3
    with pytest.raises(RuntimeError, match="GB of GPU memory"):
        gpu.batch_size([culture], 100e6)


def test_synapses_of_a_batch_are_countable(monkeypatch: pytest.MonkeyPatch) -> None:
    culture = Culture.grow(spec(60), 0)
    most = max(weights.nnz for weights in culture.weights.values())
    monkeypatch.setattr(gpu, "MOST_SYNAPSES", 5 * most + 1)
    assert gpu.batch_size([culture] * 10, 80e9) == 5


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("echo 'NVIDIA H100 80GB HBM3, 9.0, 80000'", gpu.Gpu("NVIDIA H100 80GB HBM3", "9.0", 80000 * 2**20)),
        ("echo 'No devices were found'", None),
        ("echo 'NVIDIA-SMI has failed' && exit 9", None),
    ],
)
def test_the_driver_is_asked_for_the_gpu(
    answer: str, expected: gpu.Gpu | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "nvidia-smi"
    fake.write_text(f"#!/bin/sh\n{answer}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu.find_gpu() == expected


def test_what_is_missing_for_cuda_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape.of(spec(60))
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"^brian2cuda is not installed .*; allowed: --device cpp$"):
        engines.prepare("cuda", shape)
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(gpu.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"^no CUDA compiler found .*; allowed: --device cpp$"):
        engines.prepare("cuda", shape)
    monkeypatch.setattr(gpu.shutil, "which", lambda name: name)
    monkeypatch.setattr(gpu, "find_gpu", lambda: None)
    with pytest.raises(RuntimeError, match=r"^no NVIDIA GPU found .*; allowed: --device cpp$"):
        engines.prepare("cuda", shape)


def test_a_program_refuses_cultures_it_was_not_compiled_for() -> None:
    batch = different_cultures()
    for engine in (
        CudaEngine(batch.shape, 3, Path("main")),
        CudaEngine(replace(batch.shape, n_neurons=61), 4, Path("main")),
    ):
        with pytest.raises(ValueError, match="this program was compiled for up to"):
            engine.run_batch(batch, lambda done, of: None)


def test_files_of_a_batch_come_back_as_they_were(tmp_path: Path) -> None:
    """The input files, copied to the outputs with shuffled spikes, are read back unchanged."""
    from culture_sim.engines.cuda import read_outputs, write_inputs

    batch = different_cultures()
    write_inputs(tmp_path, batch)
    for name in ("electrode", "excitatory", "inhibitory"):
        data = np.fromfile(tmp_path / "inputs" / f"{name}.data")
        np.concatenate([data, data * 2, data * 3, data * 4]).tofile(tmp_path / "outputs" / f"{name}.data")
    np.array([61, 3, 60, 2], np.int32).tofile(tmp_path / "outputs" / "spikes.neuron")
    (np.array([5, 5, 5, 9]) * 1e-3).tofile(tmp_path / "outputs" / "spikes.time")
    first, second, *_ = read_outputs(tmp_path, batch)
    assert list(zip(first.step, first.neuron, strict=True)) == [(5, 3), (9, 2)]
    assert list(zip(second.step, second.neuron, strict=True)) == [(5, 0), (5, 1)]
    was = batch.cultures[1].weights["excitatory"].data
    np.testing.assert_array_equal(second.weights["excitatory"].data, 4 * was)
    assert [k for k, _ in second.snapshots] == [2, 3]
    np.testing.assert_array_equal(second.snapshots[0][1]["excitatory"].data, 2 * was)
