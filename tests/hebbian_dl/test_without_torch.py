"""Commands without PyTorch: one line, also for a plan."""

import importlib.util
import subprocess
import sys
from typing import Any

import pytest

from hebbian_dl.run import app
from tests.command import exit_code

#: code that makes torch missing: it is not found, and cannot be imported
HIDDEN = """
import importlib.util, runpy, sys

class Hidden:
    def find_spec(self, name, *given):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("torch was imported")

find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *given: None if name == "torch" else find(name, *given)
sys.meta_path.insert(0, Hidden())
"""


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


@pytest.mark.whole
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("hebbian_dl.bench", []),
        ("hebbian_dl.bench.epoch", []),
        ("hebbian_dl.bench.retrieval", ["--help"]),
        ("hebbian_dl.features", ["run", "images"]),
        ("hebbian_dl.features.export", ["run", "network.pt"]),
    ],
)
def test_other_commands_say_the_same(module: str, arguments: list[str]) -> None:
    code = f"{HIDDEN}\nsys.argv[1:] = {arguments}; runpy.run_module('{module}', run_name='__main__', alter_sys=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    line = "error: network: torch is not installed (pip install -c constraints.txt -e '.[deep,data]')\n"
    assert (done.returncode, done.stderr) == (2, line)
