"""The search space: allowed values of each parameter, and the protocol for a point of the space.

A parameter's value is a plain number in the unit of its range, or the label of a choice.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocols.loading.overrides import changed
from protocols.spec.faults import ProtocolFault, short
from protocols.spec.protocol import Protocol
from protocols.spec.search import AnyParameter, Choice, Range, Search

DIGITS = 4  # significant digits of non-integer values, to keep results readable
_TEXT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")
_FACTORS = {"k": 1e3, "": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9}
_UNITS = ("Hz", "s", "m", "V")

Value = float | int | str
Values = Mapping[str, Value]


@dataclass(frozen=True)
class Dimension:
    """One searched parameter.

    Parameters
    ----------
    path
        Dotted path in the protocol.
    kind
        ``float``, ``int`` or ``choice``.
    unit
        Unit of its values; empty for a bare number.
    low, high, log, step
        Range of a number: bounds, whether the scale is logarithmic, step.
    choices
        Values of a choice, as written in the protocol, by label.
    when
        Labels that other choices must have for this parameter to be searched.
    start
        The protocol's own value; None if it lies outside the range or choices.
    """

    path: str
    kind: str
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: Mapping[str, Any] | None = None
    when: Mapping[str, tuple[str, ...]] | None = None
    start: Value | None = None

    def exists(self, values: Values) -> bool:
        """Whether the parameter is searched, given the values of the others."""
        return all(values.get(path) in labels for path, labels in (self.when or {}).items())

    def rounded(self, value: Value) -> Value:
        """The value rounded as it is used in trials and in tables."""
        if self.kind == "choice":
            return value
        if self.kind == "int":
            return int(value)
        return min(max(float(f"{float(value):.{DIGITS}g}"), self.low), self.high)

    def spelled(self, value: Value) -> Any:
        """The value as written in a protocol file."""
        if self.choices is not None:
            return self.choices[str(value)]
        return f"{value} {self.unit}" if self.unit else value


def dimensions(protocol: Protocol) -> list[Dimension]:
    """The searched parameters, in the order of the file.

    Raises
    ------
    ProtocolFault
        If a range is empty, its units do not agree, or a path does not exist.
    """
    content = protocol.model_dump(mode="json")
    return [_dimension(path, parameter, _at(content, path)) for path, parameter in _search(protocol).space.items()]


def _search(protocol: Protocol) -> Search:
    if protocol.search is None:
        raise ProtocolFault([f"search: missing in '{protocol.name}'; allowed: a protocol with a 'search:' section"])
    return protocol.search


def _dimension(path: str, parameter: AnyParameter, own: Any) -> Dimension:
    when = {
        other: tuple(label(value) for value in (given if isinstance(given, list) else [given]))
        for other, given in parameter.when.items()
    }
    if isinstance(parameter, Choice):
        choices = {label(value): value for value in parameter.choices}
        if len(choices) < len(parameter.choices):
            raise ProtocolFault([f"search.space.{path}.choices: a value is listed twice"])
        start = label(own) if label(own) in choices else None
        return Dimension(path, "choice", choices=choices, when=when, start=start)
    return _range(path, parameter, own, when)


def _range(path: str, given: Range, own: Any, when: dict[str, tuple[str, ...]]) -> Dimension:
    where = f"search.space.{path}"
    low, unit = _number(f"{where}.low", given.low)
    high = _in_unit(f"{where}.high", given.high, unit)
    step = None if given.step is None else _in_unit(f"{where}.step", given.step, unit)
    if not low < high:
        raise ProtocolFault([f"{where}: an empty range, low {given.low}, high {given.high}; allowed: low below high"])
    if given.scale == "log" and low <= 0:
        raise ProtocolFault([f"{where}.low: {given.low}; allowed: above 0 on a log scale"])
    if step is not None and (given.scale == "log" or not 0 < step <= high - low):
        allowed = "linear ranges only" if given.scale == "log" else "above 0, at most high - low"
        raise ProtocolFault([f"{where}.step: {given.step}; allowed: {allowed}"])
    whole = not unit and all(isinstance(x, int) for x in (given.low, given.high, given.step or 0))
    kind = "int" if whole and not isinstance(own, float) else "float"
    start = _start(own, unit)
    if start is not None and not low <= start <= high:
        start = None
    if start is not None and kind == "int":
        start = int(start)
    return Dimension(path, kind, unit, low, high, given.scale == "log", step, None, when, start)


def _start(own: Any, unit: str) -> float | None:
    try:
        return _in_unit("", own, unit)
    except ProtocolFault:
        return None


def _number(where: str, given: Any) -> tuple[float, str]:
    """Split a quantity into number and unit."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        try:
            return float(given), ""
        except OverflowError:
            raise ProtocolFault([f"{where}: {short(given)} is too large; allowed: what a float holds"]) from None
    match = _TEXT.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        raise ProtocolFault(
            [f"{where}: {short(repr(given))} is no number; allowed: a number, or a quantity such as '20 mV'"]
        )
    return float(match.group(1)), match.group(2)


