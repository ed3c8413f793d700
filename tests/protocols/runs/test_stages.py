"""Stages of measurements: rows as they come, limits, failures of one line."""

import csv
import os
import time
from pathlib import Path

import pytest

from protocols.runs.stages import Rows, Stage, carry_out

pytestmark = pytest.mark.whole


def measured(rows: Rows) -> None:
    rows.add(what="speed", value=1.23456789)
    rows.add(what="size", value=None)


def hangs(rows: Rows) -> None:
    rows.add(what="first")
    time.sleep(60)


def fails(rows: Rows) -> None:
    rows.add(what="second")
    raise TypeError("no such unit\nof anything")


def dies(rows: Rows) -> None:
    rows.add(what="third")
    os._exit(7)


def misspells(rows: Rows) -> None:
    rows.add(waht="speed")


def test_every_stage_leaves_the_rows_it_had_and_at_most_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = Rows(tmp_path / "rows.csv", ("stage", "what", "value"))
    rows.path.write_text("of an earlier run")
    stages = [Stage("a", 4, hangs), Stage("b", 30, fails), Stage("c", 30, dies), Stage("d", 30, misspells)]
    started = time.monotonic()
    lines = carry_out([*stages, Stage("e", 30, measured)], rows, 60)
    assert time.monotonic() - started < 30
    assert lines == [
        "a: not done after 4 s",
        "b: TypeError: no such unit",
        "c: ended with code 7",
        "d: KeyError: 'waht; allowed: stage, what, value'",
    ]
    with open(rows.path, newline="") as file:
        found = [tuple(row.values()) for row in csv.DictReader(file)]
    assert found == [
        *(("a", "first", ""), ("b", "second", ""), ("c", "third", "")),
        *(("e", "speed", "1.2346"), ("e", "size", "")),
    ]
    assert "e: what speed, value 1.2346" in capfd.readouterr().out


def test_no_stage_begins_when_the_time_is_over(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "rows.csv", ("stage", "what"))
    assert carry_out([Stage("a", 30, measured), Stage("b", 30, measured)], rows, 0) == [
        "a: no time left",
        "b: no time left",
    ]
    assert rows.path.read_text() == "stage,what\n"
