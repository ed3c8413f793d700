"""Memory estimates: the count against real tensors and against a process; protocols that do not fit are refused."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hebbian_dl.images.in_memory import Examples
from hebbian_dl.memory import limits, sizes, work
from hebbian_dl.memory.needs import RESIDENT
from hebbian_dl.memory.sizes import (
    LiveBytes,
    counted,
    evaluation_bytes,
    finetuning_bytes,
    model_bytes,
    pretraining_bytes,
)
from hebbian_dl.run import app
from hebbian_dl.training.evaluation import BATCH, MOST_PIXELS, batch_for
from protocols.loading.loader import load
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import NetworkProtocol

pytestmark = pytest.mark.whole

PROTOCOL = """
name: small
title: a network whose steps take a few hundred megabytes
citation: none
data: {source: digits, validation: 200, size: [48, 48]}
network:
  layers: [{conv: 64, kernel: 3, padding: 1}, {norm: plain}, {pool: 2}, {conv: 64, kernel: 3}, {norm: relative}]
  methods:
    none: {pretraining: none}
    HPCA: {pretraining: hebbian, rule: {rule: hpca}, learning_rate: 0.001}
    SWTA: {pretraining: hebbian, rule: {rule: swta}, learning_rate: 0.001, selection: labelled}
    VAE: {pretraining: vae, latents: 8}
"""
MEASURE = """
import pathlib, sys, torch, torch.optim
from hebbian_dl.memory import sizes
torch.set_num_threads(1)
torch.empty = torch.rand  # images: what memory happened to hold can be NaN, which no training takes
sizes.counted = sizes.LiveBytes = type("Nothing", (), {{
    "peak": 0, "__enter__": lambda self: self, "__exit__": lambda self, *_: None}})
from protocols.loading.loader import load
protocol = load({path!r}, {changes!r})
method = protocol.network.methods[{method!r}]
if {finetuning}:
    sizes.finetuning_bytes(protocol, method, protocol.network.finetuning)
else:
    sizes.pretraining_bytes(protocol, method)
status = pathlib.Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
print(next((line.split()[1] for line in lines if line.startswith("VmHWM")), ""))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(PROTOCOL)
    return file


@pytest.fixture
def protocol(path: Path) -> NetworkProtocol:
    return small(path)


def small(path: Path, *changes: str) -> NetworkProtocol:
    loaded = load(str(path), changes)
    assert isinstance(loaded, NetworkProtocol)
    return loaded


def test_bytes_are_those_of_what_lives_at_the_same_time() -> None:
    with counted() as live:
        first = torch.zeros(1000)
        second = first.view(10, 100) + 1
        assert (live.live, live.peak) == (8000, 8000)
        del first
        third = second.t()[:3]
        assert live.live == 4000
        del second
        assert live.live == 4000  # a view keeps all of it
        del third
        assert (live.live, live.peak) == (0, 8000)


def test_what_backprop_keeps_counts() -> None:
    with counted() as live:
        x = torch.zeros(1000, requires_grad=True)
        y = x.exp().exp().exp()  # each keeps its result
        assert live.live == 16_000
        y.sum().backward()
        del y
        assert live.live == 8_000  # x and its gradient


def test_numbers_that_come_after_are_not_changed_by_a_count(protocol: NetworkProtocol) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    pretraining_bytes(protocol, protocol.network.methods["SWTA"])
    assert torch.equal(torch.rand(3), expected)


