"""Data flows one way: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "protocols": {"brian2", "torch", "culture_sim", "hebbian_dl", "figures"},
    "culture_sim": {"torch", "hebbian_dl"},
    "hebbian_dl": {"brian2", "culture_sim"},
    "figures": {"brian2", "torch", "optuna", "sklearn", "culture_sim", "hebbian_dl"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_no_package_imports_what_it_must_not(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not imports(path) & FORBIDDEN[package], path


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("culture_sim/engines", ("protocols.spec.protocol", "protocols.plan.timeline", "culture_sim.analysis")),
        ("culture_sim/analysis", ("culture_sim.engines.program", "culture_sim.model.network", "brian2")),
    ],
)
def test_engines_know_no_experiment_and_analysis_no_engine(folder: str, forbidden: tuple[str, ...]) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith(forbidden), path


def test_one_place_knows_how_processes_exchange() -> None:
    for path in (ROOT / "hebbian_dl").rglob("*.py"):
        assert path.name == "processes.py" or "distributed" not in path.read_text().replace(
            "`torch.distributed`", ""
        ), path


def test_a_worker_of_the_compiled_engine_does_not_load_brian2() -> None:
    code = (
        "import sys, protocols.runs.seed_processes, culture_sim.experiments.dispatch; sys.exit('brian2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
