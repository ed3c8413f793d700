"""Row of a recipe: a value of a protocol in a lab's units and words."""

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
    """Value at a path of the protocol, times a factor that may depend on the rest of the protocol.

    Parameters
    ----------
    what
        Name of the quantity, in a lab's words.
    path
        Dotted path of the value.
    unit
        Unit it is written in; an SI unit may have a prefix.
    scale
        Factor on the value (SI), computed from the protocol.
    others
        Paths that the factor depends on.
    """

    what: str
    path: str
    unit: str = ""
    scale: Callable[[Any], float] = lambda _: 1.0
    others: tuple[str, ...] = ()

    def text(self, protocol: Protocol) -> str:
        """Text of the value in a protocol."""
        try:
            return self._spelled(protocol, [self._value(protocol)])
        except LookupError:
            return "not used"  # parameter of a part that this protocol lacks

    def range(self, protocol: Protocol, extent: Mapping[str, Any], unit: str) -> str:
        """Text of values that do as well: an entry of ``region`` in ``answer.json``, widened to the protocol's value.

        `unit` is that of the entry's ends; options of a choice come with their shares.
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
        """Value in SI if it is written with a unit, else as in a file."""
        value = value_of(protocol, self.path)
        return in_si(value) if self.unit and isinstance(value, str) else value

    def _spelled(self, protocol: Protocol, values: Sequence[Any]) -> str:
        if not _is_number(values[0]):
            return words(values[0])
        factor = self.scale(protocol) / size(self.unit)
        texts = dict.fromkeys(number(value * factor) for value in values)
        return f"{' to '.join(texts)} {self.unit}".strip()


def number(value: float) -> str:
    """Three significant digits, or all of a whole number, with commas between thousands."""
    whole = abs(value - round(value)) <= 1e-9 * abs(value)
    return f"{round(value):,}" if whole else f"{Decimal(f'{value:.3g}'):,f}"


def words(value: Any) -> str:
    """Plain text of a value in a protocol file."""
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
    """Plain text of an option, whose label is JSON unless it is a text."""
    try:
        return words(json.loads(label))
    except ValueError:
        return label


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def size(unit: str) -> float:
    """Size of a unit in SI; 1 if it is not an SI unit."""
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
    """Value at a dotted path, as in a file; an item of a list is named by its index or its ``name``.

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
