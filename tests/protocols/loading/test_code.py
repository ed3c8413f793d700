"""Code that a protocol names runs only where the user says so; the resolved protocol records the hash of its source."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.loading.loader import load
from protocols.runs.run_directory import resolved, run_hash
from protocols.spec.faults import ProtocolFault

FILE = "base: digits_hebb\nname: own\nnetwork: {layers: [], module: %s}\n"
SOURCE = "raise SystemExit('this code has run')\n"


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    before = list(sys.path)
    yield
    sys.path[:] = before


def written(folder: Path, module: str = "a_net:build", more: str = "") -> str:
    (folder / "a_net.py").write_text(SOURCE)
    (folder / "own.yaml").write_text(FILE % module + more)
    return str(folder / "own.yaml")


def refused(name: str, *overrides: str, **options: bool) -> str:
    with pytest.raises(ProtocolFault) as fault:
        load(name, overrides, **options)
    (line,) = fault.value.lines
    return line


@pytest.mark.parametrize(
    "overrides", [(), ("seeds=2",), ("network.module_sha256=null",), ("network.layers=[]",), ("quick={}",)]
)
def test_code_that_a_file_names_is_refused_in_one_line(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    line = refused(written(tmp_path), *overrides)
    assert line.startswith("network.module: a_net:build: code that the file names; allowed: with --allow-code")
    assert str(tmp_path) not in sys.path


def test_a_quick_block_and_a_base_are_no_way_around(tmp_path: Path) -> None:
    name = written(tmp_path)
    (tmp_path / "quick.yaml").write_text(
        "base: digits_hebb\nname: q\nquick: {network.layers: [], network.module: 'a_net:build'}\n"
    )
    (tmp_path / "above.yaml").write_text(f"base: {Path(name).name}\nname: above\n")
    assert refused(str(tmp_path / "above.yaml")).startswith("network.module: ")
    assert refused(str(tmp_path / "quick.yaml"), quick=True).startswith("network.module: a_net:build: code that ")


@pytest.mark.parametrize(
    ("key", "path", "entry"),
    [
        ("space", "network.module", "{choices: ['a_net:build', 'b:build']}"),
        ("space", "network.module_sha256", "{choices: [null]}"),
        ("space", "network", "{choices: [{module: 'a_net:build'}]}"),
        ("trial", "network.module", "'a_net:build'"),
        ("trial", "network", "{module: 'a_net:build'}"),
    ],
)
def test_a_search_changes_no_code(tmp_path: Path, key: str, path: str, entry: str) -> None:
    name = tmp_path / "search.yaml"
    name.write_text(f"base: digits_hebb_search\nname: own\nsearch: {{{key}: {{{path}: {entry}}}}}\n")
    line = refused(str(name), allow_code=True)
    assert line.startswith(f"search.{key}.{path}: allowed: parts of the network that name no code")


def test_a_search_changes_the_arguments_of_allowed_code(tmp_path: Path) -> None:
    written(tmp_path)
    name = tmp_path / "search.yaml"
    name.write_text(
        "base: digits_hebb_search\nname: own\n"
        "network: {layers: [], module: 'a_net:build', module_arguments: {width: 4}}\n"
        "search: {space: {network.module_arguments.width: {low: 2, high: 8}}}\n"
    )
    assert "network.module_arguments.width" in load(str(name), allow_code=True).search.space


def test_it_is_allowed_by_the_option_or_by_naming_it_on_the_command_line_and_not_run(tmp_path: Path) -> None:
    name = written(tmp_path)
    allowed = load(name, allow_code=True)
    given = load(name, ["network.module=a_net:build"])
    assert allowed == given
    assert allowed.network.module_sha256 == hashlib.sha256(b"a_net.py\0" + SOURCE.encode()).hexdigest()
    assert "a_net" not in sys.modules
    assert refused(name, "network.module=b_net:build").startswith("network.module: b_net:build: no module 'b_net'")


def test_a_changed_source_is_another_run_and_no_run_of_the_old_one(tmp_path: Path) -> None:
    name = written(tmp_path)
    before = load(name, allow_code=True)
    (tmp_path / "old.yaml").write_text(resolved(before))
    assert load(str(tmp_path / "old.yaml"), allow_code=True) == before
    (tmp_path / "a_net.py").write_text(SOURCE + "# changed\n")
    after = load(name, allow_code=True)
    assert run_hash(before, {}, ("protocols",)) != run_hash(after, {}, ("protocols",))
    line = refused(str(tmp_path / "old.yaml"), allow_code=True)
    assert line.startswith(f"network.module_sha256: {before.network.module_sha256}, but the source of a_net:build is ")
    assert load(str(tmp_path / "old.yaml"), ["network.module_sha256=null"], allow_code=True) == after


def test_the_hash_of_a_package_covers_all_its_modules(tmp_path: Path) -> None:
    name = written(tmp_path, "pack.deep:build")
    (tmp_path / "pack").mkdir()
    for module in ("__init__", "deep", "other"):
        (tmp_path / "pack" / f"{module}.py").write_text("")
    first = load(name, allow_code=True)
    (tmp_path / "pack" / "other.py").write_text("1")
    assert load(name, allow_code=True) != first


def test_a_file_beside_the_protocol_does_not_take_the_place_of_a_library(tmp_path: Path) -> None:
    name = written(tmp_path)
    (tmp_path / "json.py").write_text(SOURCE)
    load(name, allow_code=True)
    assert sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize("module", ["a_net", "a_net:", ":build", "a-net:build", "a:b()", "../a:b", "a.:b"])
def test_what_is_no_module_and_function_is_one_line(tmp_path: Path, module: str) -> None:
    line = refused(written(tmp_path, f"'{module}'"), allow_code=True)
    assert line.startswith(f"network.module: '{module}' allowed: a module and a function in it, such as ")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("{layers: [], architecture: resnet}", "network.architecture: "),
        ("{architecture: resnet18}", "network.architecture: beside network.layers; allowed: one of layers"),
        ("{layers: [], architecture: vit, module: 'a:b'}", "network.module: beside network.architecture"),
        ("{layers: [], architecture: {net: vit, width: 10}}", "network.architecture.width: 10; allowed: a multiple of"),
        ("{layers: [], architecture: {net: vit, patch: 3}}", "network.architecture.patch: 3; allowed: what divides"),
        (
            "{layers: [], architecture: {net: unet, depth: 4}}",
            "network.architecture.depth: 4; allowed: 2^depth divides",
        ),
        ("{layers: [], architecture: {net: unet, widht: 4}}", "network.architecture.widht: unknown key; did you mean"),
        ("{layers: [], architecture: unet, depth: 1}", "network.depth: 1; allowed: null"),
        ("{module_arguments: {a: 1}}", "network.module_arguments: without network.module"),
        ("{layers: [], architecture: unet, methods: {V: {pretraining: vae}}}", "network.methods.V.pretraining: 'vae'"),
        ("{methods: {HPCA: {plan: {x: null}}}}", "network.methods.HPCA.plan: with network.layers"),
    ],
)
def test_forms_of_a_network_that_do_not_go_together_are_one_line(tmp_path: Path, network: str, words: str) -> None:
    (tmp_path / "own.yaml").write_text(f"base: digits_hebb\nname: own\nnetwork: {network}\n")
    assert refused(str(tmp_path / "own.yaml"), allow_code=True).startswith(words)


LOOP = """
base: spontaneous
name: own
targets: null
timeline:
  - {name: settling, rest: 1 s}
  - repeat: 2
    steps:
      - {name: played, loop: {controller: code, module: a_loop:Player}, duration: 1 s}
