"""Loading of protocols: pitfalls of YAML, overrides, one error line for each mistake."""

import copy
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from protocols.loading.loader import builtin, load, parse_yaml, read, targets_file
from protocols.loading.overrides import check
from protocols.runs.run_directory import resolved
from protocols.spec.faults import ProtocolFault

GOOD = Path(builtin()["ruaro2005"]).read_text()


def fault_lines(text: str, tmp_path: Path, *overrides: str) -> list[str]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ProtocolFault) as fault:
        load(str(path), overrides)
    return fault.value.lines


def test_yaml_traps() -> None:
    content = parse_yaml("a: 1e-3\nb: off\nc: 2:30\nd: 012\ne: true\nf: 1.5\ng: -3\nh: ~\ni: yes\nj: 0x10", "x")
    assert content == {
        "a": 1e-3, "b": "off", "c": "2:30", "d": 12, "e": True, "f": 1.5, "g": -3, "h": None, "i": "yes", "j": "0x10"
    }  # fmt: skip


@pytest.mark.parametrize("text", ["a: 1\na: 2", "a: [1, 2", "a: !!python/object:os.system x", "\ta: 1"])
def test_invalid_yaml_is_a_fault_that_names_the_file(text: str) -> None:
    with pytest.raises(ProtocolFault, match=r"^file\.yaml"):
        parse_yaml(text, "file.yaml")


@pytest.mark.parametrize("name", sorted(builtin()))
@pytest.mark.parametrize("quick", [False, True])
def test_builtin_protocols_load_and_survive_a_round_trip(name: str, quick: bool) -> None:
    protocol = load(name, quick=quick)
    assert check(yaml.safe_load(resolved(protocol))) == protocol
    assert check(parse_yaml(resolved(protocol), name)) == protocol


def test_full_protocol_differs_from_the_default_in_size_only() -> None:
    small, full = load("ruaro2005").model_dump(), load("ruaro2005_full").model_dump()
    assert full["culture"]["neurons"].pop("count") == 10140
    small["culture"]["neurons"].pop("count")
    for key in ("name", "title"):
        small.pop(key), full.pop(key)
    assert small == full


def test_overrides_win_over_quick() -> None:
    assert load("ruaro2005", quick=True).culture.neurons.count == 240
    assert load("ruaro2005", ["culture.neurons.count=99"], quick=True).culture.neurons.count == 99


def test_overrides_reach_into_a_section_that_quick_replaces() -> None:
    data = load("vgg11_imagenet", ["data.most_corrupt=7"], quick=True).data  # a key that `quick` does not set
    assert (data.source, data.most_corrupt) == ("synthetic", 7)


def test_overrides_reach_items_of_lists_by_name_and_index() -> None:
    protocol = load("ruaro2005", ["phases.tetanisation.repetitions=3", "phases.0.window=100 ms"])
    assert protocol.phases[1].repetitions == 3
    assert protocol.phases[0].window == 0.1


def test_overrides_switch_the_member_of_a_union() -> None:
    sets = ["culture.excitatory.wiring={rule: sparse, fan_in: 50}"]
    assert load("ruaro2005", sets).culture.excitatory.wiring.fan_in == 50  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("count: 4056", "cuont: 4056", "culture.neurons.cuont: unknown key; did you mean 'count'?"),
        ("pitch: 500 um", "pitch: 500", "culture.array.pitch: 500 has no unit"),
        ("pitch: 500 um", "pitch: 500 ms", "wrong unit 'ms'; allowed: a quantity in m, for example '500 um'"),
        ("electrode: {sigma: 0.3 mm", "electrode: {sigma: -0.3 mm", "culture.electrode.sigma"),
        ("rows: 6", "rows: 5", "stimuli.L.electrodes: a drawing of 6 x 10; allowed: 5 x 10, the array"),
        ("rows: 6", "rows: 7", "stimuli.L.electrodes: a drawing of 6 x 10; allowed: 7 x 10, the array"),
        (
            "      .........#",
            "      #",
            "stimuli.inverted_L.electrodes: line 2 of the drawing has 1 marks, line 1 has 10; allowed: lines of equal",
        ),
        (
            "      .........#",
            "      ......./.#",
            "electrodes: line 2 of the drawing has '/'; allowed: '#' (stimulated)",
        ),
        ("rate: 250 Hz", "rate: 2500 Hz", "at most one pulse a step"),
        ("present: [tetanus]", "present: [tetanus, tetanus]", "a stimulus is listed twice"),
        ("onset: 50 ms", "onset: 50.6 ms", "stimuli.L.onset: 50.6 ms; allowed: a whole number of steps of 1 ms"),
        ("before: 20 ms", "before: 400 ms", "evoked.windows.before: 400 ms; it ends at 450 ms, phase 'before' at 400"),
        (
            "before: 20 ms, after: 50 ms}\n  scale: 10",
            "after: 50 ms}\n  calibrate_on: evoked/L/before",
            "evoked.calibrate_on: 'evoked/L/before'; allowed: evoked/L/after",
        ),
        ("targets: targets/", "targets: ../targets/", "targets: '../targets/ruaro2005.csv' is not allowed"),
        ("trace_decay: 20 ms", "trace_decay: 1e99999999999999999999 ms", "is out of range"),
        ("present: [tetanus]", "present: [titanus]", "no stimulus 'titanus'; allowed: L, inverted_L, tetanus"),
        (
            "duration: 400 ms",
            "duration: 500 ms",
            "phases.tetanisation.window: 400 ms; stimulus 'tetanus' ends at 500 ms",
        ),
        ("reset: -70 mV", "reset: -40 mV", "rest and reset must lie below threshold"),
        ("seeds: 4", "seeds: 0", "seeds: 0 is not allowed"),
        ("seeds: 4", "sedes: 4", "sedes: unknown key; did you mean 'seeds'?"),
        ("after: 50 ms", "later: 50 ms", "evoked.windows.later: not a phase without learning; allowed: before, after"),
        ("targets: targets/ruaro2005.csv", "targets: nowhere.csv", "no such file 'nowhere.csv'"),
        ("trace_decay: 20 ms", "trace_decay: 0 ms", "culture.plasticity.trace_decay"),
        ("seeds: 4", "seeds: true", "seeds: True is not allowed"),
        ("count: 4056", "count: many", "culture.neurons.count: 'many' is not allowed"),
        ("name: ruaro2005", "name: ../escape", "name: '../escape' is not allowed"),
        ("scale: 10", "calibrate_on: evoked/X/before", "evoked.calibrate_on"),
    ],
)
def test_a_mistake_in_the_file_is_one_clear_line(old: str, new: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/ruaro2005.csv").write_text(
        (builtin()["ruaro2005"].parent / "targets/ruaro2005.csv").read_text()
    )
    assert old in GOOD
    lines = fault_lines(GOOD.replace(old, new, 1), tmp_path)
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert expected in lines[0]


