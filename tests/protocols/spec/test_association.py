"""Association protocols: one error line for each mistake, files with a base, splits, and the curriculum."""

import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.images import datasets
from protocols.images.datasets import TEST, TRAINING, LabelledImages
from protocols.images.examples import Examples, load_splits
from protocols.loading.loader import builtin, load, parse_yaml, read
from protocols.loading.overrides import check
from protocols.plan.curriculum import (
    Curriculum,
    expand_association,
    learning_factors,
    probe_examples,
    training_order,
)
from protocols.spec.association import LearningRate, Probe
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import AssociationProtocol

REGIONS = "association.label.regions"

#: A protocol for these tests only, because the settings of the built-in ones may change.
ROOT = """\
name: digits01
title: Zeros and ones
citation: nobody
data: {source: digits, classes: [0, 1], pool: all, validation: 60, test: all, size: [6, 6]}
culture:
  array: {rows: 6, columns: 10, pitch: 500 um}
  neurons: {count: 240, rest: -70 mV, threshold: -50 mV, reset: -70 mV, lower_bound: -90 mV}
  electrode: {sigma: 0.3 mm, strength: 40 mV}
  excitatory: {sigma: 1.2 mm, strength: 40 mV}
  inhibitory: {sigma: 0.15 mm, strength: 400 mV}
association:
  image: {row: 0, column: 0, rate: 200 Hz}
  label:
    rate: 400 Hz
    regions: |
      .........0
      .........0
      .........0
      .........1
      .........1
      .........1
  encoding: interval
  presentation: 200 ms
  training: {presentations: 1200, order: interleaved, learning_rate: {factor: 0.05, schedule: linear}}
  evaluation: {every: 75, averaged: 10}
  decision: largest_response
  probe: {per_label: 20, random: 50}
targets: null
seeds: 2
"""
#: overrides that give the built-in protocol digits01 (loaded by name) the settings of ROOT
FIXED = tuple(f"{key}={json.dumps(value)}" for key, value in parse_yaml(ROOT, "ROOT").items())


def digits01(*overrides: str) -> AssociationProtocol:
    protocol = load("digits01", [*FIXED, *overrides])
    assert isinstance(protocol, AssociationProtocol)
    return protocol


def fault(name: str, *overrides: str) -> str:
    """Load a protocol that has exactly one fault; return its message."""
    with pytest.raises(ProtocolFault) as caught:
        load(name, overrides)
    (line,) = caught.value.lines
    assert "\n" not in line
    return line


