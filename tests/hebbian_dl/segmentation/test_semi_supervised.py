"""Semi-supervised segmentation: each loss against its published equation, the teacher against a running mean."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hebbian_dl.images.in_memory import Examples
from hebbian_dl.networks.architectures.unet import EncoderDecoder
from hebbian_dl.segmentation.finetuning import finetuning
from hebbian_dl.segmentation.segmenter import Segmenter
from hebbian_dl.segmentation.semi_supervised import WithCompanion, consistency, cross_pseudo, entropy, ramp
from hebbian_dl.training import loop
from protocols.spec.nets.architecture import UNet
from protocols.spec.nets.few_masks import Unlabelled
from protocols.spec.nets.segmentation import MaskFinetuning

METHODS = ("entropy", "mean_teacher", "uncertainty", "cross_pseudo")


def segmenter() -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(EncoderDecoder(UNet(width=3, depth=1), 1, 0.1), 2)


def examples(n: int) -> Examples:
    """Noise in which a bright square is the mask."""
    generator = torch.Generator().manual_seed(n)
    masks = torch.zeros(n, 8, 8, dtype=torch.int64)
    masks[:, 2:6, 2:6] = 1
    return Examples(torch.randn(n, 1, 8, 8, generator=generator) + 2 * masks[:, None], masks)


def shares_of(*rows: list[float]) -> Tensor:
    """Probabilities of the classes of each pixel of one image, shape (1, n_classes, 1, n_pixels)."""
    return torch.tensor(rows, dtype=torch.float64).t()[None, :, None]


def test_entropy_is_minus_the_sum_of_p_log_p() -> None:
    found = entropy(shares_of([0.5, 0.5], [0.9, 0.1], [1.0, 0.0]))
    wanted = [math.log(2), -0.9 * math.log(0.9) - 0.1 * math.log(0.1), 0]
    assert found.flatten().tolist() == pytest.approx(wanted, abs=1e-12)


def test_consistency_is_the_mean_square_over_reliable_pixels() -> None:
    student, teacher = shares_of([0.7, 0.3], [0.2, 0.8], [0.5, 0.5]), shares_of([0.9, 0.1], [0.2, 0.8], [0.1, 0.9])
    assert consistency(student, teacher).item() == pytest.approx((0.2**2 + 0 + 0.4**2) / 3)
    reliable = torch.tensor([True, True, False]).reshape(1, 1, 3)
    assert consistency(student, teacher, reliable).item() == pytest.approx(0.2**2 / 2)
    assert consistency(student, teacher, reliable & False).item() == 0


def test_cross_pseudo_labels_are_the_other_networks_classes() -> None:
    one, other = shares_of([0.7, 0.3], [0.4, 0.6]), shares_of([0.2, 0.8], [0.1, 0.9])
    wanted = -(math.log(0.3) + math.log(0.6)) / 2 - (math.log(0.2) + math.log(0.9)) / 2
    scores = one.log().requires_grad_(), other.log().requires_grad_()
    loss = cross_pseudo(*scores)
    assert loss.item() == pytest.approx(wanted)
    loss.backward()
    # of a cross-entropy: probabilities minus the class of the *other* network, per pixel
    assert torch.allclose(scores[0].grad, (one - shares_of([0.0, 1.0], [0.0, 1.0])) / 2)
    assert torch.allclose(scores[1].grad, (other - shares_of([1.0, 0.0], [0.0, 1.0])) / 2)


def test_the_weight_rises_to_one() -> None:
    assert [ramp(0), ramp(0.5), ramp(1), ramp(3)] == pytest.approx([math.exp(-5), math.exp(-1.25), 1, 1])


def test_a_teacher_is_the_running_mean_of_its_student() -> None:
    both = WithCompanion(segmenter(), Unlabelled(method="mean_teacher", decay=0.6))
    wanted, student = 0.0, both.model.head.bias
    for step, value in enumerate((3.0, 5.0, -1.0, 4.0, 2.0)):
        student.data.fill_(value)
        both.follow()
        decay = min(1 - 1 / (step + 1), 0.6)  # a copy of the first step's, then the published decay
        wanted = decay * wanted + (1 - decay) * value
        assert both.teacher.head.bias.tolist() == pytest.approx([wanted] * 2, abs=1e-6)
    assert not any(p.requires_grad for p in both.teacher.parameters())


def test_unsure_pixels_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher that is sure of half of the pixels: the loss is that of these, until the threshold lets all in."""
    both = WithCompanion(segmenter(), Unlabelled(method="uncertainty", passes=2))
    images, sure = torch.zeros(1, 1, 2, 2), torch.tensor([[True, True], [False, False]])
    high = torch.where(sure, 0.95, 0.55)[None]
    teacher = torch.stack([1 - high, high], 1).log()
    student = torch.tensor([0.4, 0.6]).log().reshape(1, 2, 1, 1).expand_as(teacher)
    monkeypatch.setattr(both.companion, "forward", lambda _: teacher)
    monkeypatch.setattr(both.model, "forward", lambda _: student)
    assert both.loss(images, 0.0).item() == pytest.approx(0.35**2, abs=1e-6)
    assert both.loss(images, 1.0).item() == pytest.approx((0.35**2 + 0.05**2) / 2, abs=1e-6)


def trained(extra: Unlabelled) -> tuple[Segmenter, Any]:
    """A segmenter, and its training, not begun."""
    spec = MaskFinetuning(epochs=2, batch=2, epoch_images=4, learning_rate=0.01, unlabelled=extra)
    model = segmenter()
    return model, finetuning("x", model, spec, examples(2), examples(3), examples(6))


@pytest.mark.parametrize("method", METHODS)
def test_each_method_changes_what_is_learned(method: Any) -> None:
    """The same draws, with and without weight."""
    found = []
    for weight in (0.0, 1.0):
        model, training = trained(Unlabelled(method=method, weight=weight, passes=2))
        training.run(0, None, None, lambda _: None)
        assert all(math.isfinite(record["training_loss"]) for record in training.history)
        found.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert (found[0] - found[1]).abs().max() > 1e-5


@pytest.mark.parametrize("method", ["mean_teacher", "cross_pseudo"])
def test_an_interrupted_training_continues_with_its_companion(
    method: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1)

    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    ends = []
    for path in (None, tmp_path / "x.safetensors"):
        if path is not None:
            _, training = trained(Unlabelled(method=method))
            training.watch = stop  # after the first epoch, whose last checkpoint is from its middle
            with pytest.raises(KeyboardInterrupt):
                training.run(0, path, None, lambda _: None)
            assert path.exists()
        _, training = trained(Unlabelled(method=method))
        training.run(0, path, None, lambda _: None)
        ends.append(training.model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_the_second_network_starts_with_another_last_layer_and_learns() -> None:
    both = WithCompanion(segmenter(), Unlabelled(method="cross_pseudo"))
    assert not torch.equal(both.model.head.weight, both.teacher.head.weight)
    assert all(map(torch.equal, both.model.network.parameters(), both.teacher.network.parameters()))
    both.loss(examples(2).images, 0.0).backward()
    assert both.teacher.head.weight.grad is not None
    assert both.model.head.weight.grad is not None
