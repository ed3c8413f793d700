"""Consistency training against a literal loss, against fine-tuning alone, and across a kill."""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hebbian_dl.experiments import semi_supervised
from hebbian_dl.images import augmentation
from hebbian_dl.images.in_memory import Examples, Splits, normalised, whitened
from hebbian_dl.networks.build import build
from hebbian_dl.run import _check_consistency
from hebbian_dl.training import loop
from hebbian_dl.training.consistency import Unlabelled, agreement_loss, consistent_loss
from hebbian_dl.training.loop import Training
from hebbian_dl.training.supervised import classifier, supervised_training
from protocols.images.datasets import LabelledImages
from protocols.images.examples import ImageSplits
from protocols.loading import overrides
from protocols.runs.run_directory import Run
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.descent import Finetuning
from protocols.spec.nets.fixmatch import Consistency
from protocols.spec.network import Network
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.rules import HebbianPCA

SHAPE = (1, 8, 8)
LAYERS = Network.model_validate(
    {
        "layers": [{"conv": 4, "kernel": 3}, {"norm": "plain"}, {"dense": 8}],
        "methods": {"none": {"pretraining": "none"}},
    }
).layers
PROTOCOL: dict[str, Any] = {
    "name": "small",
    "title": "Small",
    "citation": "nobody",
    "data": {"source": "digits", "validation": 50, "test": 60},
    "network": {
        "layers": [{"conv": 4, "kernel": 5}, {"norm": "plain"}, {"dense": 8}],
        "methods": {
            "none": {"pretraining": "none"},
            "HPCA": {
                "pretraining": "hebbian",
                "rule": {"rule": "hpca"},
                "learning_rate": 0.01,
                "epochs": 1,
                "whitening": 0.1,
            },
        },
        "finetuning": {"epochs": 3, "batch": 8, "learning_rate": 0.01},
        "regimes": [0.02],
    },
    "seeds": 1,
}


def pixels_of(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *SHAPE)).astype(np.uint8)


def splits() -> Splits[Examples]:
    parts = [LabelledImages(pixels_of(n, n), np.arange(n) % 3) for n in (40, 9, 6)]
    return normalised(ImageSplits(*parts), torch.device("cpu"))


def test_the_loss_equals_the_literal_formula() -> None:
    """Equation 4, image by image: the mean is over all images, also over those below the threshold."""
    weak = torch.tensor([[4.0, 0.0, 0.0], [0.0, 3.0, 2.9], [0.0, 0.0, 9.0], [-1.0, -1.0, -1.0]])
    strong = torch.tensor([[0.5, 1.0, 0.0], [3.0, 0.0, 0.0], [1.0, 0.0, 0.2], [0.0, 5.0, 0.0]])
    total, counted = 0.0, 0
    for u, v in zip(weak.tolist(), strong.tolist(), strict=True):
        share = [math.exp(a) / sum(map(math.exp, u)) for a in u]
        if max(share) >= 0.95:
            total -= math.log(math.exp(v[share.index(max(share))]) / sum(map(math.exp, v)))
            counted += 1
    assert counted == 2
    assert agreement_loss(weak, strong, 0.95).item() == pytest.approx(total / 4, rel=1e-6)
    assert agreement_loss(weak, strong, 1.0).item() == 0
    everything = nn.functional.cross_entropy(strong, torch.tensor([0, 1, 2, 0]))
    assert agreement_loss(weak, strong, 0.0).item() == pytest.approx(everything.item(), rel=1e-6)