# one line: path, given, allowed


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "data.size=[7, 6]",
            "data.size: 7 x 6 pixels from row 0, column 0 on; allowed: what fits onto the array of 6 x 10 electrodes",
        ),
        ("data.size=[6, 11]", "data.size: 6 x 11 pixels from row 0, column 0 on; allowed: what fits"),
        ("data.size=[6]", "data.size"),
        ("association.image.row=1", "6 x 6 pixels from row 1, column 0 on; allowed: what fits onto the array"),
        ("association.image.column=5", "6 x 6 pixels from row 0, column 5 on; allowed: what fits onto the array"),
        ("association.image.column=-1", "association.image.column: -1 is not allowed"),
        (
            "association.image.column=4",  # fits, but onto the label's column
            f"{REGIONS}.0: (0, 9) shows a pixel of the image; allowed: other electrodes",
        ),
        (f"{REGIONS}={{0: [[0, 5]], 1: [[1, 9]]}}", f"{REGIONS}.0: (0, 5) shows a pixel of the image; allowed: other"),
        (
            f"{REGIONS}={{0: [[0, 9]], 1: [[1, 9], [0, 9]]}}",
            f"{REGIONS}.1: (0, 9) belongs to another class; allowed: other electrodes",
        ),
        (f"{REGIONS}={{0: [[0, 9]], 1: [[1, 9], [1, 9]]}}", f"{REGIONS}.1: an electrode is listed twice"),
        (
            f"{REGIONS}={{0: [[0, 9]], 2: [[1, 9]]}}",
            f"{REGIONS}: regions of [0, 2]; allowed: one for each of data.classes [0, 1]",
        ),
        (f"{REGIONS}={{0: [[0, 9]], 1: [[1, 9]], 2: [[2, 9]]}}", "regions of [0, 1, 2]; allowed: one for each of"),
        (f"{REGIONS}={{0: [[0, 9]]}}", f"{REGIONS}: is not allowed: value should have at least 2 items"),
        (f"{REGIONS}={{0: [[0, 9]], 1: []}}", f"{REGIONS}.1: is not allowed: value should have at least 1 item"),
        (f"{REGIONS}={{0: [[0, 9]], 10: [[1, 9]]}}", "10 is not allowed: input should be less than or equal to 9"),
        (
            f"{REGIONS}={{0: [[0, 9]], 1: [[6, 9]]}}",
            f"{REGIONS}.1: (6, 9) lies outside the array; allowed: rows 0 to 5, columns 0 to 9",
        ),
        (f"{REGIONS}={{0: [[0, 9]], 1: [[0, 10]]}}", f"{REGIONS}.1: (0, 10) lies outside the array"),
        (f"{REGIONS}={{0: [[0, 9]], 1: [[-1, 9]]}}", f"{REGIONS}.1: (-1, 9) lies outside the array"),
        (f'{REGIONS}="..x\\n0.1"', f"{REGIONS}: line 1 of the drawing has 'x'; allowed: digits (the class"),
        (f'{REGIONS}="..0\\n.1"', f"{REGIONS}: line 2 of the drawing has 2 marks, line 1 has 3; allowed: lines of"),
        (f'{REGIONS}="..........\\n.........0"', "should have at least 2 items"),
        (f'{REGIONS}=".......0\\n........1"', "line 2 of the drawing has 9 marks, line 1 has 8"),
        (f'{REGIONS}="..........0\\n..........1"', f"{REGIONS}: a drawing of 2 x 11; allowed: 6 x 10, the array"),
        (f'{REGIONS}=".0\\n.1"', f"{REGIONS}: a drawing of 2 x 2; allowed: 6 x 10, the array"),
        ("culture.array.columns=11", f"{REGIONS}: a drawing of 6 x 10; allowed: 6 x 11, the array"),
        ("data.classes=[0, 0]", "data.classes: a class is listed twice in 0, 0"),
        ("data.classes=[0, 1, 1]", "data.classes: a class is listed twice in 0, 1, 1"),
        ("data.classes=[0]", "data.classes: 1 given; allowed: at least 2"),
        ("data.classes=[0, 1, 10]", "data.classes.2: 10 is not allowed: input should be less than or equal to 9"),
        ("data.classes=[0, 1, -1]", "data.classes.2: -1 is not allowed"),
        ("data.classes=[0, 2]", f"{REGIONS}: regions of [0, 1]; allowed: one for each of data.classes [0, 2]"),
        ("data.source=cifar", "data.source: 'cifar' is not allowed: input should be 'mnist', 'fashion_mnist' or"),
        ("data.validation=0", "data.validation: 0 is not allowed"),
        (
            "association.evaluation.every=1201",
            "association.evaluation.every: 1201; allowed: at most the 1200 training presentations",
        ),
        ("association.training.presentations=74", "every: 75; allowed: at most the 74 training presentations"),
        ("association.training.presentations=0", "association.training.presentations: 0 is not allowed"),
        ("association.training.order=random", "order: 'random' is not allowed: input should be 'interleaved', 'shuf"),
        ("association.training.learning_rate.factor=-1", "learning_rate.factor: -1 is not allowed"),
        ("association.training.learning_rate.schedule=cubic", "'cubic' is not allowed: input should be 'constant'"),
        (
            "association.image.rate=1001 Hz",
            "association.image.rate: 1001 Hz; allowed: at most one pulse a step, 1000 Hz",
        ),
        ("association.label.rate=2 kHz", "association.label.rate: 2000 Hz; allowed: at most one pulse a step"),
        ("association.label.rate=200", "association.label.rate: 200 has no unit; allowed: a quantity in Hz"),
        (
            "association.presentation=200.5 ms",
            "association.presentation: 200.5 ms; allowed: a whole number of steps of 1 ms",
        ),
        ("association.presentation=0.4 ms", "association.presentation: 0.4 ms; allowed: a whole number of steps"),
        ("association.encoding=spikes", "association.encoding: 'spikes' is not allowed: input should be 'interval'"),
        ("association.decision=argmax", "association.decision: 'argmax' is not allowed: input should be 'largest_"),
        ("association.trainning={}", "no 'trainning'; did you mean 'training'?"),
        ("association.training.presentation=3", "no 'presentation'; did you mean 'presentations'?"),
        ("data.clases=[0, 1]", "no 'clases'; did you mean 'classes'?"),
        ("data.classes=[0, 10]", "data.classes.1: 10 is not allowed"),
        ("data.test=0", "data.test: 0 is not allowed"),
        ("data.test=some", "data.test: 'some' is not allowed"),
        ("data.pool=-1", "data.pool: -1 is not allowed"),
    ],
)
def test_a_mistake_is_one_line_with_path_given_and_allowed(override: str, expected: str) -> None:
    assert expected in fault("digits01", *FIXED, override)


