"""The message of a run whose figures cannot be drawn."""

import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from figures.after_run import draw_search_if_possible, make_if_possible


@pytest.mark.parametrize("draw", [make_if_possible, draw_search_if_possible])
def test_the_message_names_what_to_install(
    draw: Callable[[Path, Callable[[str], None]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("figures.make", "figures.search.page"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = StringIO()
    draw(tmp_path, Console(file=text, width=200).print)
    line = "No figures: matplotlib.figure is not installed (pip install -c constraints.txt -e '.[figures]').\n"
    assert text.getvalue() == line
