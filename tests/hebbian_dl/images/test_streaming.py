"""Images in files: the same as in memory for any number of workers, exact resumption, unreadable images left out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hebbian_dl.experiments.semi_supervised import take_statistics
from hebbian_dl.images.in_memory import Examples, Splits, normalised
from hebbian_dl.images.streaming import Streamed, TooManyCorrupt, streamed
from hebbian_dl.images.whitening import PatchWhitening, PixelWhitening
from hebbian_dl.networks.build import build
from hebbian_dl.training import checkpoint, loop
from hebbian_dl.training.evaluation import NothingReadable, outputs
from hebbian_dl.training.hebbian import hebbian_training
from hebbian_dl.training.loop import Training
from protocols.images.datasets import LabelledImages
from protocols.images.decode import CorruptImage, decode
from protocols.images.examples import ImageSplits
from protocols.images.listing import ImageFiles
from protocols.images.splits import find_images
from protocols.spec.file_data import FileData, SyntheticData
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.network import Network

CPU = torch.device("cpu")
LAYERS = Network.model_validate(
    {
        "layers": [{"conv": 4, "kernel": 3}, {"norm": "plain"}, {"pool": 2}, {"dense": 6}],
        "methods": {"none": {"pretraining": "none"}},
    }
).layers
HPCA = {"rule": {"rule": "hpca"}, "learning_rate": 0.01, "epochs": 2, "batch": 8, "selection": "labelled"}


@pytest.fixture(autouse=True)
def _data_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path_factory.getbasetemp() / "streamed"))


def data_of(**changes: object) -> FileData:
    """33 training images, 3 of which cannot be read, 6 validation and 6 test images."""
    content = {"n_classes": 3, "images": 13, "test_images": 2, "validation": 6, "side": (20, 40), "size": (12, 12)}
    return SyntheticData.model_validate({"source": "synthetic", "corrupt": 3, "workers": 0} | content | changes)


def in_memory(files: ImageFiles, data: FileData) -> LabelledImages:
    """Decoded one by one; those that cannot be read are left out."""
    pixels, labels = [], []
    for i in range(len(files)):
        try:
            pixels.append(decode(files.read(i), data, None))
            labels.append(files.labels[i])
        except CorruptImage:
            continue
    return LabelledImages(np.stack(pixels), np.array(labels))


def everything(images: Streamed, size: int = 5, order: torch.Tensor | None = None, draw: int | None = None) -> Examples:
    parts = list(images.batches(size, order, draw))
    return Examples(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_images_are_those_in_memory(workers: int) -> None:
    data = data_of(workers=workers)
    files = find_images(data)
    known = normalised(ImageSplits(*(in_memory(p, data) for p in (files.training, files.validation, files.test))), CPU)
    found = streamed(files, data, CPU)
    for name in ("training", "validation", "test"):
        ours, theirs = everything(getattr(found, name)), getattr(known, name)
        torch.testing.assert_close(ours.images, theirs.images, rtol=1e-5, atol=1e-5)
        assert torch.equal(ours.labels, theirs.labels), name
    assert len(found.training) == 33
    assert len(found.training.skipped.reasons) == 33 - len(known.training) > 0


def test_labels_are_known_before_an_image_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = streamed(find_images(data_of()), data_of(), CPU)
    monkeypatch.setattr(ImageFiles, "read", lambda *_: pytest.fail("an image was read"))
    assert found.training.labels.tolist() == sorted(found.training.labels.tolist())
    assert found.training.take(torch.tensor([0, 32])).labels.tolist() == [0, 2]


def test_random_crops_follow_from_the_draw_and_the_image_alone() -> None:
    crops = {"augmentation": "crop_flip", "corrupt": 0}
    alone, together = (
        streamed(find_images(data_of(workers=n, **crops)), data_of(workers=n, **crops), CPU).training for n in (0, 2)
    )
    order = torch.randperm(33, generator=torch.Generator().manual_seed(1))
    first = everything(alone, 5, order, draw=7)
    assert torch.equal(everything(together, 6, order, draw=7).images, first.images)
    resumed = everything(alone, 5, order[10:], draw=7)  # the third batch and those after it
    assert torch.equal(resumed.images, first.images[10:])
    assert not torch.equal(everything(alone, 5, order, draw=8).images, first.images)
    centre = everything(alone, 5, order)
    assert torch.equal(centre.images, everything(alone).images[order])


def test_torchs_global_generator_is_left_alone() -> None:
    found = streamed(find_images(data_of(workers=2)), data_of(workers=2), CPU)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    everything(found.training)
    assert torch.equal(torch.rand(3), expected)


def test_one_image_too_many_that_cannot_be_read_stops_with_its_name() -> None:
    data = data_of(most_corrupt=1)
    with pytest.raises(
        TooManyCorrupt, match=r"^data\.most_corrupt: 1; 2 images cannot be read, the last is .*: "
    ) as it:
        streamed(find_images(data), data, CPU)
    assert "\n" not in str(it.value)


def test_a_batch_that_cannot_be_read_at_all_is_no_step() -> None:
    data = data_of(workers=0)
    files = find_images(data)
    splits = streamed(files, data, CPU)
    bad = [i for i in range(33) if files.training.name(i) in splits.training.skipped.reasons]
    only_bad = splits.training.take(torch.tensor(bad))
    steps: list[int] = []
    work = Training(
        "bad", nn.Linear(1, 1), only_bad, len(bad), 1, lambda batch: steps.append(len(batch)), lambda: {"score": 0.0}
    )
    work.run(0, None, None, lambda fraction: None)
    assert steps == []
    assert [len(batch) for batch in only_bad.batches(len(bad))] == [0]


@pytest.mark.parametrize(("side", "kind"), [(None, PixelWhitening), (3, PatchWhitening)])
def test_whitening_is_that_of_the_images_in_memory(side: int | None, kind: type) -> None:
    data = data_of()
    files = find_images(data)
    known = normalised(ImageSplits(*[in_memory(files.training, data)] * 3), CPU).training.images
    wanted = (kind.fit(known, 0.1) if side is None else kind.fit(known, 0.1, side))(known)
    found = everything(streamed(files, data, CPU, 0.1, side).training).images
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_evaluation_sees_every_image_that_can_be_read_with_its_label() -> None:
    data = data_of()
    files = find_images(data)
    splits = streamed(files, data, CPU)
    found, labels = outputs(lambda images: images.mean((1, 2, 3)), splits.training)
    assert labels.tolist() == in_memory(files.training, data).labels.tolist()
    assert len(found) == len(labels)


def test_where_nothing_can_be_read_it_is_one_line() -> None:
    splits = streamed(find_images(data_of()), data_of(), CPU)
    reasons = splits.training.skipped.reasons
    bad = [i for i in range(33) if splits.training.files.name(i) in reasons]
    with pytest.raises(NothingReadable, match=f"^data: none of {len(bad)} validation or test images can be read"):
        outputs(torch.flatten, splits.training.take(torch.tensor(bad)))


def test_running_statistics_are_those_of_all_classes_though_files_lie_class_by_class() -> None:
    images = torch.zeros(600, 1, 4, 4)
    images[300:] = 1.0  # the second class
    network = nn.Sequential(nn.BatchNorm2d(1))
    take_statistics(network, Examples(images, torch.arange(600) // 300))
    assert network[0].running_mean.item() == pytest.approx(0.5 * (1 - 0.9**10), abs=0.1)  # of ten batches


@pytest.mark.parametrize("shape", [(0, 3, 5, 5), (1, 3, 5, 5)])
def test_a_share_without_images_is_whitened_to_nothing(shape: tuple[int, ...]) -> None:
    images = torch.rand(40, 3, 5, 5)
    for white in (PixelWhitening.fit(images, 0.1), PatchWhitening.fit(images, 0.1, 3)):
        assert white(torch.zeros(shape)).shape == shape


class Stopped(Exception):
    """Simulated power failure."""


def work_on(splits: Splits[Streamed], seed: int) -> Training:
    torch.manual_seed(seed)
    spec = HebbianPretraining.model_validate(HPCA)
    return hebbian_training("HPCA", build(LAYERS, (3, 12, 12), spec.rule), spec, splits, 3)


@pytest.mark.parametrize("augmentation", ["none", "crop_flip"])
def test_a_training_resumed_in_the_middle_of_an_epoch_is_the_uninterrupted_one(
    augmentation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    data = data_of(augmentation=augmentation)
    splits = streamed(find_images(data), data, CPU)
    whole = work_on(splits, 1)
    whole.run(5, None, None, lambda fraction: None)
    begun, path = work_on(splits, 1), tmp_path / "x.safetensors"

    def report(fraction: float) -> None:
        if fraction > 0.7:
            raise Stopped

    with pytest.raises(Stopped):
        begun.run(5, path, None, report)
    assert checkpoint.load(path)[1]["steps"] > 0
    resumed = work_on(streamed(find_images(data), data, CPU), 2)
    resumed.run(5, path, None, lambda fraction: None)
    assert resumed.history == whole.history
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name