def test_the_largest_that_is_allowed_is_allowed() -> None:
    """Largest values that do not raise the faults above."""
    digits01("association.image.rate=1000 Hz", "association.label.rate=1 kHz", "association.presentation=1 ms")
    digits01("association.evaluation.every=1200")
    digits01("association.image.column=3", "data.size=[6, 6]")
    digits01("data.size=[6, 9]")


@pytest.mark.parametrize("extra", ["phases", "stimuli", "evoked"])
def test_a_file_is_one_kind_of_experiment(extra: str) -> None:
    content = parse_yaml(ROOT, "x") | {extra: read("ruaro2005")[0][extra]}
    with pytest.raises(ProtocolFault) as caught:
        check(content)
    (line,) = caught.value.lines
    assert line.startswith(f"{extra}: unknown key; ")


def test_a_misspelt_key_in_the_file_has_a_hint() -> None:
    content = parse_yaml(ROOT, "x")
    content["association"]["evalation"] = content["association"].pop("evaluation")
    with pytest.raises(ProtocolFault) as caught:
        check(content)
    assert caught.value.lines == ["association.evalation: unknown key; did you mean 'evaluation'?"]


def test_a_drawing_is_the_mapping_written_out() -> None:
    rows = {0: (0, 1, 2), 1: (3, 4, 5)}
    written = {label: tuple((row, 9) for row in rows[label]) for label in rows}
    assert digits01().association.label.regions == written
    assert digits01(f"{REGIONS}={ {k: [list(e) for e in v] for k, v in written.items()} }") == digits01()


@given(
    st.lists(st.text("01.", min_size=8, max_size=8), min_size=6, max_size=6).filter(lambda r: {*"01"} <= {*"".join(r)})
)
def test_any_drawing_marks_each_classes_electrodes(rows: list[str]) -> None:
    content = parse_yaml(ROOT, "x")
    content["data"]["size"] = [1, 1]
    content["association"]["image"] |= {"row": 0, "column": 9}  # beside the regions
    content["association"]["label"]["regions"] = "\n".join(row + ".." for row in rows)
    found = check(content).association.label.regions  # type: ignore[attr-defined]
    for label in (0, 1):
        expected = []
        for r in range(6):
            for c in range(8):
                if rows[r][c] == str(label):
                    expected.append((r, c))
        assert list(found[label]) == expected


# files with a base


def put(folder: Path, **files: str) -> None:
    """Write files, given by name without .yaml, next to a file called `root`."""
    for name, text in {"root": ROOT, **files}.items():
        (folder / f"{name}.yaml").write_text(text)


