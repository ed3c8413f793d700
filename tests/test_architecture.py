"""Data flows one way: the order of the rooms, and who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "protocols": {"brian2", "torch", "culture_sim", "hebbian_dl", "figures"},
    "culture_sim": {"torch", "hebbian_dl"},
    "hebbian_dl": {"brian2", "culture_sim"},
    "figures": {"brian2", "torch", "optuna", "sklearn", "culture_sim", "hebbian_dl"},
}
MAY = {"culture_sim/fit/amortised/posterior.py": {"torch"}}  # sbi takes its tensors, where it is imported, too
# Folders and single modules of each package, from the ground up: a room imports rooms that stand before it.
ROOMS = {
    "protocols": ["spec", "loading", "runs", "images", "plan", "results", "search"],
    "culture_sim": [
        *(
            "model",
            "engines",
            "living",
            "spiking",
            "analysis",
            "extracellular",
            "closed_loop",
            "reservoir",
            "experiments",
        ),
        *(
            "formats",
            "export",
            "panel_tables",
            "panel_figures",
            "analyse",
            "electrode_view",
            "run",
            "live",
            "adapters",
            "search",
            "fit",
            "bench",
        ),
    ],
    "hebbian_dl": [
        *(
            "environment",
            "processes",
            "layers",
            "images",
            "training",
            "networks",
            "retrieval",
            "segmentation",
            "experiments",
        ),
        *("memory", "torchrun", "run", "segment", "features", "search", "bench", "tensorboard"),
    ],
    "figures": [
        "style",
        "labels",
        "runs",
        "culture",
        "networks",
        "search",
        "tables",
        "html",
        "make",
        "report",
        "after_run",
    ],
}
MOST_MODULES = 12
MORE_MODULES = {"protocols/spec": 17}


def imports(path: Path) -> Iterator[str]:
    """What a file imports, at the top or later: module names, and names that may be modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_no_package_imports_what_it_must_not(package: str) -> None:
    for path in files(package):
        forbidden = FORBIDDEN[package] - MAY.get(str(path.relative_to(ROOT)), set())
        assert not {name.split(".")[0] for name in imports(path)} & forbidden, path


@pytest.mark.parametrize("package", sorted(ROOMS))
def test_no_room_imports_one_that_stands_above_it(package: str) -> None:
    order = {room: place for place, room in enumerate(ROOMS[package])}
    for path in files(package):
        if path == ROOT / package / "__init__.py":  # offers what the rooms hold
            continue
        own = order[module_name(path).split(".")[1]]
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == package and len(parts) > 1 and parts[1] in order:
                assert order[parts[1]] <= own, f"{path.relative_to(ROOT)} imports {name}"


def test_no_import_goes_in_a_circle() -> None:
    modules = {module_name(path): path for package in ROOMS for path in files(package)}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        found = set(imports(path)) & modules.keys() - {name}
        # `from package import module` needs the module; importing a package for that is no circle
        graph[name] = {i for i in found if not any(other.startswith(f"{i}.") for other in found)}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_no_folder_holds_more_modules_than_a_reader_keeps_in_mind() -> None:
    for package in ROOMS:
        for folder in {path.parent for path in files(package)}:
            modules = [path for path in folder.glob("*.py") if not path.name.startswith("__")]
            assert len(modules) <= MORE_MODULES.get(str(folder.relative_to(ROOT)), MOST_MODULES), folder


def test_code_of_protocols_lies_in_folders() -> None:
    assert [path.name for path in (ROOT / "protocols").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("culture_sim/engines", ("protocols.spec.protocol", "protocols.plan")),
        ("culture_sim/analysis", ("culture_sim.engines.cpp", "culture_sim.model.network", "brian2")),
    ],
)
def test_engines_know_no_experiment_and_analysis_no_engine(folder: str, forbidden: tuple[str, ...]) -> None:
    for path in files(folder):
        for name in imports(path):
            assert not name.startswith(forbidden), path


def test_one_place_knows_how_processes_exchange() -> None:
    for path in files("hebbian_dl"):
        text = path.read_text().replace("`torch.distributed`", "")
        assert path.name == "processes.py" or "distributed" not in text, path


def test_a_worker_of_the_compiled_engine_does_not_load_brian2() -> None:
    modules = "sys, protocols.runs.seed_processes, culture_sim.experiments.dispatch"
    code = f"import {modules}; sys.exit('brian2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
