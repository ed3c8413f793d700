"""Consistency training: confident answers for weakly augmented images are targets for strongly augmented ones.

Sohn et al. 2020, FixMatch, equations 3 and 4, in supervised training of any classifier.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.images import augmentation
from hebbian_dl.images.in_memory import Examples, Images, Splits
from hebbian_dl.images.prepare import Prepare
from protocols.spec.nets.fixmatch import Consistency


@dataclass(frozen=True)
class Unlabelled:
    """Images without labels, before whatever prepares them for a network.

    Parameters
    ----------
    pixels
        uint8, shape (n, channels, rows, columns).
    prepare
        From pixels to inputs of the network.
    """

    pixels: Tensor
    prepare: Prepare

    @classmethod
    def besides(cls, labelled: np.ndarray, plain: Splits[Images], prepare: Prepare | None) -> "Unlabelled":
        """The training images other than those with the given indices.

        Parameters
        ----------
        plain
            The images without whitening, from which the pixels follow exactly.
        prepare
            How the network's inputs are prepared, whitening included.

        Raises
        ------
        TypeError
            If the images are not held in memory.
        """
        if not isinstance(plain.training, Examples) or plain.prepare is None or prepare is None:
            raise TypeError("images that are not held in memory")
        rest = torch.from_numpy(np.setdiff1d(np.arange(len(plain.training)), labelled))
        normal = plain.training.take(rest.to(plain.training.labels.device)).images
        pixels = normal / plain.prepare.scale + plain.prepare.shift
        return cls(pixels.round_().clamp_(0, 255).to(torch.uint8), prepare)

    def draw(self, n: int) -> Tensor:
        """Pixels from 0 to 1 of `n` random images, with replacement."""
        index = torch.randint(len(self.pixels), (n,), device=self.pixels.device)
        return self.pixels[index].to(self.prepare.shift.dtype) / 255

    def inputs(self, pixels: Tensor) -> Tensor:
        """What the network gets for pixels from 0 to 1."""
        return self.prepare(255 * pixels)


def agreement_loss(weak: Tensor, strong: Tensor, threshold: float) -> Tensor:
    """Mean over all images of the cross-entropy with the class of the weak scores; 0 where that is not confident.

    Parameters
    ----------
    weak, strong
        Scores of the weakly and strongly augmented images, shape (n, n_classes).
    threshold
        Smallest probability of the class.
    """
    probability, target = weak.softmax(1).max(1)
    return (functional.cross_entropy(strong, target, reduction="none") * (probability >= threshold)).mean()


def consistent_loss(model: nn.Module, spec: Consistency, unlabelled: Unlabelled) -> Callable[[Examples], Tensor]:
    """The loss of a labelled batch, for which unlabelled images are drawn from torch's global generator.

    Labelled and strongly augmented images share one forward pass, hence the statistics of batch normalisation.
    """

    def loss_of(batch: Examples) -> Tensor:
        drawn = unlabelled.draw(spec.ratio * len(batch))
        weak = unlabelled.inputs(augmentation.weak(drawn, spec.weak))
        strong = unlabelled.inputs(augmentation.strong(augmentation.weak(drawn, spec.weak), spec.strong))
        model.eval()
        with torch.no_grad():
            answers = model(weak)
        model.train()
        scores, others = model(torch.cat([batch.images, strong])).split([len(batch), len(strong)])
        labelled = functional.cross_entropy(scores, batch.labels)
        return labelled + spec.weight * agreement_loss(answers, others, spec.threshold)

    return loss_of