def test_a_file_with_a_base_equals_the_same_file_written_out(tmp_path: Path) -> None:
    put(
        tmp_path,
        child="""\
base: root.yaml
name: child
culture: {neurons: {count: 99}, electrode: {sigma: 0.4 mm}}
association:
  training: {learning_rate: {factor: 0.5}}
  probe: {random: 7}
data: {test: 12}
seeds: 3
""",
    )
    text = (tmp_path / "root.yaml").read_text()
    for old, new in {
        "name: digits01\n": "name: child\n",
        "count: 240": "count: 99",
        "electrode: {sigma: 0.3 mm": "electrode: {sigma: 0.4 mm",
        "factor: 0.05": "factor: 0.5",
        "random: 50": "random: 7",
        "test: all": "test: 12",
        "seeds: 2": "seeds: 3",
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    assert load(str(tmp_path / "child.yaml")) == check(parse_yaml(text, "x"))


def test_a_chain_of_bases_in_other_folders(tmp_path: Path) -> None:
    """A base path is relative to its file; later files override earlier ones, also with null."""
    put(tmp_path, middle="base: root.yaml\nseeds: 2\nfirst_seed: 4\nassociation: {probe: {random: 1, per_label: 2}}\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "top.yaml").write_text(
        "base: ../middle.yaml\nseeds: 9\nassociation: {probe: {random: 3}}\nculture: {neurons: {lower_bound: null}}\n"
    )
    top, root = load(str(tmp_path / "deep" / "top.yaml")), load(str(tmp_path / "root.yaml"))
    assert isinstance(top, AssociationProtocol)
    assert (top.seeds, top.first_seed, top.association.probe) == (9, 4, Probe(per_label=2, random=3))
    assert top.culture.neurons == root.culture.neurons.model_copy(update={"lower_bound": None})


@pytest.mark.parametrize("wiring", ["{cutoff: 0.1}", "{rule: dense, cutoff: 0.1}"])
def test_a_section_of_another_rule_replaces_the_bases(wiring: str, tmp_path: Path) -> None:
    """Otherwise the base's cutoff would remain in a wiring that has no such key."""
    put(
        tmp_path,
        dense=f"base: root.yaml\nculture: {{excitatory: {{wiring: {wiring}}}}}\n",
        sparse="base: dense.yaml\nculture: {excitatory: {wiring: {rule: sparse, fan_in: 5}}}\n",
        again="base: dense.yaml\nculture: {excitatory: {wiring: {rule: dense}}}\n",
    )
    sparse = load(str(tmp_path / "sparse.yaml")).culture.excitatory
    assert sparse.wiring.model_dump() == {"rule": "sparse", "fan_in": 5}
    assert sparse.sigma == pytest.approx(1.2e-3)  # only that section is replaced
    if "rule" in wiring:
        assert load(str(tmp_path / "again.yaml")).culture.excitatory.wiring.model_dump()["cutoff"] == 0.1


def test_a_base_is_a_file_beside_it_or_a_built_in_protocol_by_name(tmp_path: Path) -> None:
    (tmp_path / "child.yaml").write_text("base: ruaro2005\nname: child\ntargets: null\nseeds: 3\n")
    child = load(str(tmp_path / "child.yaml"))
    changes = {"name": "child", "targets": None, "seeds": 3}
    assert child.model_dump() == load("ruaro2005").model_dump() | changes
    (tmp_path / "ruaro2005").write_text("base: digits01\ntitle: the one beside it\n")
    assert load(str(tmp_path / "child.yaml")).title == "the one beside it"


def test_a_train_of_another_encoder_replaces_the_bases(tmp_path: Path) -> None:
    evoked = builtin()["ruaro2005"].read_text().replace("targets: targets/", "targets: null #")
    (tmp_path / "root.yaml").write_text(evoked)
    (tmp_path / "child.yaml").write_text(
        "base: root.yaml\nstimuli: {tetanus: {train: {encoder: spikes, times: [1 ms, 3 ms]}}}\n"
    )
    root, child = load(str(tmp_path / "root.yaml")).model_dump(), load(str(tmp_path / "child.yaml")).model_dump()
    train = child["stimuli"]["tetanus"].pop("train")
    assert train == {"encoder": "spikes", "times": ("1 ms", "3 ms")}
    assert root["stimuli"]["tetanus"].pop("train")["encoder"] == "interval"
    assert child == root


def test_the_encoding_of_an_association_is_no_tag_of_a_union(tmp_path: Path) -> None:
    put(tmp_path, child="base: root.yaml\nassociation: {encoding: poisson}\n")
    root = load(str(tmp_path / "root.yaml"), ["association.encoding=poisson"])
    assert load(str(tmp_path / "child.yaml")) == root


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base: nowhere.yaml", "child.yaml: base: no such file 'nowhere.yaml' beside child.yaml"),
        ("base: ''", "child.yaml: base: no such file '' beside child.yaml"),
        ("base: .", "child.yaml: base: no such file '.' beside child.yaml"),
        ("base: 3", "child.yaml: base: no such file '3' beside child.yaml"),
        ("base: [root.yaml]", "child.yaml: base: no such file '['root.yaml']' beside child.yaml"),
        ("base: child.yaml", "child.yaml: base: 'child.yaml'; allowed: a chain of at most 5 files"),
        ("base: other.yaml", "; allowed: a chain of at most 5 files"),
        ("base: list.yaml", "list.yaml: holds a list; allowed: a mapping of keys"),
        ("base: broken.yaml", "broken.yaml line 1: not valid YAML"),
        ("base: root.yaml\nculture: 3", "culture: 3 is not allowed"),
        (
            "base: root.yaml\nassociation: {trainning: 3}",
            "association.trainning: unknown key; did you mean 'training'?",
        ),
        ("base: root.yaml\nphases: []", "phases: unknown key"),
    ],
)
def test_a_base_that_is_none_is_one_line(text: str, expected: str, tmp_path: Path) -> None:
    put(tmp_path, child=text, other="base: child.yaml", list="- 1", broken="a: [1")
    assert expected in fault(str(tmp_path / "child.yaml"))


