"""Table of a network's layers: which learn by which rule, which stay as they are, which cannot learn and why."""

from dataclasses import astuple, dataclass, fields
from typing import Any, Literal, cast

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from hebbian_dl.layers.hebbian import LEARNABLE, Hebbian, obstacle
from hebbian_dl.layers.hebbianize import UNCALLED


@dataclass(frozen=True)
class LayerRow:
    """What became of a layer.

    Parameters
    ----------
    layer, kind
        Name of the module, and of its class.
    weights
        Shape of its weights, for example ``16 x 3 x 5 x 5``.
    state
        ``learns`` by a rule; ``frozen``: has a rule, but does not learn; ``stays`` as it was; ``refused``: cannot
        learn.
    rule
        Name of the rule; empty for none.
    reason
        Why it does not learn; empty where nothing but the plan says so.
    """

    layer: str
    kind: str
    weights: str
    state: Literal["learns", "frozen", "stays", "refused"]
    rule: str = ""
    reason: str = ""


@dataclass(frozen=True)
class LayerTable:
    """The layers of a network, in its order; `str` gives a table of text."""

    rows: tuple[LayerRow, ...]

    def __str__(self) -> str:
        """One line per layer under a line of names."""
        cells = [tuple(field.name for field in fields(LayerRow)), *map(astuple, self.rows)]
        widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


def layer_table(model: nn.Module) -> LayerTable:
    """What becomes of the weights of each layer of a network, before or after `hebbianize`."""
    seen: dict[nn.Parameter, tuple[str, nn.Module]] = {}
    return LayerTable(tuple(row for name, layer in model.named_modules() if (row := _row(name, layer, seen))))


def _row(name: str, layer: nn.Module, seen: dict[nn.Parameter, tuple[str, nn.Module]]) -> LayerRow | None:
    """The row of a module; None if it has no weights that a rule might learn."""
    if isinstance(layer, Hebbian):
        seen.setdefault(layer.weight, (name, layer))
        learns = layer.plastic and layer.weight.requires_grad
        reason = "" if learns else "stopped" if layer.weight.requires_grad else "requires_grad=False"
        state: Literal["learns", "frozen"] = "learns" if learns else "frozen"
        return LayerRow(name, layer.kind, _sizes(layer.weight), state, layer.rule.rule, reason)
    kind = type(layer).__name__
    if isinstance(layer, NonDynamicallyQuantizableLinear):
        return LayerRow(name, kind, _sizes(layer.weight), "refused", reason=UNCALLED)
    if isinstance(layer, LEARNABLE):
        if (found := obstacle(layer)) is not None:
            return LayerRow(name, kind, "", "refused", reason=found)
        other, same = seen.setdefault(cast(nn.Parameter, layer.weight), (name, layer))
        if same is not layer:
            return LayerRow(name, kind, _sizes(layer.weight), "refused", reason=f"its weights are those of '{other}'")
        return LayerRow(name, kind, _sizes(layer.weight), "stays")
    matrices = [p for p in layer.parameters(recurse=False) if p.dim() > 1]
    if not matrices or not type(layer).__module__.startswith("torch.nn.modules."):
        return None
    return LayerRow(name, kind, _sizes(matrices[0]), "refused", reason="no rule; allowed: linear and convolutional")


def _sizes(weights: Any) -> str:
    return " x ".join(map(str, weights.shape))