def test_a_drawing_is_written_as_it_was_read_and_equals_its_pairs() -> None:
    protocol = load("ruaro2005", ["seeds=2"])
    assert "    electrodes: |\n      #.........\n" in resolved(protocol)
    pairs = [[row, 0] for row in range(5)] + [[5, column] for column in range(10)]
    assert load("ruaro2005", [f"stimuli.L.electrodes={pairs}", "seeds=2"]) == protocol
    assert "electrodes: |" in resolved(load("ruaro2005", [f"stimuli.L.electrodes={pairs}"]))  # the other shape


def test_two_mistakes_are_two_lines(tmp_path: Path) -> None:
    text = GOOD.replace("count: 4056", "count: -1").replace("pitch: 500 um", "pitch: 500 V")
    lines = fault_lines(text, tmp_path)
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("culture.neurons.cuont=3", "did you mean 'count'?"),
        ("cluture.neurons.count=3", "did you mean 'culture'?"),
        ("culture.neurons.count.x=3", "'x' is below a single value"),
        ("phases.tetanus.repetitions=3", "did you mean 'tetanisation'?"),
        ("phases.9.repetitions=3", "no '9'"),
        ("culture.neurons.count", "allowed: path=value"),
        ("culture.neurons.count=[1", "not valid YAML"),
        ("culture.neurons.rest=-70", "has no unit"),
        ("stimuli.L.train={encoder: spikes, rate: 5 Hz, times: []}", "rate: unknown key; allowed: encoder, times"),
        ("phases.².window=3 ms", "no '²'"),
        ("seeds=!!int x", "not valid YAML"),
        ("culture.simulation.dt=1e-320 s", "culture.simulation.dt"),
        ("phases.before.repetitions=1000000000000", "phases.0.repetitions"),
        ("culture.excitatory.wiring.rule=sprase", "culture.excitatory.wiring"),
    ],
)
def test_a_wrong_override_is_one_clear_line(override: str, expected: str) -> None:
    with pytest.raises(ProtocolFault) as fault:
        load("ruaro2005", [override])
    assert len(fault.value.lines) == 1
    assert expected in fault.value.lines[0]


def test_files_that_are_no_protocols(tmp_path: Path) -> None:
    binary, empty, words = tmp_path / "b.yaml", tmp_path / "e.yaml", tmp_path / "w.yaml"
    binary.write_bytes(bytes(range(256)))
    empty.write_text("# nothing\n")
    words.write_text("just words\n")
    nul = tmp_path / "n.yaml"
    nul.write_bytes(b"name: a\0b\n")
    for path, expected in [
        (binary, "not a text file"),
        (nul, "not a text file|not valid YAML"),
        (empty, "is empty"),
        (words, "a mapping of keys"),
        (tmp_path, "is a directory"),
        (tmp_path / "absent.yaml", "no such protocol"),
    ]:
        with pytest.raises(ProtocolFault, match=expected):
            load(str(path))
    with pytest.raises(ProtocolFault, match="did you mean 'ruaro2005'"):
        load("ruaro205")