# images


def encoded(n: int, first: int, labels: np.ndarray) -> LabelledImages:
    """Images of 4 x 4 pixels numbered from `first` on; the first two pixels encode the number."""
    images = np.full((n, 4, 4), 77, np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(first, first + n), 256)
    return LabelledImages(images, labels.astype(np.int64))


def numbers(examples: Examples) -> list[int]:
    """Decode the numbers of images."""
    first, second = np.rint(examples.images[:, 0, :2] * 255).astype(int).T
    return (256 * first + second).tolist()


N_TRAINING, N_TEST = 700, 200
TRAINING_LABELS = np.random.default_rng(1).integers(0, 6, N_TRAINING)
TEST_LABELS = np.random.default_rng(2).integers(0, 6, N_TEST)
SMALL = ("data.size=[4, 4]", "data.source=fashion_mnist", "data.validation=60")


@pytest.fixture(scope="module")
def numbered() -> Iterator[None]:
    """Replace Fashion MNIST by numbered images with labels 0 to 5; test images are numbered after training images."""
    pair, real = (encoded(N_TRAINING, 0, TRAINING_LABELS), encoded(N_TEST, N_TRAINING, TEST_LABELS)), datasets.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load", lambda source: pair if source == "fashion_mnist" else real(source))
        yield