class RealBytes(LiveBytes):
    """The same count, of tensors with contents."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, list | tuple) else (result,):
            if isinstance(tensor, Tensor):
                self._take_in(tensor.untyped_storage())
        return result


def test_images_without_labels_count_with_their_augmentations(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = (0, 1, 3)
    tunings = [
        small(path, "network.finetuning.batch=8", f"network.finetuning.consistency={{ratio: {ratio}}}")
        for ratio in ratios
    ]

    def found() -> list[int]:
        return [finetuning_bytes(one, one.network.methods["HPCA"], one.network.finetuning) for one in tunings]

    alone, once, thrice = expected = found()
    assert once > 1.4 * alone
    assert thrice > 2 * once - 0.5 * alone
    monkeypatch.setattr(sizes, "counted", RealBytes)
    monkeypatch.setattr(torch, "empty", torch.rand)  # images
    assert found() == pytest.approx(expected, rel=1e-3)


LOCAL = (
    "network.methods={FF: {pretraining: forward_forward}, sparse: {pretraining: hebbian, learning_rate: 0.1, "
    "rule: {rule: sparse_coding, iterations: 3}}}"
)


@pytest.mark.parametrize("name", ["none", "HPCA", "SWTA", "VAE", "FF", "sparse"])
@pytest.mark.parametrize("at_a_time", ["null", "3"])
def test_tensors_without_contents_are_as_many_as_those_with(
    name: str, at_a_time: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With colour images: for images of one channel, torch's two memory formats are the same."""
    data = "data={source: synthetic, n_classes: 2, images: 9, test_images: 1, validation: 2, size: [16, 12]}"
    batches = [f"network.finetuning.{key}" for key in ("batch=8", f"at_a_time={at_a_time}")]
    if name != "none":
        batches += [f"network.methods.{name}.{key}" for key in ("batch=8", f"at_a_time={at_a_time}")]
    protocol = small(path, data, *([LOCAL] if name in ("FF", "sparse") else []), *batches)
    method, tuning = protocol.network.methods[name], protocol.network.finetuning

    def found() -> list[int]:
        return [
            pretraining_bytes(protocol, method),
            finetuning_bytes(protocol, method, tuning),
            evaluation_bytes(protocol, method),
        ]

    expected = found()
    monkeypatch.setattr(sizes, "counted", RealBytes)
    monkeypatch.setattr(torch, "empty", torch.rand)  # images
    assert found() == pytest.approx(expected, rel=1e-4)  # some kernels of a processor leave empty results out


@pytest.mark.parametrize(("method", "finetuning"), [("SWTA", False), ("HPCA", True)])
def test_the_estimate_is_what_a_process_takes(method: str, finetuning: bool, path: Path) -> None:
    changes = ["network.methods.SWTA.batch=128"]
    code = MEASURE.format(path=str(path), changes=changes, method=method, finetuning=finetuning)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert run.returncode == 0, run.stderr
    if not run.stdout.strip():
        pytest.skip("the system tells no peak of memory")
    measured = int(run.stdout) * 1024
    protocol = small(path, *changes)
    steps = [need for need in limits.needs(protocol, method) if need.steps is not None][finetuning]
    estimated = steps.total - limits.images_bytes(protocol.data, limits.largest_batch(protocol))
    assert measured == pytest.approx(estimated, rel=0.3)
    assert estimated > RESIDENT + 100e6  # the estimate is more than the bare process


def test_a_model_is_its_weights_and_statistics(protocol: NetworkProtocol) -> None:
    numbers = 64 * 9 + 64 * 64 * 9 + 2 * (4 * 64) + (64 * 22 * 22 + 1) * 10  # convolutions, norms, classifier
    assert model_bytes(protocol, protocol.network.methods["HPCA"]) == 4 * numbers + 2 * 8  # and batches counted


def test_a_step_takes_more_with_more_images_at_a_time(path: Path) -> None:
    protocol = small(path, "network.methods.SWTA.batch=256")
    method = protocol.network.methods["SWTA"]
    whole, parts = (pretraining_bytes(protocol, method.model_copy(update={"at_a_time": n})) for n in (None, 64))
    images = 256 * 48 * 48 * 4
    assert 3 < (whole - images) / (parts - images) < 4.5


@pytest.mark.parametrize("change", ["", "network.methods.HPCA.at_a_time=900"])
def test_what_is_allowed_fits_and_one_more_does_not(change: str, path: Path) -> None:
    base = ["network.methods.HPCA.batch=1000", *([change] if change else [])]
    key = "at_a_time" if change else "batch"
    steps = next(need for need in limits.needs(small(path, *base), "HPCA") if need.steps is not None)
    free = steps.total - 10**8
    with pytest.raises(ProtocolFault) as refused:
        only_pretraining(small(path, *base), free)
    (line,) = refused.value.lines
    given = 900 if change else 1000
    assert line.startswith(f"network.methods.HPCA.{key}: {given} needs about ")
    allowed = int(re.search(r"allowed: at most (\d+)", line)[1])
    assert (f", or at_a_time: {allowed}" in line) is not bool(change)
    assert 2 <= allowed < given
    only_pretraining(small(path, *base, f"network.methods.HPCA.{key}={allowed}"), free)
    with pytest.raises(ProtocolFault):
        only_pretraining(small(path, *base, f"network.methods.HPCA.{key}={allowed + 1}"), free)


