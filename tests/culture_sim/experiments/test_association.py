"""Association runs against sessions made by hand: presentation, learning, evaluation, checkpoints."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from culture_sim.analysis.weights import cell_sums
from culture_sim.engines import CppEngine, Engine
from culture_sim.engines.compiled import compiler
from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session
from culture_sim.experiments import association, table
from culture_sim.experiments.stimulus import encode_rates
from culture_sim.model.culture import PROJECTIONS, Culture
from culture_sim.run import app
from protocols.images import datasets
from protocols.images.datasets import LabelledImages
from protocols.loading.loader import builtin, load
from protocols.loading.published import compare, read_targets
from protocols.plan.curriculum import expand_association
from protocols.results.learning import summarise
from protocols.runs.run_directory import Run
from protocols.spec.protocol import AssociationProtocol
from protocols.spec.random_streams import stream
from tests.command import exit_code
from tests.protocols.spec.test_association import FIXED, digits01

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]
SMALL = (
    "association.training.presentations=60",
    "association.evaluation={every: 20, averaged: 2}",
    "association.probe={per_label: 1, random: 2}",
    "data.validation=10",
    "data.test=20",
)
#: takes about a second, in 21 blocks: long enough to be killed while running
LONG = (
    *SMALL,
    "association.training={presentations: 200, learning_rate: {factor: 0.3}}",
    "association.evaluation.every=10",
    "data.validation=6",
    "data.test=8",
)


@pytest.fixture(scope="module")
def engine() -> CppEngine:
    if compiler() is None:
        pytest.skip("no C++ compiler")
    return CppEngine.prepare()


command = partial(exit_code, app)


def sets(overrides: tuple[str, ...]) -> list[str]:
    """Arguments of the command for a small version of digits01."""
    return ["digits01", *(part for override in (*FIXED, *overrides) for part in ("--set", override))]


def only_run(out: Path) -> Path:
    (found,) = [path for path in (out / "digits01").iterdir() if path.is_dir()]
    return found


def arrays_of(
    protocol: AssociationProtocol, engine: Engine, folder: Path, seed: int = 0, prepare: Callable = lambda run: None
) -> tuple[dict[str, np.ndarray], Run]:
    """Arrays of one seed, and the run with its checkpoints."""
    run = Run(folder, protocol, "run")
    run.partial.mkdir(parents=True, exist_ok=True)
    prepare(run)
    return association.run_seed(protocol, engine, seed, run, lambda fraction: None), run


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def of_seed(run: Path, seed: int) -> dict[str, np.ndarray]:
    """The arrays of one seed of a finished run."""
    prefix = f"seed_{seed}/"
    with np.load(run / "arrays.npz") as arrays:
        return {name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)}


# by hand: from images to pulses, from spikes to responses


def stimulation(plan: AssociationProtocol, images: np.ndarray, name: str, labels: list[int] | None = None) -> Session:
    """One presentation an image, 200 steps long; with its label where labels are given."""
    electrodes, steps = [], []
    for k, image in enumerate(images):
        rates = np.zeros(60)
        for row in range(6):
            for column in range(6):
                rates[10 * row + column] = 200 * image[row, column]
            if labels is not None and row // 3 == labels[k]:  # the label's half of the last column
                rates[10 * row + 9] = 400
        electrode, step = encode_rates(rates[None], 200, "interval", 1e-3, [stream(f"stimulus/{name}", SEED, 0, k)])
        electrodes.append(electrode)
        steps.append(step + 200 * k)
    n = len(images)
    factors = np.zeros(n) if labels is None else np.array([0.05 * (1 - k / n) for k in range(n)])
    return Session(np.full(n, 200), factors, np.concatenate(electrodes), np.concatenate(steps))


def responses(culture: Culture, recording: Recording, n: int) -> np.ndarray:
    """Spikes per neuron of the two label regions in each presentation, counted one by one."""
    members: dict[int, list[int]] = {0: [], 1: []}
    for neuron, (x, y) in enumerate(culture.positions):
        distances = [np.hypot(x - (c + 0.5) * 500e-6, y - (r + 0.5) * 500e-6) for r in range(6) for c in range(10)]
        row, column = divmod(int(np.argmin(distances)), 10)
        if column == 9:
            members[row // 3].append(neuron)
    counts = np.zeros((n, 2))
    for step, neuron in zip(recording.step.tolist(), recording.neuron.tolist(), strict=True):
        for label in (0, 1):
            counts[step // 200, label] += neuron in members[label]
    return counts / [len(members[0]), len(members[1])]


def one_after_the_other(first: Session, second: Session) -> Session:
    return Session(
        np.concatenate([first.n_steps, second.n_steps]),
        np.concatenate([first.learning, second.learning]),
        np.concatenate([first.electrode, second.electrode]),
        np.concatenate([first.step, second.step + first.n_steps.sum()]),
    )


# the command


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, engine: CppEngine) -> Path:
    out = tmp_path_factory.mktemp("runs")
    assert command(*sets(SMALL), "--out", str(out), "--jobs", "1") == 0
    return only_run(out)


def test_a_run_leaves_metrics_arrays_and_where_they_come_from(finished: Path) -> None:
    from sklearn.datasets import load_digits

    assert {p.name for p in finished.iterdir()} >= {"arrays.npz", "metrics.json", "protocol.yaml", "provenance.json"}
    assert not list(finished.glob("seed_*"))  # checkpoints are removed
    assert list((finished / "figures").iterdir())
    metrics, arrays = json.loads((finished / "metrics.json").read_text()), np.load(finished / "arrays.npz")
    per_seed: dict[str, list[float]] = {"accuracy/test": [], "accuracy/untrained": []}
    for seed in (0, 1):
        scores, truth = arrays[f"seed_{seed}/scores/test"], arrays[f"seed_{seed}/labels/test"]
        assert scores.shape == (4, 20, 2)
        right = [
            np.mean([0.5 if a == b else float((b > a) == label) for (a, b), label in zip(s, truth, strict=True)])
            for s in scores
        ]
        per_seed["accuracy/test"].append(float(np.mean(right[-2:])))
        per_seed["accuracy/untrained"].append(float(right[0]))
    for path, values in per_seed.items():
        assert metrics[path]["per_seed"] == pytest.approx(values)
        assert metrics[path]["mean"] == pytest.approx(np.mean(values))
        assert metrics[path]["ci95"] == pytest.approx(sorted(values))
        assert (metrics[path]["n"], metrics[path]["unit"]) == (2, "fraction correct")
    assert metrics["accuracy/curve"]["presentations"] == [0, 20, 40, 60]
    for path in ("accuracy/best_snapshot", "ceiling/pixels", "ceiling/activity"):
        assert 0 <= metrics[path]["mean"] <= 1
    assert metrics["ceiling/pixels"]["mean"] > 0.9  # zeros and ones are easy to distinguish
    raw, labels = load_digits(return_X_y=True)
    everything = bytes(np.round(raw * 255 / 16).astype(int).ravel().tolist()) + bytes(labels.tolist())
    facts = json.loads((finished / "provenance.json").read_text())
    assert facts["data"] == {"sklearn digits": hashlib.md5(everything).hexdigest()}
    assert facts["seeds"] == [0, 1]


SEED = 1


def test_untrained_responses_are_the_spikes_of_the_regions(finished: Path, engine: CppEngine) -> None:
    """The first evaluation, repeated from the images on without the validation images of its session."""
    plan = load(str(finished / "protocol.yaml"))
    assert isinstance(plan, AssociationProtocol)
    culture, test = Culture.grow(plan.culture, SEED), expand_association(plan, SEED).splits.test
    recording = engine.run(culture, stimulation(plan, test.images, "test"), lambda done, of: None)
    arrays = np.load(finished / "arrays.npz")
    found = responses(culture, recording, 20)
    assert (found > 0).any()
    np.testing.assert_array_equal(arrays[f"seed_{SEED}/scores/test"][0], found)
    np.testing.assert_array_equal(arrays[f"seed_{SEED}/labels/test"], test.labels)


def test_blocks_and_evaluations_are_one_long_training(finished: Path, engine: CppEngine, tmp_path: Path) -> None:
    """Training in blocks with evaluations gives bit for bit the weights of a single session."""
    plan = digits01(*SMALL)
    curriculum = expand_association(plan, SEED)
    training, test = curriculum.splits.training.take(curriculum.example), curriculum.splits.test
    alone = stimulation(plan, test.images, "test")
    learned = stimulation(plan, training.images, "training", training.labels.tolist())
    culture = Culture.grow(plan.culture, SEED)
    # images without labels before training too: a session normalises the weights, which may change their last bit
    session = one_after_the_other(one_after_the_other(alone, learned), alone)
    recording = engine.run(culture, session, lambda done, of: None)
    of_image = responses(culture, recording, 20 + 60 + 20)
    often = of_seed(finished, SEED)
    rarely, run = arrays_of(digits01(*SMALL, "association.evaluation.every=60"), engine, tmp_path, SEED)
    checkpoint = run.load_part(f"seed_{SEED}_evaluated")
    assert checkpoint is not None
    cell = np.linalg.norm(culture.positions[:, None] - culture.electrodes, axis=2).argmin(axis=1)
    for name in PROJECTIONS:
        np.testing.assert_array_equal(checkpoint[f"weights/{name}"], recording.weights[name].data)
        source = np.arange(60) if name == "electrode" else cell
        expected = cell_sums(recording.weights[name], source, cell, 60)
        before = cell_sums(culture.weights[name], source, cell, 60)
        assert np.nanmax(np.abs(expected - before)) > 1e-6
        for arrays in (often, rarely):
            np.testing.assert_array_equal(arrays[f"weights/{name}/after"], expected)
            np.testing.assert_array_equal(arrays[f"weights/{name}/before"], before)
    assert len(often["scores/test"]) == 4
    assert len(rarely["scores/test"]) == 2
    for arrays in (often, rarely):
        np.testing.assert_array_equal(arrays["scores/test"][0], of_image[:20])
        np.testing.assert_array_equal(arrays["scores/test"][-1], of_image[80:])
        np.testing.assert_array_equal(arrays["probe/after"], often["probe/after"])
    assert (of_image[80:] > 0).mean() > 0.5


def test_the_table_shows_every_accuracy(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*sets(SMALL), "--out", str(finished.parents[1])) == 0
    captured = capsys.readouterr()
    assert "Reusing" in captured.err
    metrics = json.loads((finished / "metrics.json").read_text())
    titles = {
        "accuracy/test": "test images, last 2 evaluations",
        "accuracy/validation": "validation images, the same evaluations",
        "accuracy/best_snapshot": "test images, snapshot best on validation",
        "accuracy/lowest_after_first_third": "lowest evaluation after the first third",
        "accuracy/untrained": "before training",
        "accuracy/undecided": "answers tied",
        "ceiling/activity": "logistic readout of all neurons",
        "ceiling/pixels": "logistic readout of the pixels",
    }
    for path, title in titles.items():
        (line,) = [line for line in captured.out.splitlines() if title in line]
        low, high = metrics[path]["ci95"]
        assert line.split(title)[1].split() == [f"{metrics[path]['mean']:.3f}", f"{low:.3f}", "-", f"{high:.3f}", "2"]
    for label, row in zip((0, 1), metrics["confusion"]["counts"], strict=True):
        shares = f"0: {row[0] / sum(row):.1%}, 1: {row[1] / sum(row):.1%}"
        auc = metrics[f"separation/{label}"]["auc"]["mean"]
        assert f"images of {label} are answered as {shares} (AUC of its score {auc:.3f})" in captured.out


def test_published_accuracies_stand_in_columns_of_their_own(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    targets = read_targets(builtin()["mnist01"].parent / "targets" / "mnist01.csv")
    metrics["targets"] = compare(metrics, targets, None)
    text = io.StringIO()
    table.show(metrics, Console(file=text, width=200))
    lines = text.getvalue().splitlines()
    (head,) = [line for line in lines if "fraction correct" in line]
    columns = [head.index(subject) for subject in ("Lagani 2021", "authors' program")]

    def cells(title: str) -> list[str]:
        (line,) = [line for line in lines if title in line]
        return [line[columns[0] : columns[1]].strip(), line[columns[1] :].strip()]

    assert cells("snapshot best on validation") == ["0.880", "0.814 (n=1)"]
    assert cells("last 2 evaluations") == ["", "0.682 +- 0.094 (n=1)"]
    assert cells("before training") == ["", ""]


def test_dry_run_says_what_is_presented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*sets(SMALL), "--dry-run", "--out", str(tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "training: 60 presentations of 200 ms, 60 images\n" in printed
    assert "evaluation: 4 times 10 validation and 20 test images, no learning\n" in printed
    assert "probe: 12 images and patterns before and after, no learning\n" in printed
    presentations = 60 + 4 * (10 + 20) + 2 * 12 + 60 + 20  # ... and the images for the linear readout
    assert f"work (one seed): {200 * presentations} steps" in printed
    assert not list(tmp_path.iterdir())


def test_images_that_are_not_to_be_had_are_one_line_and_no_hindrance_to_a_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = replace(datasets.DATA_SETS["mnist"], mirrors=("http://127.0.0.1:9/", "http://127.0.0.1:9/other/"))
    monkeypatch.setitem(datasets.DATA_SETS, "mnist", nobody)
    monkeypatch.setattr("protocols.images.download.PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path / "data"))
    assert command("mnist01", "--out", str(tmp_path / "out"), "--dry-run") == 0
    assert "presentations" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert command("mnist01", "--out", str(tmp_path / "out")) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: {tmp_path}/data/mnist/train-images-idx3-ubyte.gz: cannot be downloaded")
    assert f"put {', '.join(nobody.md5)} into {tmp_path}/data/mnist" in line
    assert not (tmp_path / "out").exists()


def test_what_the_end_of_a_run_needs_is_asked_for_at_its_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert command(*sets(SMALL), "--out", str(tmp_path)) == 2
    line = "error: association: scikit-learn is not installed (pip install -c constraints.txt -e '.[data]')\n"
    assert capsys.readouterr().err == line
    assert not list(tmp_path.iterdir())


# presentations


class Stopped(Exception):
    """Raised instead of running a session beyond the limit."""


@dataclass
class Spy:
    """An engine that stores its sessions and stops after a given number."""

    engine: Engine
    most: int = 1000
    sessions: list[Session] = field(default_factory=list)
    name = "spy"

    def run(self, culture: Culture, session: Session, progress: Callable[[int, int], None]) -> Recording:
        if len(self.sessions) == self.most:
            raise Stopped
        self.sessions.append(session)
        return self.engine.run(culture, session, progress)


def test_only_images_with_labels_are_learned(engine: CppEngine, tmp_path: Path) -> None:
    """Label electrodes of the image's class are stimulated with learning, none without learning."""
    plan, spy = digits01(*SMALL), Spy(engine)
    arrays_of(plan, spy, tmp_path, SEED)
    curriculum = expand_association(plan, SEED)
    labels = curriculum.splits.training.labels[curriculum.example].tolist()
    factors = []
    for session in spy.sessions:
        for k, factor in enumerate(session.learning):
            inside = (session.step >= 200 * k) & (session.step < 200 * (k + 1))
            row, column = np.divmod(session.electrode[inside], 10)
            labelled = set(row[column == 9].tolist())
            assert not np.any((column > 5) & (column < 9))  # between image and labels nothing is stimulated
            if factor > 0:
                first = 3 * labels[len(factors)]
                assert labelled == {first, first + 1, first + 2}
                factors.append(factor)
            else:
                assert not labelled
    assert factors == pytest.approx([0.05 * (1 - k / 60) for k in range(60)])
    assert labels == labels[:2] * 30
    # sessions: probes before, first evaluation, three blocks, afterwards; learning and images without labels
    shape = [(int((s.learning > 0).sum()), int((s.learning == 0).sum())) for s in spy.sessions]
    assert shape == [(0, 12), (0, 30), (20, 30), (20, 30), (20, 30), (0, 60 + 20 + 12)]


