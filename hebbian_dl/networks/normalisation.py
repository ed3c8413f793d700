"""Batch normalisation with the statistics of a batch over all processes; in one process it is torch's."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from hebbian_dl import processes


class BatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation of features, shape (n, channels), over all processes."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, channels) -> the same."""
        return over_all(self, inputs, moments(inputs)) if _shared(self) else super().forward(inputs)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of maps, shape (n, channels, height, width), over all processes."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, channels, height, width) -> the same."""
        return over_all(self, inputs, moments(inputs)) if _shared(self) else super().forward(inputs)


class BatchNorm3d(nn.BatchNorm3d):
    """Batch normalisation of maps, shape (n, channels, depth, height, width), over all processes."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, channels, depth, height, width) -> the same."""
        return over_all(self, inputs, moments(inputs)) if _shared(self) else super().forward(inputs)


class RelativeBatchNorm(nn.Module):
    """Batch normalisation that preserves the ratios of the neurons' variances (as in the authors' code).

    The output of `norm` times sqrt(var_i / mean(var)), with the variances that it divided by.

    Parameters
    ----------
    norm
        A `BatchNorm1d` or `BatchNorm2d`.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, channels, ...) -> the same."""
        variance = cast(Tensor, self.norm.running_var)
        if _shared(self):
            found = moments(inputs)
            variance, output = found[1], over_all(self.norm, inputs, found)
        else:
            if self.training:
                centred = inputs - inputs.mean(_axes(inputs), keepdim=True)
                variance = centred.square().mean(_axes(inputs))  # on a CPU a tenth of the time of inputs.var()
            output = self.norm(inputs)
        relative = ((variance + self.norm.eps) / (variance.mean() + self.norm.eps)).sqrt()  # eps: smooth at var = 0
        return output * _spread(relative, inputs)


class _Moments(torch.autograd.Function):
    """Mean, variance and number of values of each channel over all processes, in two passes."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        axes = _axes(inputs)
        mean = inputs.sum(axes)
        count = mean.new_tensor(inputs.numel() // inputs.shape[1])
        processes.add_up(mean, count)
        mean /= count.clamp_min(1)
        variance = (inputs - _spread(mean, inputs)).square().sum(axes)
        processes.add_up(variance)
        variance /= count.clamp_min(1)
        ctx.save_for_backward(inputs, mean, count)
        ctx.mark_non_differentiable(count)
        return mean, variance, count

    @staticmethod
    def backward(ctx: Any, to_mean: Tensor, to_variance: Tensor, _: Tensor) -> Tensor:
        inputs, mean, count = ctx.saved_tensors
        to_mean, to_variance = to_mean.clone(), to_variance.clone()
        processes.add_up(to_mean, to_variance)
        centred = inputs - _spread(mean, inputs)
        return (centred.mul_(_spread(2 * to_variance, inputs)) + _spread(to_mean, inputs)) / count


def moments(inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and number of values of each channel over all processes; differentiable.

    Shape (n, channels, ...) -> (channels,), (channels,), ().
    """
    return _Moments.apply(inputs)


def over_all(
    norm: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d, inputs: Tensor, found: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Output of `norm` in training mode, with the moments over all processes; updates its running statistics.

    Raises
    ------
    ValueError
        If the whole batch has only one value per channel.
    """
    mean, variance, count = found
    if count < 2:
        raise ValueError(f"inputs of shape {tuple(inputs.shape)}; allowed: more than one value a channel")
    with torch.no_grad():
        share = cast(float, norm.momentum)
        for running, batch in ((norm.running_mean, mean), (norm.running_var, variance * (count / (count - 1)))):
            cast(Tensor, running).mul_(1 - share).add_(batch, alpha=share)
        cast(Tensor, norm.num_batches_tracked).add_(1)
    scale = norm.weight * (variance + norm.eps).rsqrt()
    return (inputs - _spread(mean, inputs)) * _spread(scale, inputs) + _spread(norm.bias, inputs)


def _shared(module: nn.Module) -> bool:
    """Whether the module normalises by the batch's own statistics, and other processes have a part of the batch."""
    return module.training and processes.world() > 1


def _axes(inputs: Tensor) -> list[int]:
    """All dimensions but that of channels."""
    return [0, *range(2, inputs.dim())]


def _spread(values: Tensor, inputs: Tensor) -> Tensor:
    """Reshape one value per channel to broadcast with the inputs."""
    return values.reshape(-1, *(1,) * (inputs.dim() - 2))
