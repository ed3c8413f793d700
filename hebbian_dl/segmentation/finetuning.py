"""Fine-tuning of a U-Net on few masks; epoch and threshold are chosen on validation images."""

import numpy as np
import torch
from torch import Tensor

from hebbian_dl.images.in_memory import Examples
from hebbian_dl.segmentation.augmentation import augmented
from hebbian_dl.segmentation.losses import supervised_loss
from hebbian_dl.segmentation.patches import Patches
from hebbian_dl.segmentation.segmenter import Segmenter, decided, probabilities
from hebbian_dl.segmentation.semi_supervised import WithCompanion, cross_pseudo, few, ramp
from hebbian_dl.training.descent import Descent
from hebbian_dl.training.loop import Record, Training
from protocols.spec.nets.segmentation import MaskFinetuning

THRESHOLDS = tuple(k / 20 for k in range(1, 20))
SCORE = "validation_dice"


def finetuning(
    name: str,
    model: Segmenter,
    spec: MaskFinetuning,
    labelled: Examples,
    validation: Examples,
    unlabelled: Examples | None = None,
) -> Training:
    """Training of a segmenter on images with masks; the epoch with the best Dice on validation images is kept.

    `unlabelled` are the other training images, from which it learns where the settings say so. Where training images
    are cropped (`Patches`), validation images are predicted by tiles of that size.
    """
    extra, epoch = spec.unlabelled, 0
    both = None if extra is None or not unlabelled else WithCompanion(model, extra)
    learner = both or model
    descent = Descent(learner, spec, spec.weight_decay)
    patch = labelled.size if isinstance(labelled, Patches) else None

    def begin_epoch(number: int) -> None:
        nonlocal epoch
        epoch = number
        descent.begin_epoch(number)

    def loss_of(batch: Examples) -> Tensor:
        images, masks = augmented(batch.images, batch.labels, spec.augmentation)
        scores = model(images)
        loss = supervised_loss(scores, masks, spec.dice)
        if both is None or extra is None or unlabelled is None:
            return loss
        more, _ = augmented(*few(unlabelled, extra.ratio * len(images)), spec.augmentation)
        t = epoch / (extra.ramp_up * spec.epochs)
        weight = extra.weight * ramp(t)
        if extra.method == "cross_pseudo":
            other = both.teacher(images)
            loss = loss + supervised_loss(other, masks, spec.dice) + weight * cross_pseudo(scores, other)
        return loss + weight * both.loss(more, t)

    def step(batch: Examples) -> Tensor:
        loss = descent.step(batch, loss_of)
        if both is not None:
            both.follow()
        return loss

    def score() -> Record:
        return {SCORE: best_threshold(probabilities(model, validation.images, patch), validation.labels)[1]}

    return Training(
        *(name, learner, repeated(labelled, spec), spec.batch, spec.epochs, step, score),
        *(SCORE, descent.optimizer, begin_epoch),
    )


def repeated(labelled: Examples, spec: MaskFinetuning) -> Examples:
    """The images of an epoch: each as often as it takes for the smallest epoch, and at least for a batch."""
    n = max(len(labelled), spec.epoch_images or spec.batch)
    return labelled.take(torch.arange(n, device=labelled.labels.device) % len(labelled))


def best_threshold(shares: Tensor, masks: Tensor) -> tuple[float | None, float]:
    """The threshold with the highest mean Dice, the lowest of equals, and that Dice; None for three or more classes.

    Parameters
    ----------
    shares
        Probabilities of the classes, shape (n, n_classes, rows, columns).
    masks
        Class of each pixel, shape (n, rows, columns).
    """
    n_classes = shares.shape[1]
    if n_classes > 2:
        return None, mean_dice(decided(shares, None), masks, n_classes)
    found = [mean_dice(decided(shares, threshold), masks, n_classes) for threshold in THRESHOLDS]
    best = int(np.argmax(found))
    return THRESHOLDS[best], found[best]


def mean_dice(predicted: Tensor, masks: Tensor, n_classes: int) -> float:
    """Dice coefficient averaged over images and the classes but the background, as `protocols.results.overlap`'s."""
    total = torch.zeros((), dtype=torch.float64, device=masks.device)
    for label in range(1, n_classes):
        one, other = predicted == label, masks == label
        common, size = (part.flatten(1).sum(1).double() for part in (one & other, one.long() + other.long()))
        total += torch.where(size > 0, 2 * common / size.clamp_min(1), 1).mean()
    return total.item() / (n_classes - 1)