def test_the_loss_of_a_batch_adds_that_of_the_images_drawn_for_it() -> None:
    """On a linear classifier, with the same random numbers drawn again; targets carry no gradient."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    images, spec = splits(), Consistency(threshold=0.5, weight=0.7, ratio=2, strong=("geometry", "cutout"))
    rest = Unlabelled.besides(np.arange(4), images, images.prepare)
    batch = images.training.take(torch.arange(4))
    torch.manual_seed(1)
    loss = consistent_loss(model, spec, rest)(batch)
    loss.backward()
    gradient = model[1].weight.grad.clone()
    torch.manual_seed(1)
    index = torch.randint(36, (8,))
    drawn = torch.from_numpy(pixels_of(40, 40))[4:][index] / 255.0
    assert images.prepare is not None
    weak = images.prepare(255 * augmentation.weak(drawn, ("shift",)))
    strong = images.prepare(255 * augmentation.strong(augmentation.weak(drawn, ("shift",)), spec.strong))
    share = model(weak).detach().softmax(1)
    chosen = [i for i in range(8) if share[i].max() >= 0.5]
    assert 0 < len(chosen) < 8
    scores = model(strong).log_softmax(1)
    added = torch.stack([-scores[i, share[i].argmax()] for i in chosen]).sum() / 8
    expected = nn.functional.cross_entropy(model(batch.images), batch.labels) + 0.7 * added
    torch.testing.assert_close(loss, expected)
    model.zero_grad()
    expected.backward()
    torch.testing.assert_close(gradient, model[1].weight.grad)


def test_targets_come_from_a_network_without_dropout_whose_statistics_only_the_training_pass_moves() -> None:
    torch.manual_seed(0)
    model = classifier(build(LAYERS, SHAPE, HebbianPCA()), 8, 3, 0.5)
    images, modes = splits(), list[bool]()
    model[1].register_forward_pre_hook(lambda module, inputs: modes.append(module.training))
    rest = Unlabelled.besides(np.arange(4), images, images.prepare)
    model.train()
    consistent_loss(model, Consistency(ratio=3), rest)(images.training.take(torch.arange(4)))
    assert modes == [False, True]
    assert model.training
    assert model[1][1].num_batches_tracked == 1


@pytest.mark.parametrize("side", [None, 3])
def test_pixels_are_augmented_before_they_are_whitened(side: int | None) -> None:
    """Inputs of unlabelled images without augmentation are those of the data set, whitened or not."""
    plain = splits()
    white = whitened(plain, 0.1, side)
    labelled = np.array([0, 3, 7])
    rest = np.setdiff1d(np.arange(40), labelled)
    for images in (plain, white):
        unlabelled = Unlabelled.besides(labelled, plain, images.prepare)
        np.testing.assert_array_equal(unlabelled.pixels.numpy(), pixels_of(40, 40)[rest])
        torch.testing.assert_close(
            unlabelled.inputs(unlabelled.pixels / 255.0), images.training.images[rest], rtol=1e-4, atol=1e-4
        )


def training_of() -> Training:
    torch.manual_seed(5)
    model, images = classifier(build(LAYERS, SHAPE, HebbianPCA()), 8, 3, 0.5), splits()
    rest = Unlabelled.besides(np.arange(12), images, images.prepare)
    tuning = Finetuning(epochs=3, batch=4, learning_rate=0.05)
    few, spec = images.training.take(torch.arange(12)), Consistency(ratio=2, threshold=0.4)
    return supervised_training("net", model, tuning, few, images, consistent_loss(model, spec, rest))


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("at", [0.1, 0.5, 0.8])
def test_a_killed_training_goes_on_bit_for_bit(at: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, again = training_of(), training_of()
    whole.run(0, None, None, lambda fraction: None)
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1)

    def kill(fraction: float) -> None:
        if fraction > at:
            raise Killed

    with pytest.raises(Killed):
        training_of().run(0, tmp_path / "x.safetensors", None, kill)
    torch.manual_seed(99)
    again.run(0, tmp_path / "x.safetensors", None, lambda fraction: None)
    assert again.history == whole.history
    own = whole.model.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in again.model.state_dict().items())


def run(method: str, regime: float = 0.02, **consistency: Any) -> dict[str, np.ndarray]:
    network = PROTOCOL["network"]
    tuning = network["finetuning"] | ({"consistency": consistency} if consistency else {})
    content = PROTOCOL | {"network": network | {"finetuning": tuning, "regimes": [regime]}}
    protocol = overrides.check(content)
    assert isinstance(protocol, NetworkProtocol)
    with tempfile.TemporaryDirectory() as folder:
        directory = Run(Path(folder), protocol, "key")
        with directory.writing():
            return semi_supervised.run_method(protocol, "cpu", directory, 0, method, lambda fraction: None)


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """All arrays but the times are equal bit for bit."""
    assert found.keys() == expected.keys()
    for key in found:
        if "wall_s" not in key:
            np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


@pytest.mark.parametrize("method", ["none", "HPCA"])
def test_without_weight_ratio_or_unlabelled_images_it_is_fine_tuning_alone_bit_for_bit(method: str) -> None:
    alone = run(method)
    for consistency in ({"weight": 0.0}, {"ratio": 0}):
        found = run(method, **consistency)
        same(found, alone)


def test_unlabelled_images_change_what_is_learned() -> None:
    alone, found = (run("none", **options)["validation"] for options in ({}, {"threshold": 0.0, "ratio": 4}))
    assert found != alone


REFUSED = "network.finetuning.consistency: with images in files, which are decoded anew for every batch; allowed: null,"


def test_images_in_files_are_refused_in_one_line() -> None:
    files = {"source": "synthetic", "n_classes": 3, "images": 9, "test_images": 2, "validation": 6, "size": [12, 12]}
    tuning = {"finetuning": {"consistency": {}}}
    with pytest.raises(ProtocolFault) as fault:
        overrides.check(PROTOCOL | {"data": files, "network": PROTOCOL["network"] | tuning})
    assert len(fault.value.lines) == 1
    assert REFUSED in fault.value.lines[0]


def test_several_processes_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    network = PROTOCOL["network"] | {"finetuning": {"consistency": {}}}
    protocol = overrides.check(PROTOCOL | {"network": network})
    assert isinstance(protocol, NetworkProtocol)
    _check_consistency(protocol)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ProtocolFault) as fault:
        _check_consistency(protocol)
    assert fault.value.lines == ["network.finetuning.consistency: in 2 processes; allowed: null, or one process"]


@pytest.mark.parametrize(
    ("given", "said"),
    [({"threshold": 1.5}, "threshold: 1.5"), ({"weak": ["turn"]}, "weak.0: 'turn'"), ({"ratio": -1}, "ratio: -1")],
)
def test_settings_out_of_range_are_refused_by_path(given: dict[str, Any], said: str) -> None:
    network = PROTOCOL["network"] | {"finetuning": {"consistency": given}}
    with pytest.raises(ProtocolFault, match=f"network.finetuning.consistency.{said}"):
        overrides.check(PROTOCOL | {"network": network})


def test_with_all_images_labelled_there_is_nothing_to_add() -> None:
    found, alone = run("none", 1.0, ratio=1), run("none", 1.0)
    same(found, alone)
