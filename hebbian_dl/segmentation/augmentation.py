"""Random changes of images for segmentation: their masks change with the geometry, and with nothing else."""

import torch
from torch import Tensor

from protocols.spec.nets.segmentation import Flip, MaskAugmentation


def augmented(images: Tensor, masks: Tensor, spec: MaskAugmentation) -> tuple[Tensor, Tensor]:
    """Images and masks after random changes, drawn for each image by torch's global generator.

    Parameters
    ----------
    images
        Shape (n, channels, rows, columns), of volumes (n, channels, slices, rows, columns), normalised.
    masks
        Shape (n, rows, columns) or (n, slices, rows, columns).
    spec
        Which changes, and how large.
    """
    n, channels = images.shape[:2]
    ones = (1,) * (images.dim() - 2)
    for flip in spec.flips:
        chosen = torch.rand(n, device=images.device) < 0.5
        images = torch.where(chosen.reshape(n, 1, *ones), flipped(images, flip), images)
        masks = torch.where(chosen.reshape(n, *ones), flipped(masks, flip), masks)
    factor, shift = torch.randn(2, n, channels, *ones, device=images.device)
    return images * (1 + spec.contrast * factor) + spec.brightness * shift, masks


def flipped(maps: Tensor, flip: Flip) -> Tensor:
    """Maps of shape (..., rows, columns), reflected: left to right, upside down, in order of slices, diagonally."""
    match flip:
        case "horizontal":
            return maps.flip(-1)
        case "vertical":
            return maps.flip(-2)
        case "slices":
            return maps.flip(-3)
    return maps.transpose(-1, -2)
