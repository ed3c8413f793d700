"""ZCA whitening: decorrelated pixels that stay as close to the image as possible.

Either all pixels at once, by a matrix; or, where an image has too many of them, by a convolution: the statistics of
natural images are the same everywhere, so that one filter, which whitens the centre of its patch, does for all pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

ROWS_AT_A_TIME = 4096  # images in one product with the whitening matrix
PATCHES = 200_000  # patches that give the covariance, at least, where there are as many


@dataclass(frozen=True)
class PixelWhitening:
    """Multiplies flattened images by U (S + epsilon)^-1/2 U'; U S U' is their covariance.

    Parameters
    ----------
    mean
        Of each pixel, shape (n_pixels,).
    matrix
        Shape (n_pixels, n_pixels).
    """

    mean: Tensor
    matrix: Tensor

    @classmethod
    def fit(cls, images: Tensor, epsilon: float) -> "PixelWhitening":
        """Fit to images of shape (n, ...); `epsilon` is added to the variances."""
        flat = images.flatten(1)
        mean = flat.mean(0)
        covariance = torch.zeros(flat.shape[1], flat.shape[1], dtype=torch.float64, device=flat.device)
        for rows in flat.split(ROWS_AT_A_TIME):
            centred = rows - mean
            covariance += centred.t() @ centred
        return cls(mean, _root(covariance / len(flat), epsilon).to(images.dtype))

    def __call__(self, images: Tensor) -> Tensor:
        """Shape (n, ...) -> the same."""
        flat = images.flatten(1)
        white = torch.empty_like(flat)
        for source, target in zip(flat.split(ROWS_AT_A_TIME), white.split(ROWS_AT_A_TIME), strict=True):
            torch.mm(source - self.mean, self.matrix, out=target)
        return white.reshape(images.shape)


@dataclass(frozen=True)
class PatchWhitening:
    """Convolves images with the centre rows of the ZCA matrix of square patches; padding reflects the image.

    Parameters
    ----------
    mean
        Of each channel, shape (channels, 1, 1).
    kernel
        Shape (channels, channels, side, side); `side` is odd.
    """

    mean: Tensor
    kernel: Tensor

    @classmethod
    def fit(cls, images: Tensor, epsilon: float, side: int) -> "PatchWhitening":
        """Fit to images of shape (n, channels, height, width); `epsilon` is added to the variances of patches."""
        n, channels, height, width = images.shape
        mean = images.mean((0, 2, 3))[:, None, None]
        covariance = torch.zeros(channels * side**2, channels * side**2, dtype=torch.float64, device=images.device)
        n_patches, stride = 0, max(1, int((n * (height - side + 1) * (width - side + 1) / PATCHES) ** 0.5))
        for image in images:
            patches = functional.unfold((image - mean)[None], side, stride=stride)[0].double()
            covariance += patches @ patches.t()
            n_patches += patches.shape[1]
        centre = torch.arange(channels, device=images.device) * side**2 + side**2 // 2
        rows = _root(covariance / n_patches, epsilon)[centre]
        return cls(mean, rows.reshape(channels, channels, side, side).to(images.dtype))

    def __call__(self, images: Tensor) -> Tensor:
        """Shape (n, channels, height, width) -> the same."""
        margin = self.kernel.shape[-1] // 2
        return functional.conv2d(functional.pad(images - self.mean, (margin,) * 4, mode="reflect"), self.kernel)


Whitening = PixelWhitening | PatchWhitening


def fit(images: Tensor, epsilon: float, side: int | None) -> Whitening:
    """Fit the whitening of all pixels or, where `side` is given, of square patches of that side."""
    return PixelWhitening.fit(images, epsilon) if side is None else PatchWhitening.fit(images, epsilon, side)


def _root(covariance: Tensor, epsilon: float) -> Tensor:
    """The whitening matrix U (S + epsilon)^-1/2 U' of a covariance U S U'."""
    variance, axes = torch.linalg.eigh(covariance)
    return (axes * (variance.clamp_min(0) + epsilon).rsqrt()) @ axes.t()
