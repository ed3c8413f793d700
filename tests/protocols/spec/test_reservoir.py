"""The ``reservoir:`` section: where patterns lie, and one clear line for every mistake."""

from pathlib import Path

import pytest

from protocols.loading.loader import load
from protocols.spec.array import Array
from protocols.spec.faults import ProtocolFault
from protocols.spec.reservoir.layout import bar, clock_digit, placed
from protocols.spec.reservoir.patterns import Bars, ClockDigits, Xor

GOOD = """\
name: mine
title: A reservoir
citation: none
culture:
  model: living
  array: {rows: 8, columns: 8, pitch: 200 um}
  neurons: {count: 100}
reservoir:
  patterns: {bars: 4, length: 4}
  trials: 6
  every: 200 ms
  settling: 1 s
  readout: {folds: 3}
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def shown(places: tuple[tuple[int, int], ...], rows: int, columns: int) -> list[str]:
    return ["".join("#" if (row, column) in places else "." for column in range(columns)) for row in range(rows)]


def test_bars_of_four_orientations() -> None:
    horizontal, rising, vertical, falling = (shown(bar(k * 0.7853981633974483, 4, 0, 5, 5), 5, 5) for k in range(4))
    assert [row.count("#") for row in horizontal] == [0, 0, 4, 0, 0]
    assert [sum(row[c] == "#" for row in vertical) for c in range(5)] == [0, 0, 4, 0, 0]
    places = [(r, c) for r in range(5) for c in range(5) if rising[r][c] == "#"]
    assert len(places) == 4
    assert len({r + c for r, c in places}) == 1, "a bar that rises to the right: rows count downwards"
    places = [(r, c) for r in range(5) for c in range(5) if falling[r][c] == "#"]
    assert len({r - c for r, c in places}) == 1


def test_shifted_bars_are_parallel() -> None:
    array = Array(rows=8, columns=8, pitch="200 um")
    members = placed(Bars(bars=2, length=6, shifts=(-1, 1)), array)
    assert [one.truth for one in members] == [0, 0, 1, 1]
    first, second, third, fourth = (one.places for one in members)
    assert {(row + 2, column) for row, column in first} == set(second)
    assert {(row, column + 2) for row, column in third} == set(fourth)


def test_clock_digits_light_the_segments_of_a_clock() -> None:
    for digit, lit in ((1, "ur"), (7, "tur"), (8, "all"), (2, "zigzag")):
        rows = shown(clock_digit(digit, 7, 4), 7, 4)
        right, left = [row[3] for row in rows], [row[0] for row in rows]
        full = [index for index, row in enumerate(rows) if row == "####"]
        match lit:
            case "ur":
                assert right == ["#"] * 7
                assert left == ["."] * 7
            case "tur":
                assert full == [0]
                assert right == ["#"] * 7
            case "all":
                assert full == [0, 3, 6]
                assert left == right == ["#"] * 7
            case "zigzag":
                assert full == [0, 3, 6]
                assert rows[1] == rows[2] == "...#"
                assert rows[4] == rows[5] == "#..."
    assert len({clock_digit(digit, 7, 4) for digit in range(10)}) == 10
    # a nine is an eight without its lower left, a six without its upper right, a zero without its middle
    eight = set(clock_digit(8, 7, 4))
    assert eight - set(clock_digit(9, 7, 4)) == {(4, 0), (5, 0)}
    assert eight - set(clock_digit(6, 7, 4)) == {(1, 3), (2, 3)}
    assert eight - set(clock_digit(0, 7, 4)) == {(3, 1), (3, 2)}


def test_patterns_lie_in_the_middle_with_a_stride() -> None:
    array = Array(rows=16, columns=10, pitch="100 um")
    (eight, _) = placed(ClockDigits(clock_digits=(8, 1), size=(7, 4), stride=2), array)
    rows, columns = zip(*eight.places, strict=True)
    assert (min(rows), max(rows)) == (1, 13)
    assert (min(columns), max(columns)) == (1, 7)


def test_xor_has_four_patterns_of_two_classes() -> None:
    array = Array(rows=2, columns=2, pitch="100 um")
    members = placed(Xor(xor=[[[0, 0]], [[1, 1]]]), array)
    assert [(one.truth, set(one.places)) for one in members] == [
        (0, set()), (1, {(0, 0)}), (1, {(1, 1)}), (0, {(0, 0), (1, 1)}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{bars: 4, length: 4}", "{bars: 4, length: 20}", "lies outside the array; allowed: rows 0 to 7"),
        (
            "{bars: 4, length: 4}",
            "{clock_digits: [0, 1], size: [9, 4]}",
            "size: 9 x 4 points take 9 x 4 electrodes",
        ),
        ("{bars: 4, length: 4}", "{clock_digits: [1, 1]}", "the same electrodes twice (1, 1)"),
        ("{bars: 4, length: 4}", "{positions: [[0, 0]]}", "reservoir.patterns: 1 class; allowed: at least 2"),
        ("{bars: 4, length: 4}", "{xor: [[[0, 0]], [[0, 0]]]}", "both sets have (0, 0); allowed: no common electrode"),
        ("{bars: 4, length: 4}", "{images: grey}", "data: null; allowed: a section with the images"),
        ("{bars: 4, length: 4}", "{spirals: 2}", "reservoir.patterns: keys spirals; allowed: a mapping with one of"),
        ("settling: 1 s", "response: {windows: {w: [-5 ms, 5 ms]}}", "reservoir.response.windows.w.0:"),
        ("settling: 1 s", "response: {windows: {w: [20 ms, 5 ms]}}", "ends at 5 ms; allowed: after 20 ms, its start"),
        ("settling: 1 s", "response: {windows: {w: [0 ms, 300 ms]}}", "training and test trials would share spikes"),
        ("settling: 1 s", "response: {windows: {w: [0.5 ms, 5 ms]}}", "allowed: a whole number of steps of 1 ms"),
        ("settling: 1 s", "stimulus: {pulses: 50, rate: 100 Hz}", "490 ms in all; allowed: less than every, 200 ms"),
        ("settling: 1 s", "plastic: true", "reservoir: plastic; allowed: only where culture.plasticity is given"),
        ("settling: 1 s", "controls: [without_plasticity]", "allowed: only with reservoir.plastic or sessions.plastic"),
        ("settling: 1 s", "memory: 1", "reservoir.memory: 1; allowed: so few that 48 of the 24 trials"),
        ("{bars: 4, length: 4}", "{bars: 1}", "reservoir.patterns.bars: 1 is not allowed"),
        ("{bars: 4, length: 4}", "{positions: most}", "reservoir.patterns.positions: 'most' line 1 of the"),
        ("settling: 1 s", "controls: [pattern, pattern]", "reservoir.controls: one is listed twice"),
        ("{bars: 4, length: 4}", "{bars: 4, xor: 3}", "reservoir.patterns: keys bars, xor; allowed: one of them"),
        ("{bars: 4, length: 4}", "{clock_digits: [0, 1], size: [6, 4]}", "6 rows; allowed: an odd number of rows"),
        ("trials: 6", "trials: 2", "reservoir.trials: 2, so that a class has 2 in a session; allowed: so many"),
        ("settling: 1 s", "sessions: {count: 2, pause: 100 ms}", "reservoir.sessions.pause: 0.1 s; allowed: at least"),
        (
            "neurons: {count: 100}",
            "neurons: {count: 100}\n  stimulation: null",
            "culture.stimulation: null; allowed: a",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in GOOD
    with pytest.raises(ProtocolFault) as fault:
        load(written(tmp_path, GOOD.replace(old, new)))
    (line,) = fault.value.lines
    assert message in line
    assert line.startswith(("reservoir", "culture", "data"))


def test_controls_that_need_synapses_are_refused_without(tmp_path: Path) -> None:
    text = GOOD.replace("count: 100}", "count: 100}\n  synapses: null") + "  controls: [lif]\n"
    with pytest.raises(ProtocolFault, match=r"reservoir.controls: lif; allowed: only where the culture has synapses"):
        load(written(tmp_path, text))


def test_unstimulated_electrodes_must_exist(tmp_path: Path) -> None:
    text = GOOD.replace("{bars: 4, length: 4}", "{positions: all}") + "  response: {electrodes: unstimulated}\n"
    with pytest.raises(ProtocolFault, match="unstimulated, but the patterns stimulate all"):
        load(written(tmp_path, text))
