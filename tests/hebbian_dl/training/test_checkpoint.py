"""Checkpoints: complete and of the right network and training, or refused with the name of the file."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hebbian_dl.images.in_memory import Examples
from hebbian_dl.training import checkpoint
from hebbian_dl.training.checkpoint import CheckpointError
from hebbian_dl.training.loop import Training

FACTS = {"training": "name", "seed": 0, "history": [{"score": 1 / 3}, {"score": math.inf}], "text": "é"}


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "dense.weight": torch.randn(7, 5),
        "map": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "half": torch.randn(3, dtype=torch.float64).to(torch.bfloat16),
        "double": torch.randn(3, dtype=torch.float64),
        "count": torch.tensor(2**40 + 1),
        "view": torch.randn(6, 6).t()[1:4],
        "none": torch.zeros(0, 3),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    checkpoint.save(tmp_path / "x.safetensors", tensors(), FACTS)
    return tmp_path / "x.safetensors"


def refused(path: Path, load: Callable[[], Any], *words: str) -> None:
    """Loading reports the fault in one line that begins with the file, and leaves the file as it is."""
    before = path.read_bytes()
    with pytest.raises(CheckpointError) as fault:
        load()
    assert str(fault.value).startswith(f"{path}: ")
    assert "\n" not in str(fault.value)
    for word in words:
        assert word in str(fault.value)
    assert path.read_bytes() == before


def test_what_is_saved_comes_back_bit_by_bit(path: Path) -> None:
    found, facts = checkpoint.load(path)
    assert facts == FACTS
    assert found.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.9999])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, lambda: checkpoint.load(path), "damaged", "delete it")


@pytest.mark.parametrize("start", [0, 0.5, 0.95])
def test_a_file_of_zeros_from_somewhere_on_is_refused(path: Path, start: float) -> None:
    """As after a power failure: the size is right, the content is not."""
    content = path.read_bytes()
    kept = int(start * len(content))
    path.write_bytes(content[:kept] + bytes(len(content) - kept))
    refused(path, lambda: checkpoint.load(path), "damaged")


def test_a_single_wrong_bit_in_a_weight_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    refused(path, lambda: checkpoint.load(path), "damaged", "checksum")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    (tmp_path / "x.npz").rename(path)
    refused(path, lambda: checkpoint.load(path), "damaged")
    path.write_text("checkpoint\n" * 100)
    refused(path, lambda: checkpoint.load(path), "damaged")
    save_file({"a": torch.ones(3)}, path)  # a file of another program: without facts
    refused(path, lambda: checkpoint.load(path), "damaged")
    save_file({"a": torch.ones(3)}, path, {"facts": "3"})
    refused(path, lambda: checkpoint.load(path), "damaged")


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match=f"^{path}: ") as fault:
            checkpoint.load(path)
        assert "\n" not in str(fault.value)


def test_saving_that_fails_leaves_the_last_checkpoint(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(held: object, file: Path, *_: object) -> None:
        file.write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, {"a": torch.ones(3)}, {})
    assert path.read_bytes() == before
    monkeypatch.undo()
    assert len(list(path.parent.iterdir())) == 2  # and the incomplete file, which is never read
    assert checkpoint.load(path)[1] == FACTS
    checkpoint.save(path, {"a": torch.ones(3)}, {})
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def network(width: int = 4, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, width, bias=bias), nn.BatchNorm1d(width))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (network(5), "0.weight has shape (5, 3); allowed: (4, 3)"),
        (network(bias=False), "0.bias has shape None; allowed: (4,)"),
        (nn.Sequential(network()[0], network()[1], nn.Linear(4, 1)), "allowed: None"),
        (nn.Sequential(), "0.weight has shape None"),
    ],
)
def test_the_weights_of_another_network_are_refused_and_not_a_part_of_them_is_taken(
    other: nn.Module, said: str, tmp_path: Path
) -> None:
    path, model = tmp_path / "x.safetensors", network()
    checkpoint.save(path, other.state_dict(), {})
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    refused(path, lambda: checkpoint.restore(model, checkpoint.load(path)[0], path), "another network", said)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def training(name: str = "mine", width: int = 4, epochs: int = 2) -> Training:
    model = network(width)
    examples = Examples(torch.arange(24.0).reshape(8, 3), torch.zeros(8, dtype=torch.long))

    def step(batch: Examples) -> None:
        model[0].weight.data += batch.images.mean()

    return Training(name, model, examples, 4, epochs, step, lambda: {"score": 0.0})


def run(work: Training, path: Path, seed: int = 0) -> None:
    work.run(seed, path, None, lambda fraction: None)


def test_a_training_refuses_the_checkpoint_of_another_one(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    run(training(), path)
    refused(path, lambda: run(training("yours"), path), "training mine", "allowed: yours")
    refused(path, lambda: run(training(), path, seed=1), "seed 0", "allowed: 1")
    refused(path, lambda: run(training(width=5), path), "another network")
    checkpoint.save(path, network().state_dict(), {"method": "mine", "seed": 0, "history": []})  # a finished network
    refused(path, lambda: run(training(), path), "training None", "allowed: mine")


def test_a_damaged_checkpoint_is_no_silent_restart(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    run(training(), path)
    path.write_bytes(path.read_bytes()[:-10])
    work = training()
    work.step = lambda batch: pytest.fail("it began anew")
    refused(path, lambda: run(work, path), "damaged")


def test_an_unfinished_file_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.with_name(path.name + ".unfinished").write_bytes(b"half a file")
    torch.manual_seed(0)
    plain = training()
    run(plain, tmp_path / "y.safetensors")
    torch.manual_seed(0)
    beside = training()
    run(beside, path)
    assert torch.equal(beside.model[0].weight, plain.model[0].weight)
    assert {file.name for file in tmp_path.iterdir()} == {"x.safetensors", "y.safetensors"}
