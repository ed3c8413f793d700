"""Learning by backprop: stochastic gradient descent, with a learning rate that is halved every few epochs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples, in_parts
from hebbian_dl.training import queued
from hebbian_dl.training.loop import halved
from protocols.spec.network import GradientDescent


class Descent:
    """Gradient descent with Nesterov's momentum on all parameters of a model.

    Attributes
    ----------
    optimizer : torch.optim.SGD
        The optimizer; a checkpoint saves its momentum.
    """

    def __init__(self, model: nn.Module, spec: GradientDescent, weight_decay: float = 0.0) -> None:
        self.model, self.spec = model, spec
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            spec.learning_rate,
            momentum=spec.momentum,
            nesterov=spec.momentum > 0,
            weight_decay=weight_decay,
        )

    def begin_epoch(self, epoch: int) -> None:
        """Set the model to training mode, and the learning rate to that of the epoch."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = halved(epoch, self.spec.learning_rate, self.spec.halve_from, self.spec.halve_every)

    def step(self, batch: Examples, loss_of: Callable[[Examples], Tensor]) -> Tensor:
        """Take one step down the gradient of a batch's mean loss; returns the loss.

        If the loss is NaN or infinite, the weights stay as they are, except on a GPU (`queued`).
        """
        n, total = sum(processes.counts(len(batch))), torch.zeros((), device=batch.images.device)
        for part, _ in in_parts(batch, self.spec.at_a_time):
            loss = loss_of(part) * (len(part) / n)
            value = loss.detach().clone() if len(part) else torch.zeros_like(loss)  # the mean over no image is NaN
            processes.add_up(value)
            total = total + value
            if queued.readable(total) and not torch.isfinite(total):
                break
            loss.backward()
        else:
            processes.add_up(*(p.grad for p in self.model.parameters() if p.grad is not None))
            self.optimizer.step()
        self.optimizer.zero_grad()
        return total
