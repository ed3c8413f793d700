"""Hebbian layers: torch modules whose weights learn by a local rule in every forward pass in training mode."""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from hebbian_dl import processes
from hebbian_dl.layers import rules
from hebbian_dl.layers.geometry import Geometry
from hebbian_dl.layers.patch_sums import Learned, Sums
from protocols.spec.rules import Rule

LEARNABLE = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
HOOKS = (
    *("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks", "_forward_hooks_with_kwargs"),
    *("_forward_hooks_always_called", "_backward_pre_hooks", "_backward_hooks", "_is_full_backward_hook"),
)


class NotFinite(RuntimeError):
    """A layer's update holds NaN or infinity; its weights are as they were before."""

    def __init__(self, layer: nn.Module, message: str) -> None:
        super().__init__(message)
        self.layer = layer


class Hebbian(nn.Module):
    """A linear or convolutional layer that learns by a Hebbian rule in every forward pass in training mode.

    The update is left in ``weight.grad``, with the sign of a gradient, so that any torch optimizer applies it; several
    forward passes before ``zero_grad()`` count as one batch. If `learning_rate` is set, the weights change in place
    instead. The processes of a `torch.distributed` group learn from the patches of all of them. A weight with
    ``requires_grad=False`` does not learn.

    Parameters
    ----------
    layer
        Linear, Conv1d to Conv3d or ConvTranspose1d to ConvTranspose3d, whose parameters, hooks and mode (training or
        evaluation) are taken over. A bias does not learn by the rule.
    rule
        The learning rule.
    activated
        Whether the output is the rule's (for example relu(w.x / |w|)) or that of the plain layer, w.x + bias.
    chunk
        Number of images processed at a time, to bound the memory; None for the whole batch.

    Attributes
    ----------
    plastic : bool
        Whether the layer learns in training mode; if not, its output is differentiable like that of any layer.
    learning_rate : float or None
        Learning rate of updates in place; None for updates in ``.grad``.
    more_to_come : bool
        With updates in place: keep the weights for now, because the next forward pass belongs to the same update.
    checked : bool
        Whether NaN and infinity raise `NotFinite` in the forward pass; looking for them waits for a GPU.
    has_learned : bool
        Whether the layer has learned from any batch yet.

    Raises
    ------
    TypeError
        If the layer is of another type.
    ValueError
        If its weights are not an ordinary parameter (lazy, parametrised), or its class computes another output.
    """

    def __init__(self, layer: nn.Module, rule: Rule, *, activated: bool = True, chunk: int | None = None) -> None:
        super().__init__()
        self.geometry = Geometry.of(layer)
        if (reason := obstacle(layer)) is not None:
            raise ValueError(reason)
        for name in cast(list[str], layer.__constants__):  # in_features, stride, ...: other modules may read them
            setattr(self, name, getattr(layer, name))
        for name in HOOKS:
            setattr(self, name, getattr(layer, name))
        self.weight = cast(nn.Parameter, layer.weight)
        self.bias = cast(nn.Parameter | None, layer.bias)
        self.rule, self.activated, self.chunk = rule, activated, chunk
        self.kind = type(layer).__name__
        self.plastic = True
        self.learning_rate: float | None = None
        self.more_to_come = False
        self.checked = True
        self.has_learned = False
        self._pending: Sums | None = None
        self.train(layer.training)

    @property
    def learns(self) -> bool:
        """Whether the next forward pass is one that learns."""
        return self.training and self.plastic and self.weight.requires_grad

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, channels, *size) -> (n, n_neurons, *positions); dense: (..., channels) -> (..., n_neurons)."""
        channels = self.geometry.channels(self.weight)
        given = inputs.shape[1 if self.geometry.n_dims else -1] if inputs.dim() > 1 else 0
        if given != channels:
            raise ValueError(f"inputs of shape {tuple(inputs.shape)}; allowed: {channels} channels")
        if not self.geometry.n_dims and inputs.dim() > 2:
            return self.forward(inputs.flatten(0, -2)).unflatten(0, inputs.shape[:-1])
        if not self.learns:
            return self._respond(inputs)
        with torch.no_grad():
            output, learned = self._learn(inputs)
            few_weights = inputs.numel() + output.numel() >= self.weight.numel()
            if processes.world() > 1 or few_weights:  # then the sums are also the smaller to look for NaN in
                learned = learned.sums(self.weight)
                processes.add_up(learned.total, learned.weight)
            if self.checked:
                self._check_finite(inputs, output, learned)
            if self.learning_rate is None:
                self._leave_gradient(learned.sums(self.weight))
            else:
                self._update(learned, self.learning_rate)
            self.has_learned = True
            return output if self.activated else self._with_bias(output)

    def _respond(self, inputs: Tensor) -> Tensor:
        if self.activated:
            return rules.respond(self.rule, inputs, self.weight, self.geometry)
        return self._with_bias(self.geometry.project(inputs, self.weight.to(inputs.dtype)))

    def _with_bias(self, output: Tensor) -> Tensor:
        return output if self.bias is None else output + self.geometry.per_neuron(self.bias)

    def _learn(self, inputs: Tensor) -> tuple[Tensor, Learned]:
        """The rule's output and what it learned, computed one chunk of the batch at a time."""
        first, *others = inputs.split(self.chunk or max(1, len(inputs)))
        output, learned = self._learn_chunk(first)
        outputs = [output]
        for part in others:
            output, more = self._learn_chunk(part)
            outputs.append(output)
            learned = learned.sums(self.weight) + more.sums(self.weight)
        return torch.cat(outputs) if others else output, learned

    def _learn_chunk(self, inputs: Tensor) -> tuple[Tensor, Learned]:
        return rules.respond_and_learn(self.rule, inputs, self.weight, self.geometry, activated=self.activated)

    def _leave_gradient(self, sums: Sums) -> None:
        """Put the negative update of all batches since ``zero_grad()`` into ``.grad``."""
        fresh = self.weight.grad is None or self._pending is None or not self.weight.grad.any()
        self._pending = sums if fresh or self._pending is None else self._pending + sums
        self.weight.grad = rules.update_of(self.rule, self._pending, self.weight, self.geometry).neg_()

    def _update(self, learned: Learned, learning_rate: float) -> None:
        """Change the weights by what was learned from all batches since the last update."""
        if self._pending is not None:
            learned = self._pending + learned.sums(self.weight)
        self._pending = learned.sums(self.weight) if self.more_to_come else None
        if not self.more_to_come:
            rules.apply(self.rule, learned, self.weight, learning_rate, self.geometry)

    def _check_finite(self, inputs: Tensor, output: Tensor, learned: Learned) -> None:
        """Refuse NaN and infinity.

        They show both in the update and in inputs or output; what is at hand is checked. The output alone is not
        enough: relu(-inf) is 0. Several processes must come to the same answer, so they all check the update.
        """
        checked = (learned.total,) if isinstance(learned, Sums) else (inputs, output)
        if not all(torch.isfinite(tensor.sum()) for tensor in checked):
            cause = "the update holds" if torch.isfinite(self.weight).all() else "the weights hold"
            raise NotFinite(self, f"{cause} NaN or infinity")

    def extra_repr(self) -> str:
        """Sizes and rule, for print(model)."""
        shape = " x ".join(str(size) for size in self.weight.shape)
        return f"{shape}, {self.rule.rule}" + ("" if self.activated else ", own output")


def obstacle(layer: nn.Module) -> str | None:
    """Why a linear or convolutional layer cannot be replaced by a Hebbian one; None if it can."""
    kind = type(layer).__name__
    if isinstance(layer, LazyModuleMixin) and layer.has_uninitialized_params():
        return f"{kind} has no weights yet; run the network once before, or exclude it"
    parameters = layer._parameters
    if not isinstance(parameters.get("weight"), nn.Parameter) or "bias" not in parameters:
        return f"{kind} computes its weight or bias from others (such as weight_norm); remove that, or exclude it"
    plain = next(base for base in LEARNABLE if isinstance(layer, base))
    methods = ("forward", "_conv_forward")
    same = all(getattr(type(layer), name, None) is getattr(plain, name, None) for name in methods)
    if not same or "forward" in vars(layer):
        return f"{kind} has a forward of its own; use {plain.__name__} itself, or exclude it"
    return None


def stop_learning(model: nn.Module) -> None:
    """Freeze the Hebbian layers of a network: also in training mode they respond without learning."""
    for _, layer in hebbian_layers(model):
        layer.plastic = False


def hebbian_layers(model: nn.Module) -> Iterator[tuple[str, Hebbian]]:
    """The Hebbian layers of a network, by name."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, Hebbian))
