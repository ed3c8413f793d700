"""The time to draw the figures of a run, and what is printed where they cannot be drawn."""

import re
import sys
from io import StringIO

import pytest
from rich.console import Console

from culture_sim.bench import drawing

pytestmark = pytest.mark.whole


def printed(n_neurons: int) -> str:
    text = StringIO()
    drawing.bench(Console(file=text, width=300), n_neurons)
    return text.getvalue()


def test_all_figures_are_measured() -> None:
    line = printed(100)
    assert re.match(r"Figures: \d+\.\d s to read an evoked run with 100 neurons per culture", line)
    assert line.endswith("to draw its 4 figures.\n")
    assert f"{4 * 100 * 8 * 400 // drawing.INTERVAL:,} spikes" in line  # cultures, neurons, presentations, steps


def test_without_matplotlib_only_a_message_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "figures.make", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    line = printed(100)
    assert line.startswith("Figures: not measured, matplotlib")
    assert "pip install -c constraints.txt -e '.[figures]'" in line
