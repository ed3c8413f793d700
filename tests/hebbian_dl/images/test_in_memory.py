"""Images in memory: normalisation against numpy, the order of labels, batches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hebbian_dl.images.in_memory import Examples, in_parts, labelled_order, normalised
from protocols.images.datasets import LabelledImages
from protocols.images.examples import ImageSplits
from tests.hebbian_dl.layers.test_rules import assert_close

CPU = torch.device("cpu")


def published(n: int, seed: int, channels: int = 3) -> LabelledImages:
    """Channels of different brightness and contrast."""
    rng = np.random.default_rng(seed)
    span = np.array([40, 120, 250])[:channels, None, None]
    images = rng.integers(0, span, (n, channels, 4, 5)).astype(np.uint8)
    images.setflags(write=False)
    return LabelledImages(images, rng.integers(0, 4, n))


def test_channels_get_mean_0_and_variance_1_by_the_training_images() -> None:
    given_ = ImageSplits(published(50, 0), published(20, 1), published(30, 2))
    found = normalised(given_, CPU, torch.float64)
    pixels = given_.training.images.astype(float)
    mean, sd = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))
    assert_close(found.training.images.mean((0, 2, 3)), np.zeros(3), "mean")
    assert_close(found.training.images.std((0, 2, 3), correction=0), np.ones(3), "sd")
    for name in ("training", "validation", "test"):
        source, part = getattr(given_, name), getattr(found, name)
        wanted = (source.images - mean[:, None, None]) / sd[:, None, None]
        assert_close(part.images, wanted, name)
        assert part.labels.tolist() == source.labels.tolist()
    assert found.test.images.mean((0, 2, 3)).abs().min() > 1e-3  # by the training images, not by their own


def test_normalised_images_are_single_precision_and_their_own() -> None:
    given_ = ImageSplits(published(50, 0), published(20, 1), published(30, 2))
    before = given_.training.images.copy()
    found = normalised(given_, CPU)
    assert found.training.images.dtype == torch.float32
    assert (given_.training.images == before).all()


def test_a_channel_without_contrast_stays_finite() -> None:
    flat = LabelledImages(np.full((5, 1, 2, 2), 200, np.uint8), np.arange(5))
    images = normalised(ImageSplits(flat, flat, flat), CPU).training.images
    assert torch.equal(images, torch.zeros_like(images))


labels_of = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@given(labels=labels_of, order=st.sampled_from(["shuffled", "stratified"]), seed=st.integers(0, 99))
def test_every_image_gets_its_label_once(labels: np.ndarray, order: str, seed: int) -> None:
    found = labelled_order(labels, order, np.random.default_rng(seed))
    assert sorted(found.tolist()) == list(range(len(labels)))
    assert found.tolist() == labelled_order(labels, order, np.random.default_rng(seed)).tolist()


@given(labels=labels_of, seed=st.integers(0, 99))
def test_stratified_classes_are_equally_frequent_in_every_part(labels: np.ndarray, seed: int) -> None:
    found = labels[labelled_order(labels, "stratified", np.random.default_rng(seed))]
    sizes = np.bincount(labels, minlength=5)
    for n in range(1, len(found) + 1):
        counts = np.bincount(found[:n], minlength=5)
        unfinished = counts < sizes
        if unfinished.any():
            assert counts.max() - counts[unfinished].min() <= 1, n


@pytest.mark.parametrize("order", ["shuffled", "stratified"])
def test_seeds_label_different_images_in_random_order(order: str) -> None:
    labels = np.arange(200) % 4
    first, other = (labelled_order(labels, order, np.random.default_rng(seed)) for seed in (0, 1))
    assert len(set(first[:40]) & set(other[:40])) < 30
    for label in range(4):
        members = first[labels[first] == label]
        assert 0.3 < np.mean(np.diff(members) > 0) < 0.7  # neither ascending nor descending
    runs = np.bincount(labels[first[:40]], minlength=4)
    assert (runs.tolist() == [10] * 4) == (order == "stratified")


@given(n=st.integers(2, 40), size=st.integers(1, 12), seed=st.integers(0, 99))
def test_batches_hold_every_image_once_but_for_a_last_single_one(n: int, size: int, seed: int) -> None:
    examples = Examples(10 * torch.arange(n)[:, None, None, None], torch.arange(n))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    found = list(examples.batches(size, order))
    dropped = size > 1 and n % size == 1
    seen = torch.cat([batch.labels for batch in found]).tolist()
    assert seen == order.tolist()[: n - dropped]
    assert [len(batch) for batch in found[:-1]] == [size] * (len(found) - 1)
    assert 1 <= len(found[-1]) <= size
    for batch in found:
        assert torch.equal(batch.images.flatten(), 10 * batch.labels)


@given(n=st.integers(1, 40), size=st.integers(1, 12))
def test_batches_in_order_hold_all_images(n: int, size: int) -> None:
    examples = Examples(torch.arange(n)[:, None, None, None], torch.arange(n))
    found = list(examples.batches(size))
    assert torch.cat([batch.labels for batch in found]).tolist() == list(range(n))
    assert torch.cat([batch.images for batch in found]).flatten().tolist() == list(range(n))
    assert len(found) == -(-n // size)


@given(n=st.integers(1, 40), at_a_time=st.none() | st.integers(1, 12))
def test_parts_of_a_batch_hold_all_of_it_and_none_a_single_image(n: int, at_a_time: int | None) -> None:
    batch = Examples(torch.arange(n)[:, None, None, None], torch.arange(n))
    parts = list(in_parts(batch, at_a_time))
    assert torch.cat([part.images for part, _ in parts]).flatten().tolist() == list(range(n))
    assert torch.cat([part.labels for part, _ in parts]).tolist() == list(range(n))
    assert [last for _, last in parts] == [False] * (len(parts) - 1) + [True]
    sizes = [len(part) for part, _ in parts]
    if at_a_time is None:
        assert sizes == [n]
    else:
        assert max(sizes) <= at_a_time + (at_a_time > 1)
        assert min(sizes) > 1 or at_a_time == 1 or n == 1
