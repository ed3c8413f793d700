"""Documentation: the blocks of the README and the tutorials run, its links lead somewhere, the site builds."""

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from protocols.loading.loader import load
from protocols.runs import cli

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parent.parent
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
PAGES = [
    *(ROOT / "README.md", *TUTORIALS),
    *(ROOT / f"docs/how_to/{page}.md" for page in ("arrays", "export", "report", "recordings")),
]
LIBRARY = ROOT / "docs/how_to/library.md"
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: commands that have a --dry-run, and where they are defined
EXPERIMENTS = {
    "culture_sim.fit.train": "culture_sim.fit.train",
    "culture_sim.run": "culture_sim.run",
    "culture_sim.search": "culture_sim.search.command",
    "hebbian_dl.run": "hebbian_dl.run",
    "hebbian_dl.search": "hebbian_dl.search",
}
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")

#: what a browser fetches for a page: scripts, images, styles
LOADED = re.compile(r'<(?:script|img|iframe)[^>]*src="([^"]+)"|<link[^>]*stylesheet[^>]*href="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what follows it on the line of the fence, and the text."""

    language: str
    info: str
    text: str

    @property
    def title(self) -> str | None:
        """The file that a block is to be saved as."""
        title = re.search(r'title="([^"]+)"', self.info)
        return title and title[1]

    @property
    def commands(self) -> list[str]:
        """The command lines of a bash block."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def blocks(text: str) -> Iterator[Block]:
    return (Block(*found.groups()) for found in FENCE.finditer(text))


def run_page(text: str, folder: Path) -> dict:
    """Do what a page tells its reader to do, block by block, in a folder; what its Python has defined."""
    names: dict = {}
    for block in blocks(text):
        match block.language:
            case "yaml":
                assert block.title, f"a block of YAML needs a title, the name of its file:\n{block.text}"
                (folder / block.title).write_text(block.text)
                load(str(folder / block.title), allow_code=True)
            case "bash" if block.info.strip() == "notest":
                for command in block.commands:
                    check_without_running(command)
            case "bash":
                for command in block.commands:
                    shell(command, folder)
            case "python" if block.title:
                (folder / block.title).write_text(block.text)
            case "python":
                exec(compile(block.text, "page", "exec"), names)
            case language:
                assert language == "text", f"a block of '{language}'; allowed: bash, python, text, yaml"
    return names


def shell(command: str, folder: Path) -> None:
    """Run one line as a reader would, with this Python and this version of the code."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    python = tools / "python"
    if not python.exists():
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\nexit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def check_without_running(command: str) -> None:
    """Check a line that takes too long or changes the machine: the plan of an experiment, a target, an extra."""
    words = shlex.split(command, comments=True)
    match words:
        case ["make", *_]:
            subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
        case ["python", "-m", module, *arguments] if module in EXPERIMENTS:
            app = importlib.import_module(EXPERIMENTS[module]).app
            assert cli.outcome(app, [*arguments, "--dry-run"]) == (0, []), command
        case ["python", "-m", "pip", "install", *_, package]:
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert set(package.removeprefix(".[").removesuffix("]").split(",")) <= extras.keys(), command
        case ["python", "-m", "venv", ".venv"] | ["source", ".venv/bin/activate"]:
            pass
        case _:
            pytest.fail(f"nothing checks a block with 'notest' that says: {command}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_tells_to_do_works(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    assert text.count("```") == 2 * len(list(blocks(text)))
    run_page(text, tmp_path)


def test_the_example_of_the_library_simulates_a_culture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run_page(LIBRARY.read_text(), tmp_path)
    recording, culture = names["recording"], names["culture"]
    assert len(recording.neuron) > 100
    assert recording.neuron.max() < culture.spec.neurons.count
    assert np.all(np.diff(recording.step) >= 0)
    assert np.any(recording.weights["excitatory"].data != culture.weights["excitatory"].data)


@pytest.mark.parametrize(
    "text",
    [
        "```bash\nls not_there\n```\n",
        "```bash\ntrue\n! true\n```\n",
        "```bash notest\npython -m culture_sim.run ruaro2006\n```\n",
        "```bash notest\npython -m pip install -e '.[figures,nothing]'\n```\n",
        "```bash notest\nrm file\n```\n",
        "```python\n1 / 0\n```\n",
        '```yaml title="p.yaml"\nbase: ruaro2005\nnme: x\n```\n',
        "```yaml\nbase: ruaro2005\n```\n",
        "```console\n$ ls\n```\n",
    ],
)
def test_a_page_that_does_not_work_is_noticed(text: str, tmp_path: Path) -> None:
    with pytest.raises((Exception, pytest.fail.Exception)):
        run_page(text, tmp_path)


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_from_outside_of_the_site_lead_to_files(page: str) -> None:
    links = [link for link in LINK.findall((ROOT / page).read_text()) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    for page in site.rglob("*.html"):
        loaded = LOADED.findall(page.read_text())
        assert loaded
        assert [url for pair in loaded for url in pair if url.startswith(("http", "//"))] == []
