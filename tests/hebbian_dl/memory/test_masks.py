"""Memory of segmentation, counted before the first step."""

import re
from typing import Any

import pytest
import torch

from hebbian_dl.memory import limits, masks
from hebbian_dl.segmentation.inputs import inputs_of
from protocols.images.masks.examples import load_masks
from protocols.loading.overrides import check
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.pretraining import NoPretraining
from protocols.spec.protocol import SegmentationProtocol
from tests.hebbian_dl.memory.test_memory import RealBytes


def small(tuning: dict[str, Any] | None = None, size: int = 16, **changes: Any) -> SegmentationProtocol:
    """One method of each kind, for colour images: of one channel, torch's two memory formats are the same."""
    methods = {
        "none": {"pretraining": "none"},
        "HPCA": {"pretraining": "hebbian", "rule": {"rule": "hpca"}, "learning_rate": 0.01, "batch": 4},
        "SWTA": {"pretraining": "hebbian", "rule": {"rule": "swta"}, "learning_rate": 0.01, "batch": 4, "at_a_time": 2},
        "denoising": {"pretraining": "denoising", "batch": 4},
        "VAE": {"pretraining": "vae", "batch": 4, "optimizer": "adam"},
    }
    data = {"source": "shapes_with_masks", "images": 6, "validation": 2, "test": 3, "size": [size, size]}
    section = {"network": {"width": 4, "depth": 1}, "methods": methods, "finetuning": {"batch": 4} | (tuning or {})}
    found = check({"name": "s", "title": "s", "citation": "s", "data": data, "segmentation": section | changes})
    assert isinstance(found, SegmentationProtocol)
    return found


def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count tensors with contents."""
    monkeypatch.setattr(masks, "counted", RealBytes)
    monkeypatch.setattr(torch, "empty", torch.rand)  # images


@pytest.mark.parametrize("name", ["none", "HPCA", "SWTA", "denoising", "VAE"])
def test_tensors_without_contents_are_as_many_as_those_with(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = small()
    method = protocol.segmentation.methods[name]

    def found() -> list[int]:
        if isinstance(method, NoPretraining):
            return [masks.statistics_bytes(protocol, name, 4), masks.answers_bytes(protocol, name)]
        return [masks.learned_bytes(protocol, name, method)]

    expected = found()
    real(monkeypatch)
    assert found() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("unlabelled", [None, {"method": "mean_teacher"}, {"method": "cross_pseudo", "ratio": 2}])
def test_companions_and_images_without_masks_count(
    unlabelled: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = small({"unlabelled": unlabelled})
    expected = masks.tuning_bytes(protocol, "none", protocol.segmentation.finetuning)
    assert (expected > 1.4 * masks.tuning_bytes(small(), "none", small().segmentation.finetuning)) is bool(unlabelled)
    real(monkeypatch)
    found = masks.tuning_bytes(protocol, "none", protocol.segmentation.finetuning)
    assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("patch", [None, (8, 8)])
def test_images_and_masks_are_those_in_memory(patch: tuple[int, int] | None) -> None:
    protocol = small(patch=patch)
    inputs, read = inputs_of(protocol.data, torch.device("cpu"), patch), load_masks(protocol.data)
    held = sum(part.images.nbytes + part.masks.nbytes for part in (read.training, read.validation, read.test))
    unmasked = inputs.unmasked
    held += unmasked.training.images.nbytes + (unmasked.validation.images.nbytes if patch else 0)
    for part in (inputs.masked.training, inputs.masked.validation, inputs.masked.test):
        held += part.images.nbytes + part.labels.nbytes
    assert masks.images_bytes(protocol) == pytest.approx(held, rel=0.1 if patch else 1e-6)


def test_patches_take_less_than_images() -> None:
    whole, parts = small(size=64), small(size=64, patch=[16, 16])
    most, least = (masks.tuning_bytes(one, "none", one.segmentation.finetuning) for one in (whole, parts))
    assert 8 < most / least < 20
    assert masks.example_bytes(parts) == masks.example_bytes(whole) == 64 * 64 * (3 * 4 + 8)


def test_what_is_allowed_fits_and_one_more_does_not() -> None:
    def tuned(batch: int) -> SegmentationProtocol:
        methods = {"none": {"pretraining": "none"}}
        return small({"batch": batch, "epoch_images": 100}, size=32, methods=methods)

    steps = next(need.steps for need in masks.needs(tuned(100), "none") if need.steps)
    free = steps.total - 10**7
    with pytest.raises(ProtocolFault) as refused:
        limits.check(tuned(100), free)
    (line,) = refused.value.lines
    assert line.startswith("segmentation.finetuning.batch: 100 needs about ")
    allowed = int(re.search(r"allowed: at most (\d+), or at_a_time: ", line)[1])  # type: ignore[index]
    limits.check(tuned(allowed), free)
    with pytest.raises(ProtocolFault):
        limits.check(tuned(allowed + 1), free)
    with pytest.raises(ProtocolFault, match=r"^data: images and masks needs about"):
        limits.check(tuned(4), 10**8)
