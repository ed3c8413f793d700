"""Learning by backprop: stochastic gradient descent or Adam, with a learning rate that is halved now and then."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples, in_parts
from hebbian_dl.training import queued
from protocols.spec.nets.descent import GradientDescent


class Descent:
    """Gradient descent on all parameters of a model.

    Attributes
    ----------
    optimizer : torch.optim.Optimizer
        With Nesterov's momentum, or Adam; a checkpoint saves its state.
    """

    def __init__(self, model: nn.Module, spec: GradientDescent, weight_decay: float = 0.0) -> None:
        self.model, self.spec = model, spec
        self.optimizer = optimizer_of(model, spec, weight_decay)

    def begin_epoch(self, epoch: int) -> None:
        """Set the model to training mode, and the learning rate to that of the epoch."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(epoch, self.spec)

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


def optimizer_of(model: nn.Module, spec: GradientDescent, weight_decay: float) -> torch.optim.Optimizer:
    """The optimizer that a training asks for, on all parameters of a model."""
    parameters = list(model.parameters())
    if spec.optimizer == "adam":
        on_gpu = any(parameter.is_cuda for parameter in parameters)  # where steps are replayed from a graph
        return torch.optim.Adam(parameters, spec.learning_rate, weight_decay=weight_decay, capturable=on_gpu)
    nesterov = spec.momentum > 0
    return torch.optim.SGD(parameters, spec.learning_rate, spec.momentum, 0, weight_decay, nesterov)


def rate_at(epoch: int, spec: GradientDescent) -> float:
    """Learning rate at an epoch, from 0.

    It is halved at epoch `halve_from` and every `halve_every` epochs after it; or, if `halve_at` is given, once for
    each of these fractions of all epochs that are over.
    """
    if spec.halve_at:
        return spec.learning_rate * 0.5 ** sum(epoch >= fraction * spec.epochs for fraction in spec.halve_at)
    if epoch < spec.halve_from:
        return spec.learning_rate
    return spec.learning_rate * 0.5 ** ((epoch - spec.halve_from) // spec.halve_every + 1)
