"""Where NaN or infinity is: in images, weights or the loss."""

import torch
from torch import nn

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples

NOT_FINITE_LOSS = "the loss is NaN or infinite; allowed: a smaller learning rate"


def of_images(batch: Examples) -> str | None:
    """Message if the images of a batch hold NaN or infinity in any process."""
    wrong = processes.anywhere(not torch.isfinite(batch.images).all())
    return "the images hold NaN or infinity" if wrong else None


@torch.no_grad()
def first_not_finite(model: nn.Module) -> str | None:
    """Message with the first layer whose weights hold NaN or infinity; None if there is none."""
    sums = [torch.isfinite(parameter.sum()) for parameter in model.parameters()]
    finite = torch.stack(sums).tolist() if sums else []  # one wait for a GPU
    for (name, _), good in zip(model.named_parameters(), finite, strict=True):
        if not good:
            return f"the weights of layer {name.rpartition('.')[0]} hold NaN or infinity"
    return None
