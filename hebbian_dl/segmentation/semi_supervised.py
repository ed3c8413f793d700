"""Learning from images without masks beside those with: entropy, mean teacher, its uncertainty, cross pseudo labels."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from hebbian_dl.images.in_memory import Examples
from hebbian_dl.segmentation.patches import Patches
from hebbian_dl.segmentation.segmenter import Segmenter
from protocols.spec.nets.few_masks import Unlabelled


def entropy(shares: Tensor) -> Tensor:
    """Entropy of the classes' probabilities at each pixel, in nats: (n, n_classes, ...) -> (n, ...)."""
    return torch.special.entr(shares).sum(1)


def ramp(t: float) -> float:
    """exp(-5 (1 - t)^2), with t from 0 to 1; 1 from then on."""
    return math.exp(-5 * (1 - min(t, 1)) ** 2)


def consistency(student: Tensor, teacher: Tensor, reliable: Tensor | None = None) -> Tensor:
    """Mean squared difference of probabilities, over all pixels or the reliable ones; 0 if there are none."""
    difference = (student - teacher).square().mean(1)
    if reliable is None:
        return difference.mean()
    return (difference * reliable).sum() / reliable.sum().clamp_min(1)


def cross_pseudo(one: Tensor, other: Tensor) -> Tensor:
    """Cross-entropy of the scores of each network with the classes that the other one finds most probable."""
    first = functional.cross_entropy(one, other.detach().argmax(1))
    return first + functional.cross_entropy(other, one.detach().argmax(1))


class WithCompanion(nn.Module):
    """A segmenter, and the teacher or the second network that it learns with; both are in checkpoints.

    Parameters
    ----------
    model
        The segmenter.
    spec
        What is learned without masks. The companion of ``cross_pseudo`` is the same network with another last layer,
        which torch's global generator draws; a teacher starts as a copy, and backprop leaves it alone.
    """

    steps: Tensor

    def __init__(self, model: Segmenter, spec: Unlabelled) -> None:
        super().__init__()
        self.model, self.spec = model, spec
        self.companion = None if spec.method == "entropy" else copy.deepcopy(model)
        if self.companion is not None and spec.method == "cross_pseudo":
            self.companion.head.reset_parameters()
        elif self.companion is not None:
            self.companion.requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def teacher(self) -> Segmenter:
        """The companion.

        Raises
        ------
        TypeError
            If there is none.
        """
        if self.companion is None:
            raise TypeError("no companion")
        return self.companion

    def loss(self, images: Tensor, t: float) -> Tensor:
        """Loss of images without masks, before its weight; `t`: share of the ramp that is over."""
        spec = self.spec
        match spec.method:
            case "entropy":
                return entropy(self.model(images).softmax(1)).mean()
            case "cross_pseudo":
                return cross_pseudo(self.model(images), self.teacher(images))
            case "mean_teacher":
                with torch.no_grad():
                    target = self.teacher(self._noisy(images)).softmax(1)
                return consistency(self.model(self._noisy(images)).softmax(1), target)
        with torch.no_grad():
            target = self.teacher(self._noisy(images)).softmax(1)
            passes = [self.teacher(self._noisy(images)).softmax(1) for _ in range(spec.passes)]
            uncertainty = entropy(torch.stack(passes).mean(0))
            reliable = uncertainty < (0.75 + 0.25 * ramp(t)) * math.log(target.shape[1])
        return consistency(self.model(self._noisy(images)).softmax(1), target, reliable)

    def _noisy(self, images: Tensor) -> Tensor:
        return images + self.spec.noise * torch.randn_like(images)

    @torch.no_grad()
    def follow(self) -> None:
        """After a step: the teacher's weights become a running mean of the network's."""
        if self.spec.method in {"entropy", "cross_pseudo"}:
            return
        self.steps += 1
        decay = torch.clamp(1 - 1 / self.steps, max=self.spec.decay)
        for own, other in zip(self.teacher.parameters(), self.model.parameters(), strict=True):
            own.lerp_(other, 1 - decay.to(own.dtype))


def few(images: Examples, n: int) -> tuple[Tensor, Tensor]:
    """Some of the images, drawn with replacement by torch's global generator, and maps of zeros for their masks."""
    if isinstance(images, Patches):
        found = images.some(n).images
    else:
        found = images.images[torch.randint(len(images), (n,), device=images.images.device)]
    return found, torch.zeros_like(found[:, 0], dtype=torch.int64)
