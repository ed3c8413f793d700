"""A line of a recipe: a value of a protocol in a lab's units and words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from protocols.quantity import UnitError, parse
from protocols.schema import Protocol
from protocols.section import Section

SI = ("Hz", "V", "m", "s")


@dataclass(frozen=True)
class Row:
    """The value at a path of the protocol, times what the rest of the protocol makes of it.

    Parameters
    ----------
    what
        In a lab's words.
    path
        Dotted path of the value.
    unit
        In which it is written; an SI unit with its prefix says in which prefix.
    scale
        Factor on the value, from the protocol.
    others
        Paths that the factor depends on.
    """

    what: str
    path: str
    unit: str = ""
    scale: Callable[[Any], float] = lambda _: 1.0
    others: tuple[str, ...] = ()

    def text(self, protocol: Protocol) -> str:
        """The value in a protocol."""
        return self._spelled(protocol, [value_of(protocol, self.path)])

    def range(self, protocol: Protocol, extent: Mapping[str, Any], unit: str) -> str:
        """What an entry of ``region`` in ``answer.json`` says, a choice's options with their shares.

        Its ends are in `unit`, the parameter's; all but this value is the protocol's.
        """
        if "choices" in extent:
            shares = sorted(extent["choices"].items(), key=lambda item: -item[1])
            return ", ".join(f"{option} ({100 * share:.0f} %)" for option, share in shares if share >= 0.005)
        return self._spelled(protocol, [extent[end] * size(unit) for end in ("low", "high")])

    def _spelled(self, protocol: Protocol, values: Sequence[Any]) -> str:
        if isinstance(values[0], bool) or not isinstance(values[0], int | float):
            return words(values[0])
        factor = self.scale(protocol) / size(self.unit)
        texts = dict.fromkeys(number(value * factor) for value in values)
        return f"{' to '.join(texts)} {self.unit}".strip()


def number(value: float) -> str:
    """Three significant digits, whole numbers in full, thousands apart."""
    whole = abs(value - round(value)) <= 1e-9 * abs(value)
    return f"{round(value):,}" if whole else f"{Decimal(f'{value:.3g}'):,f}"


def words(value: Any) -> str:
    """A value that is no number."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
    return str(value)


def size(unit: str) -> float:
    """What one of a unit is in SI; 1 for what is no SI unit."""
    for base in SI:
        try:
            return parse(f"1 {unit}", base, f"1 {base}")
        except UnitError:
            continue
    return 1.0


def value_of(protocol: Protocol, path: str) -> Any:
    """The value (SI) at a dotted path; an item of a list goes by its index or its ``name``, as for ``--set``."""
    node: Any = protocol
    for key in path.split("."):
        if isinstance(node, Section | Mapping):
            node = {str(name): value for name, value in dict(node).items()}[key]
        else:
            named = [item for item in node if isinstance(item, Section) and dict(item).get("name") == key]
            node = named[0] if named else node[int(key)]
    return node