measure: {activity: {panel: settling}}
quick: {}
"""


def loop(folder: Path) -> str:
    (folder / "a_loop.py").write_text(SOURCE)
    (folder / "own.yaml").write_text(LOOP)
    return str(folder / "own.yaml")


def test_a_controller_of_ones_own_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    name = loop(tmp_path)
    line = refused(name)
    assert line.startswith(
        "timeline.played.loop.module: a_loop:Player: code that the file names; allowed: with --allow-"
    )
    allowed = load(name, allow_code=True)
    found = hashlib.sha256(b"a_loop.py\0" + SOURCE.encode()).hexdigest()
    assert found in allowed.model_dump_json()
    kept = tmp_path / "again.yaml"
    kept.write_text((tmp_path / "own.yaml").read_text().replace("Player}", f"Player, module_sha256: {found}}}"))
    assert load(str(kept), allow_code=True) == allowed
    (tmp_path / "a_loop.py").write_text(SOURCE + "# changed")
    assert "but the source of a_loop:Player is" in refused(str(kept), allow_code=True)


STEP = "timeline.1.steps.played"


@pytest.mark.parametrize(
    "path",
    [
        *("timeline", "timeline.1", "timeline.1.steps", STEP, f"{STEP}.loop"),
        *(f"{STEP}.loop.module", f"{STEP}.loop.controller"),
    ],
)
def test_a_search_changes_no_code_of_a_controller(path: str, tmp_path: Path) -> None:
    file, space = Path(loop(tmp_path)), "culture.synapses.fan_in: {low: 10.0, high: 20.0}"
    rest = "objectives: {activity/rate: maximise}, budget: {trials: 2}, sampler: {sampler: random}"
    search = f"search: {{space: {{{space}}}, trial: {{{path}: 3}}, {rest}}}\n"
    file.write_text(file.read_text() + search)
    assert refused(str(file), allow_code=True).startswith(f"search.trial.{path}: allowed: parts of the timeline")
