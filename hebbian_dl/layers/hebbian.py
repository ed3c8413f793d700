"""Hebbian layers: ordinary torch modules whose weights learn while they forward."""

from collections.abc import Collection, Iterator
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from hebbian_dl import processes
from hebbian_dl.layers import rules
from hebbian_dl.layers.geometry import Geometry
from protocols.spec.rules import Rule

Model = TypeVar("Model", bound=nn.Module)


class NotFinite(RuntimeError):
    """A layer's update holds NaN or infinity; its weights are as they were before."""

    def __init__(self, layer: nn.Module, message: str) -> None:
        super().__init__(message)
        self.layer = layer


class Hebbian(nn.Module):
    """A linear or convolutional layer that learns by a Hebbian rule whenever it forwards in training mode.

    Its update lands in ``weight.grad``, with the sign of a gradient, so that any torch optimizer applies it; several
    forwards before ``zero_grad()`` count as one batch. Or, where `learning_rate` is set, in the weights themselves.
    The processes of a `torch.distributed` group learn from the patches of all of them.

    Parameters
    ----------
    layer
        Linear, Conv1d to Conv3d or ConvTranspose1d to ConvTranspose3d, whose parameters are taken over. A bias does
        not learn by the rule.
    rule
        The learning rule.
    activated
        Whether the output is the rule's (for example relu(w.x / |w|)), or the layer's own w.x + bias.
    chunk
        Images whose sums are taken at a time, to bound the memory; None for all at once.

    Attributes
    ----------
    plastic : bool
        Whether the layer learns in training mode; otherwise its output is differentiable as that of any layer.
    learning_rate : float or None
        Of updates in place; None for updates in ``.grad``.
    more_to_come : bool
        Where updates are in place: the weights stay as they are, and what follows belongs to the same update.
    """

    def __init__(self, layer: nn.Module, rule: Rule, *, activated: bool = True, chunk: int | None = None) -> None:
        super().__init__()
        self.geometry = Geometry.of(layer)
        self.weight = cast(nn.Parameter, layer.weight)
        self.bias = cast(nn.Parameter | None, layer.bias)
        self.rule, self.activated, self.chunk = rule, activated, chunk
        self.plastic = True
        self.learning_rate: float | None = None
        self.more_to_come = False
        self._pending: rules.Sums | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (n, channels, *size) -> (n, n_neurons, *positions); dense: (..., channels) -> (..., n_neurons)."""
        channels = self.geometry.channels(self.weight)
        given = inputs.shape[1 if self.geometry.n_dims else -1] if inputs.dim() > 1 else 0
        if given != channels:
            raise ValueError(f"inputs of shape {tuple(inputs.shape)}; allowed: {channels} channels")
        if not self.geometry.n_dims and inputs.dim() > 2:
            return self.forward(inputs.flatten(0, -2)).unflatten(0, inputs.shape[:-1])
        if not (self.training and self.plastic):
            return self._respond(inputs)
        with torch.no_grad():
            output, sums = self._learn(inputs)
            processes.add_up(sums.total, sums.weight)
            self._check_finite(inputs, output, sums)
            if not self.activated:
                output = self._respond(inputs)  # with the weights as they were, as the rule's output
            if self.learning_rate is None:
                self._leave_gradient(sums)
            else:
                self._update(sums, self.learning_rate)
            return output

    def _respond(self, inputs: Tensor) -> Tensor:
        if self.activated:
            return rules.respond(self.rule, inputs, self.weight, self.geometry)
        output = self.geometry.project(inputs, self.weight)
        return output if self.bias is None else output + self.bias.reshape(-1, *(1,) * self.geometry.n_dims)

    def _learn(self, inputs: Tensor) -> tuple[Tensor, rules.Sums]:
        """The rule's output and sums, a chunk of the batch at a time."""
        first, *others = inputs.split(self.chunk or max(1, len(inputs)))
        output, sums = rules.learn(self.rule, first, self.weight, self.geometry)
        outputs = [output]
        for part in others:
            output, more = rules.learn(self.rule, part, self.weight, self.geometry)
            outputs.append(output)
            sums = sums + more
        return torch.cat(outputs) if others else output, sums

    def _leave_gradient(self, sums: rules.Sums) -> None:
        """Put the negative update into ``.grad``, together with what was summed since ``zero_grad()``."""
        fresh = self.weight.grad is None or self._pending is None or not self.weight.grad.any()
        self._pending = sums if fresh or self._pending is None else self._pending + sums
        self.weight.grad = rules.update_of(self.rule, self._pending, self.geometry).neg_()

    def _update(self, sums: rules.Sums, learning_rate: float) -> None:
        """Change the weights by all that was summed since the last update."""
        sums = sums if self._pending is None else self._pending + sums
        self._pending = sums if self.more_to_come else None
        if not self.more_to_come:
            rules.apply(self.rule, sums, self.weight, learning_rate, self.geometry)

    def _check_finite(self, inputs: Tensor, output: Tensor, sums: rules.Sums) -> None:
        """Refuse NaN and infinity, which show in the update, and in inputs or output: the smaller ones are looked at.

        The output alone does not tell: relu(-inf) is 0. Of several processes all must see the same: the update.
        """
        around = (inputs, output)
        smaller = processes.world() == 1 and sum(map(torch.numel, around)) < sums.total.numel()
        looked_at = around if smaller else (sums.total,)
        if not all(torch.isfinite(tensor.sum()) for tensor in looked_at):
            cause = "the update holds" if torch.isfinite(self.weight).all() else "the weights hold"
            raise NotFinite(self, f"{cause} NaN or infinity")

    def extra_repr(self) -> str:
        """What print(model) shows of the layer."""
        shape = " x ".join(str(size) for size in self.weight.shape)
        return f"{shape}, {self.rule.rule}" + ("" if self.activated else ", own output")


def hebbianize(model: Model, rule: Rule, exclude: Collection[str] = ()) -> Model:
    """Make the linear and convolutional layers of any torch network learn by a Hebbian rule.

    The network computes what it computed before; its parameters keep their names.

    Parameters
    ----------
    model
        Changed in place, and returned.
    rule
        The rule of all layers.
    exclude
        Names of modules, as in ``model.named_modules()``, that stay as they are, with all they contain.

    Raises
    ------
    ValueError
        If a name to exclude is not in the network, or nothing is left to learn.
    """
    names = dict(model.named_modules(remove_duplicate=False))
    if absent := sorted(set(exclude) - names.keys()):
        raise ValueError(f"exclude: no module '{absent[0]}'; allowed: {', '.join(filter(None, names))}")
    kept = {module for name in exclude for module in names[name].modules()}
    made: dict[nn.Module, Hebbian] = {}  # a layer used in several places stays one layer
    for name, module in names.items():
        if name and module not in kept and isinstance(module, nn.Linear | _ConvNd):
            if module not in made:
                made[module] = Hebbian(module, rule, activated=False)
            model.set_submodule(name, made[module])
    if not made:
        raise ValueError("no linear or convolutional layer below the network itself")
    return model


def stop_learning(model: nn.Module) -> None:
    """Make the Hebbian layers of a network answer as any layer does, in training mode, too."""
    for _, layer in hebbian_layers(model):
        layer.plastic = False


def hebbian_layers(model: nn.Module) -> Iterator[tuple[str, Hebbian]]:
    """The Hebbian layers of a network, by name."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, Hebbian))