def only_pretraining(protocol: NetworkProtocol, free: int) -> None:
    """Check the memory of HPCA's own steps alone."""
    methods = {"HPCA": protocol.network.methods["HPCA"]}
    tuning = protocol.network.finetuning.model_copy(update={"batch": 2, "validation": 2})
    network = protocol.network.model_copy(update={"methods": methods, "finetuning": tuning})
    data = protocol.data.model_copy(update={"validation": 10})
    limits.check(protocol.model_copy(update={"network": network, "data": data}), free)


def test_where_nothing_fits_it_is_said(protocol: NetworkProtocol) -> None:
    def line(free: int) -> str:
        with pytest.raises(ProtocolFault) as refused:
            limits.check(protocol, free)
        (found,) = refused.value.lines
        return found

    assert line(10**8).startswith("data: preparing images for none needs about")
    assert "allowed: fewer or smaller images" in line(10**8)
    assert limits.check(protocol, None) is None  # free memory is not known
    assert limits.check(protocol, 10**12) is None


def test_the_command_says_it_before_the_first_step(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    free = limits.most_bytes(small(path)) - 1
    monkeypatch.setattr("hebbian_dl.run.available_memory_bytes", lambda: free)
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [str(path), "--device", "cpu", "--out", str(tmp_path / "runs")])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert f"{free / 1e9:.1f} GB are free; allowed: " in line
    assert not list((tmp_path / "runs").rglob("*.npz"))
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [str(path), "--device", "cpu", "--dry-run"])
    assert not exit_.value.code
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("memory: ")]
    assert [re.search(r"GB for a step of (\w+) at batch 64", line)[1] for line in lines[1:]] == ["HPCA", "SWTA", "VAE"]
    assert all("GB for a step of its fine-tuning at batch 64" in line for line in lines)


def test_fewer_trainings_run_at_a_time_where_memory_is_short(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hebbian_dl.run import _jobs

    most = limits.most_bytes(small(path))
    options = cli.Options("cpu", 4, None)
    for free, jobs in ((most, 1), (3 * most - 1, 2), (3 * most, 3), (100 * most, 4), (None, 4)):
        monkeypatch.setattr("hebbian_dl.run.available_memory_bytes", lambda free=free: free)
        assert _jobs(small(path), options) == jobs


@pytest.mark.parametrize(
    ("shape", "n"), [((3, 32, 32), BATCH), ((1, 28, 28), BATCH), ((3, 224, 224), 32), ((3, 5000, 5000), 1), ((8,), 500)]
)
def test_evaluation_takes_no_more_pixels_at_a_time_than_learning(shape: tuple[int, ...], n: int) -> None:
    assert batch_for(shape) == n
    assert n == 1 or n * torch.Size(shape[1:]).numel() <= MOST_PIXELS
    images = Examples(torch.zeros(1).expand(n + 1, *shape), torch.zeros(n + 1).long())
    assert [len(part) for part in images.batches(batch_for(images.shape))] == [n, 1]


def test_processes_of_torchrun_share_batches(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(n: int) -> int:
        protocol = small(path, f"network.methods.HPCA.batch={n}")
        return next(need.total for need in limits.needs(protocol, "HPCA") if need.steps is not None)

    half = step(500)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert step(999) == step(1000) == half
    with pytest.raises(ProtocolFault, match=r"batch: 1000 needs .* free; allowed: at most 9\d\d,"):
        only_pretraining(small(path, "network.methods.HPCA.batch=1000"), half - 10**7)


def test_a_count_asks_no_other_process(protocol: NetworkProtocol, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = pretraining_bytes(protocol, protocol.network.methods["HPCA"])
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    assert pretraining_bytes(protocol, protocol.network.methods["HPCA"]) == expected


def test_small_work_is_said_in_small_units() -> None:
    assert [work._flop(flop) for flop in (0, 2e5, 3e7, 4e9, 5e12)] == [
        "0 FLOP", "0.2 MFLOP", "30.0 MFLOP", "4.0 GFLOP", "5.0 TFLOP"
    ]  # fmt: skip