@pytest.mark.parametrize("pool", ["all", 1, 40, 300, 640])
@pytest.mark.usefixtures("numbered")
def test_no_image_is_in_two_splits(pool: str | int) -> None:
    if pool == 1:  # a single image cannot cover both classes
        with pytest.raises(ProtocolFault):
            load_splits(digits01(*SMALL, f"data.pool={pool}").data)
        return
    validation = 15 if pool == 640 else 60
    splits = load_splits(digits01(*SMALL, f"data.pool={pool}", f"data.validation={validation}", "data.test=50").data)
    learned, held_back, tested, unseen = map(numbers, (splits.training, splits.validation, splits.test, splits.unseen))
    everything = [*learned, *held_back, *tested, *unseen]
    assert len(set(everything)) == len(everything)
    for part in (splits.training, splits.validation, splits.test):
        assert set(part.labels.tolist()) == {0, 1}
    labels = np.concatenate([TRAINING_LABELS, TEST_LABELS])
    for part, found in ((splits.training, learned), (splits.validation, held_back), (splits.test, tested)):
        assert part.labels.tolist() == labels[found].tolist()
    candidates = [i for i in range(N_TRAINING) if TRAINING_LABELS[i] in (0, 1)]
    within = N_TRAINING if pool == "all" else int(pool)
    assert learned == [i for i in candidates if i < within and i not in held_back]
    assert len(held_back) == validation
    assert max(learned) < N_TRAINING
    assert tested == [N_TRAINING + i for i in range(N_TEST) if TEST_LABELS[i] in (0, 1)][:50]
    assert unseen == [N_TRAINING + i for i in range(N_TEST) if TEST_LABELS[i] not in (0, 1)]
    # validation images: equally many of each class, evenly spread over the images that may be held out
    of_class = [[i for i in held_back if TRAINING_LABELS[i] == label] for label in (0, 1)]
    assert abs(len(of_class[0]) - len(of_class[1])) <= 1
    for label, chosen in enumerate(of_class):
        free = [i for i in candidates if TRAINING_LABELS[i] == label and (pool == "all" or i >= within)]
        ranks = [free.index(i) for i in chosen]
        gaps = [*np.diff(ranks).tolist(), len(free) - ranks[-1] + ranks[0]]
        assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("data.validation=230", "data.validation: 230; class 1 has 103 images; allowed: fewer"),
        ("data.validation=1000000", "data.validation: 1000000; class 0 has 126 images; allowed: fewer"),
        ("data.pool=8", "data.pool: 8; no image of class 1 is among them"),
        ("data.pool=1", "data.pool: 1; no image of class 0 is among them"),
        ("data.test=1", "data.test: 1; no image of class 0 is among them"),
        ("data.validation=1", "data.validation: 1; no image of class 0 is among them"),
    ],
)
@pytest.mark.usefixtures("numbered")
def test_too_few_images_are_one_line(override: str, path: str) -> None:
    assert np.isin(TRAINING_LABELS, (0, 1)).sum() == 229
    assert TRAINING_LABELS[:9].tolist() == [2, 3, 4, 5, 0, 0, 4, 5, 1]
    data = digits01(*SMALL, override).data
    with pytest.raises(ProtocolFault) as caught:
        load_splits(data)
    (line,) = caught.value.lines
    assert line.startswith(path)
    assert "\n" not in line


@pytest.mark.usefixtures("numbered")
def test_validation_images_beyond_the_pool_must_be_there() -> None:
    most = 2 * min(int((TRAINING_LABELS[500:] == label).sum()) for label in (0, 1))
    load_splits(digits01(*SMALL, "data.pool=500", f"data.validation={most}").data)
    with pytest.raises(
        ProtocolFault, match=rf"^data.validation: {most + 2}; class . has {most // 2} images beyond the"
    ):
        load_splits(digits01(*SMALL, "data.pool=500", f"data.validation={most + 2}").data)


@pytest.mark.usefixtures("numbered")
def test_a_class_that_the_data_set_has_not_is_one_line() -> None:
    data = digits01(*SMALL, "data.classes=[0, 7]", f"{REGIONS}={{0: [[0, 9]], 7: [[1, 9]]}}").data
    with pytest.raises(ProtocolFault) as caught:
        load_splits(data)
    assert caught.value.lines == ["data.classes: 7; allowed: 0 to 5"]


def test_digits_are_split_by_class_and_place() -> None:
    from sklearn.datasets import load_digits

    labels = load_digits().target
    splits = load_splits(digits01().data)
    tested = [labels[np.flatnonzero(labels == k)[4::5]] for k in range(10)]
    assert len(splits.test) == len(tested[0]) + len(tested[1])
    assert len(splits.unseen) == sum(map(len, tested[2:]))
    assert len(splits.validation) == 60
    assert len(splits.training) == (labels < 2).sum() - len(splits.test) - 60
    assert set(splits.unseen.labels.tolist()) == set(range(2, 10))
    for part in (splits.training, splits.validation, splits.test, splits.unseen):
        assert part.images.shape[1:] == (6, 6)
        assert part.images.min() >= 0
        assert 0.5 < part.images.max() <= 1


OWN_DATA = os.environ.get("CULTURE_DATA")


