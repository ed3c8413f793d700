"""A line of a recipe: a value of a protocol in a lab's units and words."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from protocols.spec.protocol import Protocol
from protocols.spec.quantity import UnitError, parse

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
        Factor on the value (SI), from the protocol.
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
        try:
            return self._spelled(protocol, [self._value(protocol)])
        except LookupError:
            return "not used"  # a parameter of what the protocol does without

    def range(self, protocol: Protocol, extent: Mapping[str, Any], unit: str) -> str:
        """What does as well as a protocol's value: its entry of ``region`` in ``answer.json``, widened to the value.

        Ends are in `unit`, the parameter's; a choice's options come with their shares.
        """
        if "choices" in extent:
            shares = sorted(extent["choices"].items(), key=lambda item: -item[1])
            return ", ".join(f"{_option(label)} ({100 * share:.0f} %)" for label, share in shares if share >= 0.005)
        low, high = (extent[end] * size(unit) for end in ("low", "high"))
        try:
            own = self._value(protocol)
        except LookupError:
            own = low
        return self._spelled(protocol, [min(low, own), max(high, own)] if _is_number(own) else [low, high])

    def _value(self, protocol: Protocol) -> Any:
        """In SI where it is written with a unit, else as in a file."""
        value = value_of(protocol, self.path)
        return in_si(value) if self.unit and isinstance(value, str) else value

    def _spelled(self, protocol: Protocol, values: Sequence[Any]) -> str:
        if not _is_number(values[0]):
            return words(values[0])
        factor = self.scale(protocol) / size(self.unit)
        texts = dict.fromkeys(number(value * factor) for value in values)
        return f"{' to '.join(texts)} {self.unit}".strip()


def number(value: float) -> str:
    """Three significant digits, whole numbers in full, thousands apart."""
    whole = abs(value - round(value)) <= 1e-9 * abs(value)
    return f"{round(value):,}" if whole else f"{Decimal(f'{value:.3g}'):,f}"


def words(value: Any) -> str:
    """A value as a file has it, for readers who do not write files."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return number(value)
        case Mapping():
            return ", ".join(f"{key} {words(inner)}" for key, inner in value.items())
        case list():
            return ", ".join(map(words, value))
    return str(value)


def _option(label: str) -> str:
    """A choice by its label, which is JSON unless it is a text."""
    try:
        return words(json.loads(label))
    except ValueError:
        return label


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def size(unit: str) -> float:
    """What one of a unit is in SI; 1 for what is no SI unit."""
    found = in_si(f"1 {unit}")
    return found if isinstance(found, float) else 1.0


def in_si(text: str) -> float | str:
    """A quantity in SI; any other text as it is."""
    for base in SI:
        try:
            return parse(text, base, f"1 {base}")
        except UnitError:
            continue
    return text


def value_of(protocol: Protocol, path: str) -> Any:
    """The value at a dotted path, as a file has it; an item of a list goes by its index or its ``name``.

    Raises
    ------
    LookupError
        If the protocol has no such path.
    """
    node: Any = protocol.model_dump(mode="json")
    for key in path.split("."):
        if isinstance(node, list):
            named = [item for item in node if isinstance(item, Mapping) and item.get("name") == key]
            if not named and not key.isdecimal():
                raise LookupError(path)
            node = named[0] if named else node[int(key)]
        elif isinstance(node, Mapping):
            node = node[key]
        else:
            raise LookupError(path)
    return node