def test_evaluations_leave_no_trace_and_the_fraction_done_grows(engine: CppEngine, tmp_path: Path) -> None:
    """After probes and an evaluation all weights are as grown, except for one more normalisation."""
    plan, fractions = digits01(*SMALL), list[float]()
    run = Run(tmp_path, plan, "run")
    run.partial.mkdir(parents=True)
    with pytest.raises(Stopped):
        association.run_seed(plan, Spy(engine, most=2), SEED, run, fractions.append)
    checkpoint, grown = run.load_part(f"seed_{SEED}_evaluated"), Culture.grow(plan.culture, SEED)
    assert checkpoint is not None
    assert len(checkpoint["scores"]) == 1
    for name in PROJECTIONS:
        np.testing.assert_allclose(checkpoint[f"weights/{name}"], grown.weights[name].data, rtol=1e-14, atol=0)
    association.run_seed(plan, engine, SEED, run, fractions.append)
    assert np.all(np.diff(fractions[42:]) > 0)
    assert fractions[-1] == pytest.approx(1)


# learning


def test_without_learning_every_evaluation_is_the_same(engine: CppEngine, tmp_path: Path) -> None:
    """The curve of a culture that does not learn is flat: all images have the same pulses every time."""
    arrays, _ = arrays_of(digits01(*SMALL, "association.training.learning_rate.factor=0"), engine, tmp_path, SEED)
    for split in ("validation", "test"):
        for score in arrays[f"scores/{split}"]:
            np.testing.assert_array_equal(score, arrays[f"scores/{split}"][0])
    np.testing.assert_array_equal(arrays["probe/before"], arrays["probe/after"])
    for name in PROJECTIONS:
        before, after = (arrays[f"weights/{name}/{when}"] for when in ("before", "after"))
        np.testing.assert_allclose(before, after, rtol=1e-14, atol=0)


