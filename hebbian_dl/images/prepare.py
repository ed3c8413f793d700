"""From pixels to the inputs of a network: normalised by the training images' channels, whitened where asked."""

from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, nn

from hebbian_dl.images.whitening import PatchWhitening, PixelWhitening, Whitening

KINDS: tuple[type[Any], ...] = (PixelWhitening, PatchWhitening)


@dataclass(frozen=True)
class Prepare:
    """Normalise pixels from 0 to 255 to mean 0 and variance 1 of channels over training images; whiten where asked.

    Parameters
    ----------
    shift, scale
        Mean, and inverse standard deviation, of each channel, shape (1, channels, 1, 1), with another 1 for
        volumes.
    white
        The whitening of the normalised images; None for none.
    """

    shift: Tensor
    scale: Tensor
    white: Whitening | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Shape (n, channels, height, width) -> the same."""
        normal = images.to(self.shift.dtype, copy=True).sub_(self.shift).mul_(self.scale)
        return normal if self.white is None else self.white(normal)

    def tensors(self) -> dict[str, Tensor]:
        """All numbers of it, by name, as `from_tensors` takes them."""
        own = {} if self.white is None else {f"white.{f.name}": getattr(self.white, f.name) for f in fields(self.white)}
        return {"shift": self.shift, "scale": self.scale} | own

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "Prepare":
        """The inverse of `tensors`."""
        own = {name.removeprefix("white."): value for name, value in tensors.items() if name.startswith("white.")}
        white = next((kind(**own) for kind in KINDS if own.keys() == {f.name for f in fields(kind)}), None)
        return cls(tensors["shift"], tensors["scale"], white)

    def plain(self, shape: tuple[int, int, int]) -> nn.Sequential:
        """The same as modules of torch, for images of this shape (channels, rows, columns)."""
        norm = nn.BatchNorm2d(shape[0], eps=0.0, affine=False)
        norm.load_state_dict(
            {"running_mean": self.shift.flatten(), "running_var": self.scale.flatten() ** -2}, strict=False
        )
        modules: list[nn.Module] = [norm]
        match self.white:
            case PixelWhitening(mean=mean, matrix=matrix):
                linear = nn.Linear(*matrix.shape)
                linear.load_state_dict({"weight": matrix.t(), "bias": -mean @ matrix})
                modules += [nn.Flatten(), linear, nn.Unflatten(1, shape)]
            case PatchWhitening(mean=mean, kernel=kernel):
                side = kernel.shape[-1]
                convolution = nn.Conv2d(shape[0], shape[0], side, padding=side // 2, padding_mode="reflect")
                bias = -(kernel.sum((2, 3)) @ mean.flatten())
                convolution.load_state_dict({"weight": kernel, "bias": bias})
                modules.append(convolution)
        return nn.Sequential(*modules).eval()
