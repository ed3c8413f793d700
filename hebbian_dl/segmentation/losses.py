"""Losses of scores against masks: cross-entropy of pixels, soft Dice loss."""

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 1e-6  # added above and below, for a class that is nowhere


def dice_loss(shares: Tensor, masks: Tensor) -> Tensor:
    """1 - 2 sum p m / (sum p + sum m), averaged over the classes but the background (Milletari et al. 2016).

    Parameters
    ----------
    shares
        Probabilities p of the classes, shape (n, n_classes, ...); sums go over all pixels of the batch.
    masks
        Class of each pixel, shape (n, ...).
    """
    wanted = functional.one_hot(masks, shares.shape[1]).movedim(-1, 1).to(shares.dtype)
    pixels = (0, *range(2, shares.dim()))
    common = (shares * wanted).sum(pixels)[1:]
    size = (shares.sum(pixels) + wanted.sum(pixels))[1:]
    return 1 - ((2 * common + SMALLEST) / (size + SMALLEST)).mean()


def supervised_loss(scores: Tensor, masks: Tensor, dice: float) -> Tensor:
    """Cross-entropy of pixels plus `dice` times the Dice loss; scores of shape (n, n_classes, rows, columns)."""
    loss = functional.cross_entropy(scores, masks)
    return loss + dice * dice_loss(torch.softmax(scores, 1), masks) if dice else loss