def test_a_copy_of_a_built_in_protocol_finds_what_belongs_to_it(tmp_path: Path) -> None:
    """Its published values, and the protocol it builds on; files beside the copy come first."""
    mine = tmp_path / "mine.yaml"
    for name in ("ruaro2005", "mnist01_tuned_published", "digits01", "digits_hebb_search"):
        mine.write_text(builtin()[name].read_text())
        own = load(name)
        assert load(str(mine)) == own
        if own.targets is not None:
            assert targets_file(str(mine), own.targets) == builtin()[name].parent / own.targets
    beside = tmp_path / "targets/ruaro2005.csv"
    beside.parent.mkdir()
    beside.write_text(builtin()["ruaro2005"].with_name("targets").joinpath("ruaro2005.csv").read_text())
    assert targets_file(str(mine), "targets/ruaro2005.csv") == beside
    (tmp_path / "mnist01_tuned.yaml").write_text("base: digits01\ntitle: one beside\nname: beside\n")
    mine.write_text("base: mnist01_tuned.yaml\n")
    assert load(str(mine)).title == "one beside"


def test_a_protocol_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def given(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    for name in ("ruaro2005", "digits01"):
        given(builtin()[name].read_bytes())
        assert load("-") == load(name)
    assert targets_file("-", "targets/ruaro2005.csv") == targets_file("ruaro2005", "targets/ruaro2005.csv")
    for content, expected in [(b"", "is empty"), (b"# no more\n", "is empty"), (b"\xff", "is not a text file")]:
        given(content)
        with pytest.raises(ProtocolFault, match=f"^standard input: {expected}; allowed: .*$"):
            load("-")
    monkeypatch.setattr("sys.stdin", None)  # as in a process without one
    with pytest.raises(ProtocolFault, match="standard input: is empty"):
        load("-")


ENDLESS = {
    "word": "a" * 3000,
    "words": "ab " * 1000,
    "quoted": "it's \n" * 600,
    "accents": "é" * 3000,
    "digits": 10**3500,
    "list": ["x"] * 1000,
    "numbers": list(range(2000)),
    "nested": {"k" * 3000: {"v": "b" * 3000}},
    "unit": "1" * 2000 + " mV",
    "path": "dir/" * 800,
}


def places(node: object, above: tuple = ()) -> Iterator[tuple]:
    """Paths of all keys and items of a protocol's content."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*above, key)
        yield from places(value, (*above, key))


def assert_short(*given: Any) -> None:
    with pytest.raises(ProtocolFault) as fault:
        load(*given)
    for line in fault.value.lines:
        assert len(line.replace(str(given[0]), "")) < 300, line  # temporary paths are as long as they are
        assert "\n" not in line


@pytest.mark.parametrize("name", ["ruaro2005", "digits_hebb_search"])
@pytest.mark.parametrize("kind", [*ENDLESS, "key"])
def test_an_endless_value_is_quoted_short_wherever_it_stands(name: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    content, _ = read(name)
    refused = 0
    for place in list(places(content))[:: 1 if kind in ("word", "key") else 7]:
        changed = node = copy.deepcopy(content)
        for key in place[:-1]:
            node = node[key]
        if kind != "key":
            node[place[-1]] = ENDLESS[kind]
        elif isinstance(place[-1], str):
            node["z" * 3000] = node.pop(place[-1])
        file.write_text(yaml.safe_dump(changed, allow_unicode=True))
        try:
            load(str(file))
        except ProtocolFault:
            refused += 1
            assert_short(str(file))
    assert refused > 3


@pytest.mark.parametrize(
    "override",
    ["a" * 3000, "a" * 3000 + "=1", "a." * 2000 + "a=1", "seeds=" + "b " * 1500, "seeds=[" + "1," * 2000,
     "culture." + "b" * 3000 + "=1", "phases." + "q" * 3000 + ".window=1 ms", "targets=" + "t" * 3000 + ".csv"],
    ids=lambda override: override[:20],
)  # fmt: skip
def test_an_endless_override_is_quoted_short(override: str) -> None:
    assert_short("ruaro2005", [override])


@pytest.mark.parametrize("name", ["a" * 3000, "a/" * 2000, "a b " * 900, "\0" * 500, "x" * 200])
def test_an_endless_name_is_quoted_short(name: str) -> None:
    assert_short(name)


@pytest.mark.parametrize(
    "text",
    ["base: " + "a" * 3000, "!" + "t" * 3000 + " x", '"' + "a" * 3000, "*" + "a" * 3000, "[" * 3000, "- x\n" * 3000,
     ("k" * 2000 + ": 1\n") * 2, "a: " + "9" * 5000, "".join(f"key{i}: 1\n" for i in range(500))],
    ids=lambda text: text[:10],
)  # fmt: skip
def test_an_endless_file_is_quoted_short(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(text)
    assert_short(str(tmp_path / "p.yaml"))
