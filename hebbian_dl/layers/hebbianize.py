"""Any torch network as a Hebbian one: all its layers by one rule, or each by the rule that a plan gives it."""

import fnmatch
import warnings
from collections.abc import Collection, Mapping
from typing import Any, TypeVar, cast

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from hebbian_dl.layers.hebbian import LEARNABLE, Hebbian, hebbian_layers, obstacle
from protocols.spec.faults import listed
from protocols.spec.rules import Rule

Model = TypeVar("Model", bound=nn.Module)
#: Rule by name of a module, or by a pattern such as ``blocks.*``; None for layers that stay as they are.
Plan = Mapping[str, Rule | None]

UNCALLED = "MultiheadAttention reads the weights and never calls the layer"


def hebbianize(model: Model, rule: Rule | Plan, exclude: Collection[str] = ()) -> Model:
    """Make the linear and convolutional layers of any torch network learn by a Hebbian rule.

    The network computes what it computed before; its parameters keep their names. A layer whose weights are read by
    another module in place of calling it sees no inputs and cannot learn: those of `torch.nn.MultiheadAttention` stay
    as they are, with a warning; for others the network's first forward pass in training mode warns. `layer_table` says
    afterwards what became of each layer.

    Parameters
    ----------
    model
        Changed in place, and returned.
    rule
        The rule of all layers; or a plan: the rule of each layer by the name of its module, as in
        ``model.named_modules()``, or by a pattern (``"blocks.*"``; ``"*"`` for all). A name counts for all that the
        module contains. The first name that fits a layer decides; None, or no name that fits, leaves it as it is.
        Layers that cannot learn stay as they are where a pattern covers them, without an error.
    exclude
        Names of modules that stay as they are, with all they contain.

    Raises
    ------
    ValueError
        If a name is not in the network, nothing is left to learn, or a layer cannot learn: its weights are lazy,
        parametrised or those of another layer, or its class computes another output. The network is unchanged.
    """
    names = dict(model.named_modules(remove_duplicate=False))
    if absent := sorted(set(exclude) - names.keys()):
        raise ValueError(f"exclude: no module '{absent[0]}'; allowed: {', '.join(filter(None, names))}")
    kept = {module for name in exclude for module in names[name].modules()}
    able = {n: m for n, m in names.items() if n and m not in kept and isinstance(m, LEARNABLE)}
    called = able if isinstance(rule, Mapping) else _called(able)
    if not called:
        raise ValueError("no linear or convolutional layer below the network itself")
    chosen = _planned(able, rule) if isinstance(rule, Mapping) else dict.fromkeys(called, rule)
    _check_layers({name: able[name] for name in chosen})
    made = {able[name]: Hebbian(able[name], own, activated=False) for name, own in chosen.items()}
    for name, module in able.items():  # one layer in all its places
        if module in made:
            model.set_submodule(name, made[module])
    model.register_forward_hook(_FirstForward())
    return model


def _called(layers: Mapping[str, nn.Module]) -> list[str]:
    """Names of the layers that are called; warns of those whose weights are only read."""
    uncalled = [name for name, module in layers.items() if isinstance(module, NonDynamicallyQuantizableLinear)]
    if uncalled:
        warnings.warn(
            f"not Hebbian: {', '.join(uncalled)}: {UNCALLED}; name it in exclude= to omit this warning", stacklevel=3
        )
    return [name for name in layers if name not in uncalled]


def _planned(layers: Mapping[str, nn.Module], plan: Plan) -> dict[str, Rule]:
    """Rules of the layers that learn; those that cannot are left out where a pattern covers them."""
    if not plan:
        raise ValueError("plan: names no layer; allowed: a mapping of names of layers to rules")
    fitting = {layer: next((key for key in plan if _fits(key, layer)), None) for layer in layers}
    for key in plan:
        if not any(_fits(key, layer) for layer in layers):
            raise ValueError(f"plan: '{key}' names no layer; allowed: {listed(layers)}")
    chosen: dict[str, Rule] = {}
    parameters: dict[nn.Parameter, nn.Module] = {}
    for name, decisive in fitting.items():
        if decisive is None or (rule := plan[decisive]) is None:
            continue
        reason = reason_against(layers[name])
        if reason is None and parameters.setdefault(_weight(layers[name]), layers[name]) is not layers[name]:
            reason = "its weights are those of another layer"
        if reason is None:
            chosen[name] = rule
        elif not _is_pattern(decisive):
            raise ValueError(f"plan: layer '{name}': {reason}")
    if not chosen:
        raise ValueError("plan: no layer learns; allowed: a rule for a layer that can learn")
    return chosen


def reason_against(layer: nn.Module) -> str | None:
    """Why a layer by itself cannot learn; None if it can."""
    return UNCALLED if isinstance(layer, NonDynamicallyQuantizableLinear) else obstacle(layer)


def _fits(key: str, layer: str) -> bool:
    """Whether a name in a plan is that of the layer or of a module around it, or a pattern of its name."""
    return layer == key or layer.startswith(f"{key}.") or fnmatch.fnmatchcase(layer, key)


def _is_pattern(key: str) -> bool:
    return any(character in key for character in "*?[")


def _weight(layer: nn.Module) -> nn.Parameter:
    return cast(nn.Parameter, layer.weight)


def _check_layers(layers: dict[str, nn.Module]) -> None:
    """Refuse layers that cannot learn by a rule, by name."""
    first: dict[nn.Parameter, tuple[str, nn.Module]] = {}
    for name, layer in layers.items():
        if (reason := obstacle(layer)) is not None:
            raise ValueError(f"layer '{name}': {reason} (exclude=)")
        other, same = first.setdefault(_weight(layer), (name, layer))
        if same is not layer:
            raise ValueError(
                f"layer '{name}': its weights are those of '{other}'; reuse that layer, or exclude it (exclude=)"
            )


class _FirstForward:
    """Forward hook of a network: warns after the first pass that learns of layers that were never called."""

    def __init__(self) -> None:
        self.done = False

    def __call__(self, model: nn.Module, inputs: Any, output: Any) -> None:
        if self.done:
            return
        learning = {name: layer for name, layer in hebbian_layers(model) if layer.learns}
        self.done = bool(learning)
        if silent := [name for name, layer in learning.items() if not layer.has_learned]:
            warnings.warn(
                f"did not learn: {', '.join(silent)}: the network did not call the layer in this forward pass; "
                "if it reads the weights instead, name the layer in exclude=",
                stacklevel=2,
            )
