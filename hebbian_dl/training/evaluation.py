"""Quality of features and classifiers: accuracy, class means, effective rank."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Images

BATCH = 500
MOST_PIXELS = 32 * 224 * 224  # in a batch, so that evaluation takes no more memory than learning
RANKED = 2000  # images whose features give the effective rank


def batch_for(shape: Sequence[int], most: int = BATCH) -> int:
    """Batch size of forward passes without learning, for images of this shape (channels, rows, columns)."""
    return max(1, min(most, MOST_PIXELS // math.prod(shape[1:])))


class NothingReadable(RuntimeError):
    """None of the images to evaluate can be read."""


def answers(model: Callable[[Tensor], Tensor], images: Images) -> Iterator[tuple[Tensor, Tensor]]:
    """Outputs of a model in evaluation mode, and the labels, batch by batch, gathered from all processes.

    Raises
    ------
    NothingReadable
        If none of the images can be read.
    """
    seen = 0
    for part in images.batches(batch_for(images.shape)):
        with torch.no_grad():
            found = processes.gathered(model(part.images))
        seen += len(found)
        if len(found):
            yield found, processes.gathered(part.labels)
    if not seen:
        raise NothingReadable(f"data: none of {len(images)} validation or test images can be read; allowed: some")


def outputs(model: Callable[[Tensor], Tensor], images: Images) -> tuple[Tensor, Tensor]:
    """Outputs of a model in evaluation mode for all images that can be read, and their labels."""
    pairs = list(answers(model, images))
    return torch.cat([output for output, _ in pairs]), torch.cat([labels for _, labels in pairs])


def evaluate(model: nn.Module, images: Images) -> dict[str, float]:
    """Top-1 and top-5 accuracy, from 0 to 1, and the mean cross-entropy in nats."""
    model.eval()
    scores, labels = outputs(model, images)
    scores = scores.float()
    best = scores.topk(min(5, scores.shape[1]), 1).indices == labels[:, None]
    return {
        "top1": best[:, 0].double().mean().item(),
        "top5": best.any(1).double().mean().item(),
        "loss": nn.functional.cross_entropy(scores, labels).item(),
    }


def nearest_class_mean(features: Tensor, means: Tensor) -> Tensor:
    """Class whose mean has the largest cosine similarity with the features, shape (n,)."""
    normal = means / means.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return (features @ normal.t()).argmax(1)


def effective_rank(features: Tensor) -> float:
    """Exponential of the entropy of the normalised singular values (RankMe, Garrido et al. 2023), without labels."""
    features = features.double()  # roots of rounding errors add up: single precision gives 1.5 for rank 1
    singular = torch.linalg.eigvalsh(features @ features.t()).clamp_min(0).sqrt()
    share = singular / singular.sum().clamp_min(1e-30)
    return torch.exp(torch.special.entr(share).sum()).item()