def _in_unit(where: str, given: Any, unit: str) -> float:
    """Convert a quantity to `unit`; exact if it is already written in that unit."""
    value, own = _number(where, given)
    if own == unit:
        return value
    base, other = _base(unit), _base(own)
    if base is None or base != other:
        raise ProtocolFault([f"{where}: {short(repr(given))}; allowed: a number in {unit or 'no unit'}, as 'low'"])
    factor = _FACTORS[own.removesuffix(base)] / _FACTORS[unit.removesuffix(base)]
    return float(f"{value * factor:.12g}")


def _base(unit: str) -> str | None:
    return next((base for base in _UNITS if unit.endswith(base) and unit[: -len(base)] in _FACTORS), None)


def _at(node: Any, path: str) -> Any:
    """Value at a path; None if the path does not exist."""
    for key in path.split("."):
        if isinstance(node, list):
            named = {
                str(item.get("name", i)) if isinstance(item, dict) else str(i): item for i, item in enumerate(node)
            }
            node = named.get(key, node[int(key)] if key.isdecimal() and int(key) < len(node) else None)
        else:
            node = node.get(key) if isinstance(node, dict) else None
    return node


def label(value: Any) -> str:
    """Label of a choice."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def at_point(protocol: Protocol, values: Values, *, seeds: range | None = None, trial: bool) -> Protocol:
    """The protocol with the searched parameters set to given values.

    Parameters
    ----------
    protocol
        A protocol with a ``search:`` section; the returned one has none.
    values
        Values by path; a missing parameter keeps the protocol's own value.
    seeds
        Seeds to use in place of the protocol's own.
    trial
        Whether to apply the changes in ``search.trial``.

    Raises
    ------
    ProtocolFault
        If the combination of values is not allowed.
    """
    search = _search(protocol)
    changes: dict[str, Any] = {"search": None, "quick": {}} | (search.trial if trial else {})
    by_path = {dimension.path: dimension for dimension in dimensions(protocol)}
    changes |= {path: by_path[path].spelled(values[path]) for path in by_path if path in values}
    if seeds is not None:
        changes |= {"seeds": len(seeds), "first_seed": seeds.start}
    return changed(protocol, changes)


def check_space(protocol: Protocol) -> None:
    """Refuse paths that do not exist, and bounds and choices that the protocol does not allow.

    Raises
    ------
    ProtocolFault
        With one line for every fault.
    """
    plain = changed(protocol, {"search": None, "quick": {}})
    lines: list[str] = []
    space = dimensions(protocol)
    for dimension in space:
        above = [other for other in space if other.path in (dimension.when or {})]
        conditions = {other.path: other.spelled((dimension.when or {})[other.path][0]) for other in above}
        if dimension.choices is not None:
            tried = {f"choices.{i}": value for i, value in enumerate(dimension.choices.values())}
        else:
            given = _search(protocol).space[dimension.path]
            tried = {"low": getattr(given, "low"), "high": getattr(given, "high")}  # noqa: B009
        for what, value in tried.items():
            lines += _faults_at(plain, conditions, dimension.path, value, f"search.space.{dimension.path}", what)
    search = _search(protocol)
    for path, value in search.trial.items():
        lines += _faults_at(plain, {}, path, value, f"search.trial.{path}", "")
    if lines:
        raise ProtocolFault(dict.fromkeys(lines))


def _faults_at(plain: Protocol, conditions: dict[str, Any], path: str, value: Any, where: str, what: str) -> list[str]:
    """Faults of a single value; combinations of values are checked only when a trial uses them."""
    try:
        changed(plain, conditions | {path: value})
    except ProtocolFault as fault:
        own = [line.removeprefix(f"{path}: ") for line in fault.lines if line.startswith((f"{path}: ", f"{path}."))]
        if own and own[0].startswith("no '"):  # the path itself
            return [f"{where}: {own[0]}"]
        return [f"{where}.{what}: {line}" if what else f"{where}: {line}" for line in own]
    return []
