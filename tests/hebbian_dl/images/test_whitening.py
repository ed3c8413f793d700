"""Whitening against numpy: all pixels by the formula; patches by the same formula, and on stationary noise."""

import numpy as np
import pytest
import torch

from hebbian_dl.images import whitening
from hebbian_dl.images.in_memory import Examples, Splits, whitened
from hebbian_dl.images.whitening import PatchWhitening, PixelWhitening
from tests.hebbian_dl.layers.test_rules import assert_close, draw_normal


def splits_of(training: torch.Tensor, *others: torch.Tensor) -> Splits:
    parts = [Examples(images, torch.zeros(len(images), dtype=torch.long)) for images in (training, *others)]
    return Splits(*parts, *[parts[-1]] * (3 - len(parts)))


def correlated(n: int, seed: int = 0) -> torch.Tensor:
    mixing = draw_normal(12, 12, seed=5)
    return (draw_normal(n, 12, seed=seed) @ mixing + torch.arange(12.0)).reshape(n, 3, 2, 2)


@pytest.mark.parametrize("epsilon", [1e-2, 1.0])
@pytest.mark.parametrize("rows", [7, 4096])
def test_whitened_images_have_the_covariance_of_the_formula(
    monkeypatch: pytest.MonkeyPatch, epsilon: float, rows: int
) -> None:
    monkeypatch.setattr(whitening, "ROWS_AT_A_TIME", rows)
    training, test = correlated(60), correlated(25, seed=1)
    found = whitened(splits_of(training, test), epsilon)
    flat = training.flatten(1).numpy()
    covariance = np.cov(flat.T, bias=True)
    left, s, _ = np.linalg.svd(covariance)
    white = found.training.images.flatten(1).numpy()
    assert_close(torch.from_numpy(white.mean(0)), np.zeros(12), "mean")
    assert_close(torch.from_numpy(np.cov(white.T, bias=True)), left * (s / (s + epsilon)) @ left.T, "covariance", 1e-9)
    zca = left / np.sqrt(s + epsilon) @ left.T
    assert_close(found.training.images.flatten(1), (flat - flat.mean(0)) @ zca, "training", 1e-9)
    wanted = (test.flatten(1).numpy() - flat.mean(0)) @ zca  # statistics of the training images
    assert_close(found.test.images.flatten(1), wanted, "test", 1e-9)
    assert found.test.images.shape == test.shape


def test_without_regularisation_pixels_become_independent() -> None:
    white = whitened(splits_of(correlated(60)), 1e-12).training.images.flatten(1).numpy()
    assert np.abs(np.cov(white.T, bias=True) - np.eye(12)).max() < 1e-6


def test_the_whitening_matrix_is_symmetric_and_positive() -> None:
    found = PixelWhitening.fit(correlated(60), 1e-2)
    matrix = found.matrix
    assert_close(found.mean, correlated(60).numpy().reshape(60, 12).mean(0), "mean")
    assert_close(matrix, matrix.t(), "zero-phase: a white image is as close to the image as can be")
    assert np.linalg.eigvalsh(matrix.numpy()).min() > 0


def test_fewer_images_than_pixels_can_be_whitened() -> None:
    white = whitened(splits_of(correlated(5)), 1e-2).training.images
    assert white.isfinite().all()


def test_patches_as_large_as_the_image_are_whitened_as_the_image() -> None:
    images = draw_normal(80, 2, 5, 5) + 3 * draw_normal(80, 1, 1, 1, seed=1)  # pixels go up and down together
    images -= images.mean((0, 2, 3), keepdim=True)
    flat = images.flatten(1).numpy()
    left, s, _ = np.linalg.svd(flat.T @ flat / len(flat))
    zca = (left / np.sqrt(s + 1e-2) @ left.T).reshape(2, 5, 5, 2, 5, 5)
    found = PatchWhitening.fit(images, 1e-2, 5)
    assert_close(found.kernel, zca[:, 2, 2], "kernel", 1e-9)
    wanted = np.einsum("nchw,dchw->nd", images.numpy(), zca[:, 2, 2])
    assert_close(found(images)[:, :, 2, 2], wanted, "the centre of each image", 1e-9)


def smooth_noise(n: int, side: int) -> torch.Tensor:
    """Noise that is correlated over a few pixels, the same everywhere, in two mixed channels of different means."""
    noise = draw_normal(n, 2, side + 2, side + 2)
    kernel = torch.tensor([[0.05, 0.1, 0.05], [0.1, 0.6, 0.1], [0.05, 0.1, 0.05]], dtype=noise.dtype)
    smooth = torch.nn.functional.conv2d(noise, kernel.expand(2, 1, 3, 3), groups=2)
    mixed = torch.stack([smooth[:, 0] + 0.5 * smooth[:, 1], smooth[:, 1]], 1)
    return mixed + torch.tensor([1.0, -2.0])[:, None, None]


def test_patches_make_stationary_noise_white_everywhere() -> None:
    images = smooth_noise(60, 24)
    white = PatchWhitening.fit(images, 1e-6, 9)(images)
    assert white.shape == images.shape
    inside = white[:, :, 5:-5, 5:-5]
    assert inside.mean((0, 2, 3)).abs().max() < 0.02
    for rows, columns in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 3), (2, 2)):
        height, width = inside.shape[2] - rows, inside.shape[3] - columns
        shifted = inside[:, :, rows:, columns:]
        covariance = torch.einsum("nchw,ndhw->cd", inside[:, :, :height, :width], shifted) / shifted[:, 0].numel()
        wanted = np.eye(2) if rows == columns == 0 else np.zeros((2, 2))
        assert np.abs(covariance.numpy() - wanted).max() < 0.05, (rows, columns)
    before = images[:, :, 5:-5, 5:-5] - images.mean((0, 2, 3), keepdim=True)
    assert (before[..., 1:] * before[..., :-1]).mean() > 0.1  # it was not before


def test_fewer_patches_of_many_images_give_the_same_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    images = smooth_noise(60, 24)
    every = PatchWhitening.fit(images, 1e-2, 5).kernel
    monkeypatch.setattr(whitening, "PATCHES", 4000)
    some = PatchWhitening.fit(images, 1e-2, 5).kernel
    assert not torch.equal(some, every)
    assert (some - every).abs().max() < 0.05 * every.abs().max()


def test_whitening_by_patches_reaches_all_splits() -> None:
    training, test = smooth_noise(20, 12), smooth_noise(5, 12)
    found = whitened(splits_of(training, test), 1e-2, 3)
    wanted = PatchWhitening.fit(training, 1e-2, 3)
    assert torch.equal(found.training.images, wanted(training))
    assert torch.equal(found.test.images, wanted(test))