def test_mnist01_learns_the_authors_images_and_tests_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,128 zeros and ones among the first 10,000 training images, 2,115 test images (counted in the paper's data)."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    folders = [Path(OWN_DATA).expanduser(), beside] if OWN_DATA else [beside]
    here = [f for f in folders if all((f / "mnist" / name).is_file() for name in TRAINING + TEST)]
    if not here:
        pytest.skip("needs MNIST in $CULTURE_DATA/mnist")
    monkeypatch.setenv("CULTURE_DATA", str(here[0]))
    protocol = load("mnist01")
    assert isinstance(protocol, AssociationProtocol)
    splits = load_splits(protocol.data)
    assert (len(splits.training), len(splits.test), len(splits.unseen)) == (2128, 2115, 10_000 - 2115)
    assert len(splits.validation) == 300
    published = datasets.load("mnist")[0]
    first = [i for i in range(10_000) if published.labels[i] in (0, 1)]
    np.testing.assert_array_equal(splits.training.labels, published.labels[first])
    np.testing.assert_array_equal(splits.training.images[::100], datasets.resize(published.images[first[::100]], 6, 6))


# order of training images


#: (labels of at least two classes, number of presentations)
labels_and_n = st.tuples(
    st.lists(st.sampled_from([0, 1, 4]), min_size=2, max_size=40).filter(lambda labels: len(set(labels)) > 1),
    st.integers(1, 150),
    st.integers(0, 99),
)


def order(name: str, labels: list[int], n: int, seed: int) -> list[int]:
    found = training_order(name, np.array(labels), n, np.random.default_rng(seed))
    assert found.shape == (n,)
    return found.tolist()


@given(labels_and_n)
def test_interleaved_classes_alternate_and_use_all_images_before_any_again(given_: tuple[list[int], int, int]) -> None:
    labels, n, seed = given_
    shown = order("interleaved", labels, n, seed)
    classes, uses = sorted(set(labels)), dict.fromkeys(range(len(labels)), 0)
    for k, image in enumerate(shown):
        assert labels[image] == classes[k % len(classes)]
        uses[image] += 1
        of_class = [uses[i] for i in range(len(labels)) if labels[i] == labels[image]]
        assert max(of_class) - min(of_class) <= 1
    per_class = [sum(uses[i] for i in range(len(labels)) if labels[i] == label) for label in classes]
    assert max(per_class) - min(per_class) <= 1


@pytest.mark.parametrize("name", ["shuffled", "sequential", "blocked"])
@given(given_=labels_and_n)
def test_other_orders_show_every_image_equally_often_up_to_one(name: str, given_: tuple[list[int], int, int]) -> None:
    labels, n, seed = given_
    shown = order(name, labels, n, seed)
    uses = [shown.count(image) for image in range(len(labels))]
    assert max(uses) - min(uses) <= 1
    for start in range(0, n, len(labels)):  # pass by pass
        once = shown[start : start + len(labels)]
        assert len(set(once)) == len(once)
        if name == "sequential":
            assert once == list(range(len(once)))
        if name == "blocked":
            blocks = [labels[once[0]]] + [labels[b] for a, b in itertools.pairwise(once) if labels[a] != labels[b]]
            assert blocks == sorted(set(labels))[: len(blocks)]


@pytest.mark.parametrize("name", ["interleaved", "shuffled", "blocked"])
def test_images_come_in_random_order_and_shuffled_classes_too(name: str) -> None:
    labels = [0, 1] * 50
    shown = order(name, labels, 100, 1)
    ones = [image for image in shown if labels[image] == 1]
    assert ones != sorted(ones)
    assert shown == order(name, labels, 100, 1)
    assert shown != order(name, labels, 100, 2)
    changes = sum(labels[a] != labels[b] for a, b in itertools.pairwise(shown))
    assert {"interleaved": changes == 99, "blocked": changes == 1, "shuffled": 30 < changes < 70}[name]


@given(n=st.integers(1, 300), factor=st.floats(0, 10))
def test_learning_factors_are_their_closed_forms(n: int, factor: float) -> None:
    for k in range(n):
        closed = {
            "constant": factor,
            "linear": factor * (n - k) / n,
            "exponential": factor * math.exp(-k / (n / 4)),
        }
        for schedule, expected in closed.items():
            found = learning_factors(LearningRate(factor=factor, schedule=schedule), n)  # type: ignore[arg-type]
            assert found.shape == (n,)
            assert found[k] == pytest.approx(expected, rel=1e-12)


# curriculum of one seed


def expanded(*overrides: str, seed: int = 0) -> Curriculum:
    return expand_association(digits01(*SMALL, *overrides), seed)


@pytest.mark.usefixtures("numbered")
@settings(max_examples=25)
@given(n=st.integers(2, 400), data=st.data())
def test_evaluations_start_before_and_end_after_the_training(n: int, data: st.DataObject) -> None:
    every = data.draw(st.integers(1, n))
    plan = expanded(f"association.training.presentations={n}", f"association.evaluation.every={every}")
    after = plan.evaluate_after.tolist()
    assert after[0] == 0
    assert after[-1] == n
    steps = [b - a for a, b in itertools.pairwise(after)]
    assert all(step == every for step in steps[:-1])
    assert 0 < steps[-1] <= every
    assert len(plan.example) == len(plan.learning) == n
    assert plan.seen.tolist() == sorted(set(plan.example.tolist()))
    shown = (60 + len(plan.splits.test)) * len(after) + 2 * len(plan.probes) + len(plan.seen) + len(plan.splits.test)
    assert plan.n_alone == shown


@pytest.mark.usefixtures("numbered")
def test_the_same_seed_is_the_same_plan_and_every_other_seed_another() -> None:
    def shown(seed: int, stimulus_seed: int) -> tuple[list[int], bytes]:
        plan = expanded(f"stimulus_seed={stimulus_seed}", seed=seed)
        return plan.example.tolist(), plan.probes.images.tobytes()

    assert shown(0, 0) == shown(0, 0)
    plans = [shown(seed, stimulus_seed) for seed in (0, 1) for stimulus_seed in (0, 1)]
    for a in range(4):
        for b in range(a):
            assert plans[a][0] != plans[b][0]
            assert plans[a][1] != plans[b][1]  # the patterns without structure


@pytest.mark.usefixtures("numbered")
def test_a_longer_training_of_any_order_begins_as_the_shorter_one() -> None:
    """So that training budgets can be compared on the same sequence of images."""
    for name in ("interleaved", "shuffled", "sequential", "blocked"):
        short, long = (
            expanded(f"association.training={{presentations: {n}, order: {name}}}", "association.evaluation.every=10")
            for n in (100, 333)
        )
        np.testing.assert_array_equal(short.example, long.example[:100])


@pytest.mark.usefixtures("numbered")
def test_probes_are_test_images_of_every_label_then_their_pixels_shuffled() -> None:
    splits = load_splits(digits01(*SMALL).data)
    probes = probe_examples(Probe(per_label=3, random=11), splits, np.random.default_rng(0))
    known = probes.labels >= 0
    for label in range(6):
        expected = [N_TRAINING + i for i in range(N_TEST) if TEST_LABELS[i] == label][:3]
        assert numbers(probes.take(np.flatnonzero(probes.labels == label))) == expected
    assert known.sum() == 18
    assert (probes.labels[known.argmin() :] == -1).sum() == 11
    pixels = {tuple(sorted(image.ravel())): image for image in splits.test.images}
    moved = 0
    for pattern in probes.images[~known]:
        moved += not np.array_equal(pattern, pixels[tuple(sorted(pattern.ravel()))])
    assert moved == 11
    learned = {image.tobytes() for image in (*splits.training.images, *splits.validation.images)}
    assert not learned & {image.tobytes() for image in probes.images}


def test_random_probes_of_digits_are_permutations_of_test_images() -> None:
    """Each pattern has the pixels of one test image: shuffling does not mix images."""
    plan = expand_association(digits01("association.probe={per_label: 0, random: 40}"))
    assert plan.probes.labels.tolist() == [-1] * 40
    sources = {tuple(sorted(image.ravel())) for image in plan.splits.test.images}
    assert all(tuple(sorted(image.ravel())) in sources for image in plan.probes.images)
    assert len({image.tobytes() for image in plan.probes.images}) == 40


@pytest.mark.usefixtures("numbered")
def test_probes_may_be_images_only() -> None:
    plan = expanded("association.probe={per_label: 2, random: 0}")
    assert plan.probes.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
