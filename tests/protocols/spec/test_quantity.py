"""Units: exact scaling, round trips, and refused quantities."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.spec.quantity import UnitError, in_unit_of, parse, spell


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("30 um", "m", 3e-5),
        ("0.03 mm", "m", 3e-5),
        ("30 µm", "m", 3e-5),
        ("-70 mV", "V", -0.07),
        ("1e-3 s", "s", 1e-3),
        ("250Hz", "Hz", 250.0),
        ("2 kHz", "Hz", 2000.0),
        (" 5  ms ", "s", 5e-3),
    ],
)
def test_values_are_exact(text: str, unit: str, value: float) -> None:
    assert parse(text, unit, "x") == value


@given(st.decimals(-1000, 1000, places=6), st.sampled_from([("s", "m"), ("m", "u"), ("V", "m"), ("Hz", "")]))
def test_writing_and_reading_gives_the_same_float(number: Decimal, kind: tuple[str, str]) -> None:
    unit, prefix = kind
    value = parse(f"{number} {prefix}{unit}", unit, "x")
    assert parse(spell(value, unit, prefix), unit, "x") == value


@given(st.floats(-1e6, 1e6, allow_nan=False))
def test_any_float_survives_spelling(value: float) -> None:
    assert parse(spell(value, "s", "m"), "s", "x") == value


@given(st.integers(1, 10**6))
def test_equal_quantities_in_other_prefixes_are_the_same_float(number: int) -> None:
    assert parse(f"{number} um", "m", "x") == parse(f"{Decimal(number) / 1000} mm", "m", "x")


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ("20", "no unit"),
        (20, "no unit"),
        (20.0, "no unit"),
        ("20 mV", "wrong unit 'mV'"),
        ("20 Ms", "wrong unit 'Ms'"),
        ("20 sm", "wrong unit"),
        ("fast", "not a quantity"),
        ("", "not a quantity"),
        (None, "not a quantity"),
        (True, "not a quantity"),
        ("nan s", "not a quantity"),
        ("1_0 s", "wrong unit|not a quantity"),
        ([1], "not a quantity"),
    ],
)
def test_what_is_refused_says_why_and_what_is_allowed(given_: object, message: str) -> None:
    with pytest.raises(UnitError, match=message) as fault:
        parse(given_, "s", "20 ms")
    assert "for example '20 ms'" in str(fault.value)


@pytest.mark.parametrize(
    ("value", "like", "expected"),
    [
        (1e-6, "-50 ms", "1 us"),
        (0.1, "7 us", "100 ms"),
        (1e-2, "5 A", "10 mA"),
        (0.0, "-1 kHz", "0 Hz"),
        (1e6, "2 uA/mm2", "1000000 uA/mm2"),
        (0.5, "0 m/s", "500 mm/s"),
        (1e-2, "5", None),
        (1e-2, 5, None),
        (1e-2, "5 min", None),
    ],
)
def test_bounds_have_the_unit_of_what_was_given(value: float, like: object, expected: str | None) -> None:
    assert in_unit_of(value, like) == expected
