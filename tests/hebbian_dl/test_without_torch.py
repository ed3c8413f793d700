"""The command without PyTorch: one line, also for a plan."""

import importlib.util
from typing import Any

import pytest

from hebbian_dl.run import app
from tests.command import exit_code


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_without_torch_the_message_names_what_to_install(
    options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec

    def without_torch(name: str, *given: Any) -> Any:
        return None if name == "torch" else find(name, *given)

    monkeypatch.setattr(importlib.util, "find_spec", without_torch)
    assert exit_code(app, "digits_hebb", *options) == 2
    line = "error: network: torch is not installed (pip install -c constraints.txt -e '.[deep,data]')\n"
    assert capsys.readouterr().err == line