def halves(n: int, upper: int) -> LabelledImages:
    """Images whose upper half is white and has the label `upper`, and images whose lower half is."""
    labels, images = np.random.default_rng(n).permutation(np.arange(n) % 2), np.zeros((n, 6, 6), np.uint8)
    for label, image in zip(labels, images, strict=True):
        rows = slice(0, 3) if label == upper else slice(3, 6)
        image[rows] = 255
    return LabelledImages(images, labels)


@pytest.mark.parametrize("seed", [0, 1])
def test_labels_teach_either_way_round(
    seed: int, engine: CppEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two patterns with labels assigned in either way: the culture answers with the labels it was taught."""
    metrics = []
    for upper in (0, 1):
        monkeypatch.setattr(datasets, "load", lambda _, upper=upper: (halves(80, upper), halves(40, upper)))
        plan = digits01(*SMALL, "association.evaluation={every: 60, averaged: 1}", "association.probe.per_label=0")
        arrays, _ = arrays_of(plan, engine, tmp_path / str(upper), seed)
        metrics.append(summarise(plan, [arrays], []))
    untrained = [m["accuracy/untrained"]["mean"] for m in metrics]
    assert sum(untrained) == pytest.approx(1, abs=0.15)  # nearly the same responses; only the pulses differ
    assert min(untrained) <= 0.5
    for m in metrics:
        assert m["accuracy/test"]["mean"] > 0.95


# interruption


@pytest.fixture(scope="module")
def uninterrupted(engine: CppEngine, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, np.ndarray]]:
    plan, folder = digits01(*LONG), tmp_path_factory.mktemp("long")
    return {seed: arrays_of(plan, engine, folder / str(seed), seed)[0] for seed in (0, 1)}


def evaluated(part: Path) -> int:
    """Number of evaluations in the checkpoint; 0 if there is none."""
    if not part.exists():
        return 0
    with np.load(part) as arrays:
        return len(arrays["scores"])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_run_looks_unfinished_and_goes_on_at_its_last_evaluation(
    jobs: str,
    engine: CppEngine,
    uninterrupted: dict[int, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()  # left behind by a killed process
    arguments = [*sets(LONG), "--out", str(out), "--jobs", jobs, "--seeds", jobs]
    line = [sys.executable, "-m", "culture_sim.run", *arguments]
    environment = os.environ | {"TMPDIR": str(scratch)}
    with subprocess.Popen(line, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 100
            while process.poll() is None and time.monotonic() < deadline:
                if any(evaluated(part) >= 3 for part in out.glob("digits01/*.partial/seed_0_evaluated.npz")):
                    break  # it has learned something
                time.sleep(0.002)
        finally:
            process.kill()
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == -signal.SIGKILL, said
    time.sleep(0.2)  # the processes of the seeds end too
    (partial,) = [path for path in (out / "digits01").iterdir() if path.is_dir()]
    assert partial.suffix == ".partial"
    assert not (partial / "seed_0.npz").exists()
    assert 3 <= evaluated(partial / "seed_0_evaluated.npz") < 21
    assert {path.name for path in partial.iterdir()} <= {
        f"seed_{seed}_evaluated{end}.npz" for seed in (0, 1) for end in ("", ".unfinished")
    }
    monkeypatch.setattr("culture_sim.run.CultureLearner.figures", lambda *_: None)
    monkeypatch.setattr("culture_sim.engines.prepare", lambda *_: engine)
    begun = [seed for seed in ("0", "1") if (partial / f"seed_{seed}_evaluated.npz").exists()]
    assert command(*arguments) == 0
    assert f"Resuming at the last evaluation: seed {', '.join(begun)}.\n" in capsys.readouterr().err
    for seed in range(int(jobs)):
        assert_same(of_seed(only_run(out), seed), uninterrupted[seed])
    assert not list(only_run(out).glob("seed_*"))


@pytest.mark.parametrize("most", [1, 3, 5])
def test_a_training_stopped_anywhere_goes_on_where_it_was(
    most: int, finished: Path, engine: CppEngine, tmp_path: Path
) -> None:
    """Stopped after the probes, an evaluation or the last session: nothing is repeated, the result is the same."""
    plan, again = digits01(*SMALL), Spy(engine)
    run = Run(tmp_path, plan, "run")
    run.partial.mkdir(parents=True)
    with pytest.raises(Stopped):
        association.run_seed(plan, Spy(engine, most), 0, run, lambda fraction: None)
    arrays, _ = arrays_of(plan, again, tmp_path)
    assert_same(arrays, of_seed(finished, 0))
    assert len(again.sessions) == 2 + 4 - (most - 1)  # probes, what is left of four blocks, and afterwards


def test_a_damaged_checkpoint_is_done_again(finished: Path, engine: CppEngine, tmp_path: Path) -> None:
    plan = digits01(*SMALL, "association.training.presentations=20", "data.validation=4", "data.test=8")
    expected, run = arrays_of(plan, engine, tmp_path / "whole")
    whole = (run.partial / "seed_0_evaluated.npz").read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    damages = {"whole": whole, "empty": b"", "words": b"not a zip", "cut": whole[:middle], "flipped": flipped}
    for name, content in damages.items():
        spy = Spy(engine)

        def put(run: Run, content: bytes = content) -> None:
            (run.partial / "seed_0_evaluated.npz").write_bytes(content)

        arrays, _ = arrays_of(plan, spy, tmp_path / f"again_{name}", prepare=put)
        assert_same(arrays, expected)
        assert len(spy.sessions) == (2 if name == "whole" else 4), name


# protocols that cannot be evaluated


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.test=1", "data.test: 1; no image of class 1 is among them"),
        ("data.validation=1", "data.validation: 1; no image of class 0 is among them"),
        (
            "association.training={presentations: 20, order: blocked}",
            "association.training.presentations: 20; class 1 is never presented",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_anything_runs(
    override: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*sets((*SMALL, "association.training.presentations=20", override)), "--out", str(tmp_path)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {says}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("per_label", "n"), [(0, 0), (1, 10)])
def test_a_run_without_probes_is_the_same_run(
    per_label: int, n: int, finished: Path, engine: CppEngine, tmp_path: Path
) -> None:
    plan = digits01(*SMALL, f"association.probe={{per_label: {per_label}, random: 0}}")
    arrays, _ = arrays_of(plan, engine, tmp_path, SEED)
    expected = of_seed(finished, SEED)
    for name in ("probe/before", "probe/after", "probe/labels"):
        np.testing.assert_array_equal(arrays.pop(name), expected.pop(name)[:n])
    assert_same(arrays, expected)
    summarise(plan, [arrays], [])
