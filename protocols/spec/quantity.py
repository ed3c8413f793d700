"""Quantities with units: ``"20 ms"`` in a file is ``0.02`` (SI) in Python, and is written back without loss.

Scaling uses decimal arithmetic, so that ``30 um`` and ``0.03 mm`` give the same float and therefore the same hash.
"""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_PREFIX = {"k": 3, "": 0, "m": -3, "u": -6, "µ": -6, "μ": -6, "n": -9}
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\s\d].*?)?\s*")


class UnitError(ValueError):
    """A quantity whose unit is missing, unknown or of another dimension."""


def parse(text: Any, unit: str, example: str) -> float:
    """Read a quantity.

    Parameters
    ----------
    text
        For example ``"20 ms"``.
    unit
        The SI unit expected, for example ``"s"``.
    example
        A valid quantity, shown in the error message.

    Returns
    -------
    float
        The value in `unit`.

    Raises
    ------
    UnitError
        If the unit is missing or is not `unit` with an SI prefix.
    """
    allowed = f"a quantity in {unit}, for example '{example}'"
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        raise UnitError(f"has no unit; allowed: {allowed}")
    match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise UnitError(f"is not a quantity; allowed: {allowed}")
    number, given = match.groups()
    if not given:
        raise UnitError(f"has no unit; allowed: {allowed}")
    if not given.endswith(unit) or (prefix := given[: -len(unit)]) not in _PREFIX:
        raise UnitError(f"has the wrong unit '{given}'; allowed: {allowed}")
    try:
        value = float(Decimal(number).scaleb(_PREFIX[prefix]))
    except ArithmeticError:
        value = float("inf")
    if abs(value) == float("inf"):
        raise UnitError(f"is out of range; allowed: {allowed}")
    return value


def spell(value: float, unit: str, prefix: str) -> str:
    """Write a quantity so that `parse` gives back the same float."""
    scaled = Decimal(repr(float(value))).scaleb(-_PREFIX[prefix]).normalize()
    return f"{scaled:f} {prefix}{unit}"


UNITS = ("uA/mm2", "m/s", "Hz", "s", "m", "V", "A")  # of quantities; a longer one before its ending


def in_unit_of(value: float, given: object) -> str | None:
    """Write an SI value with the unit of a given quantity and a prefix that suits it; None if that is none."""
    match = _NUMBER.fullmatch(given) if isinstance(given, str) else None
    text = (match[2] or "") if match else ""
    unit = next((u for u in UNITS if text.endswith(u) and text[: -len(u)] in _PREFIX), None)
    if unit is None:
        return None
    fits = [prefix for prefix in ("", "m", "u", "n") if abs(value) >= 10.0 ** _PREFIX[prefix]]
    return spell(value, unit, fits[0] if fits else "").replace("  ", " ")


def _quantity(unit: str, prefix: str, example: str) -> Any:
    def read(text: Any) -> float:
        return parse(text, unit, example)

    def write(value: float) -> str:
        return spell(value, unit, prefix)

    return Annotated[float, BeforeValidator(read), PlainSerializer(write)]


_DURATION = {"h": 3600, "min": 60, "s": 1}


def parse_duration(text: Any) -> float:
    """Read a time limit in hours, minutes or seconds; returns seconds."""
    match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if match is None or match.group(2) not in _DURATION:
        raise UnitError("is not a duration; allowed: h, min or s, for example '25 min'")
    return float(match.group(1)) * _DURATION[match.group(2)]


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(lambda seconds: f"{seconds!r} s")]
_DENSITY = {"/mm2": 6, "/cm2": 4}  # powers of ten to 1/m2


def parse_density(text: Any) -> float:
    """Read a number per area, for example ``"1000 / mm2"``; returns it per square metre."""
    match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    unit = (match.group(2) or "").replace(" ", "") if match else ""
    if match is None or unit not in _DENSITY:
        raise UnitError("is not a density; allowed: / mm2 or / cm2, for example '1000 / mm2'")
    return float(Decimal(match.group(1)).scaleb(_DENSITY[unit]))


def _written_density(per_m2: float) -> str:
    return f"{Decimal(repr(float(per_m2))).scaleb(-6).normalize():f} / mm2"


Density = Annotated[float, BeforeValidator(parse_density), PlainSerializer(_written_density)]
Time = _quantity("s", "m", "20 ms")
Length = _quantity("m", "u", "500 um")
Voltage = _quantity("V", "m", "-70 mV")
Rate = _quantity("Hz", "", "250 Hz")
Current = _quantity("A", "u", "10 uA")
CurrentPerArea = _quantity("uA/mm2", "", "600 uA/mm2")  # = A/m2, the SI unit
Speed = _quantity("m/s", "", "0.5 m/s")
