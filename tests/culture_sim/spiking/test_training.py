"""Association by a spiking network: what is presented, classes and scores, seeds, resumption, the command."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from culture_sim.engines.compiled import compiler
from culture_sim.run import app
from culture_sim.spiking import Presentations, Weights, present, training
from protocols.loading.loader import load
from protocols.plan.curriculum import expand_association
from protocols.results.learning import summarise
from protocols.runs.run_directory import Run
from protocols.spec.protocol import SpikingAssociation
from protocols.spec.random_streams import stream
from tests.command import exit_code

pytestmark = [pytest.mark.whole, pytest.mark.skipif(compiler() is None, reason="no C++ compiler")]
command = partial(exit_code, app)
NAME = "digits01_diehl_cook"
SMALL = (
    "association.training.presentations=90",
    "association.evaluation={every: 30, averaged: 2}",
    "data.validation=20",
    "data.test=30",
    "spiking_network.neurons=20",
    "spiking_network.labelled=40",
)
SETS = [part for override in SMALL for part in ("--set", override)]


def small(*overrides: str) -> SpikingAssociation:
    protocol = load(NAME, (*SMALL, *overrides))
    assert isinstance(protocol, SpikingAssociation)
    return protocol


def arrays_of(protocol: SpikingAssociation, folder: Path, seed: int = 0) -> dict[str, np.ndarray]:
    run = Run(folder, protocol, "run")
    run.partial.mkdir(parents=True, exist_ok=True)
    return training.run_seed(protocol, "cpp", seed, run, lambda fraction: None)


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return arrays_of(small(), tmp_path_factory.mktemp("small"))


def test_a_neuron_gets_the_class_it_responds_to_most() -> None:
    counts = np.array([[4, 0, 1, 0], [0, 0, 0, 0], [3, 2, 2, 0]])  # images of classes 0, 0 and 2
    classes = training.assigned(counts, np.array([0, 0, 2]), 3)
    np.testing.assert_array_equal(classes, [2, 2, 2, -1])  # means of neuron 0: 2 and 3; neuron 3 is silent
    np.testing.assert_array_equal(
        training.scores(np.array([[6, 1, 1, 9], [0, 4, 2, 5]]), np.array([0, 2, 2, -1]), 3), [[6, 0, 1], [0, 0, 3]]
    )


def test_training_is_one_session_of_the_images_of_the_curriculum(found: dict[str, np.ndarray]) -> None:
    """By hand, in one piece, without evaluations; then classes and scores by loops over images and neurons."""
    protocol = small()
    spec, plan = protocol.spiking_network, expand_association(protocol, 0)
    images, labels = plan.splits.training.images.reshape(-1, 36), plan.splits.training.labels
    weights = Weights.drawn(spec, 36, np.random.default_rng(stream("spiking network", 0)))
    keys = stream("spike trains/training", 0, 0).generate_state(90, np.uint64)
    after = present(spec, weights, Presentations(images[plan.example], plan.learning, keys)).weights
    np.testing.assert_array_equal(found["filters"].T, after.inputs)
    np.testing.assert_array_equal(found["theta"], after.theta)

    recent = sorted(set(plan.example[50:].tolist()))
    keys = stream("spike trains/training/alone", 0, 0).generate_state(len(images), np.uint64)
    counts = present(spec, after, Presentations(images[recent], np.zeros(len(recent)), keys[recent])).counts
    for neuron, assigned in enumerate(found["assigned"].tolist()):
        by_class = [[c[neuron] for c, k in zip(counts, recent, strict=True) if labels[k] == label] for label in (0, 1)]
        means = [sum(each) / len(each) for each in by_class]
        assert assigned == (-1 if not any(means) else int(means[1] > means[0]))
    test = plan.splits.test.images.reshape(-1, 36)
    keys = stream("spike trains/test/alone", 0, 0).generate_state(30, np.uint64)
    counts = present(spec, after, Presentations(test, np.zeros(30), keys)).counts
    for label in (0, 1):
        mean = counts[:, found["assigned"] == label].mean(axis=1)
        np.testing.assert_allclose(found["scores/test"][-1][:, label], mean)
    assert len(set(found["assigned"].tolist()) & {0, 1}) == 2


def test_it_learns_and_says_what_other_learners_say(found: dict[str, np.ndarray]) -> None:
    metrics = summarise(small("seeds=1"), [found], [])
    assert metrics["accuracy/untrained"]["mean"] == 0.5  # no neuron has a class
    assert metrics["accuracy/test"]["mean"] > 0.8
    np.testing.assert_array_equal(found["evaluate_after"], [0, 30, 60, 90])
    assert found["scores/validation"].shape == (4, 20, 2)


def test_the_learning_rate_is_that_of_the_association(tmp_path: Path) -> None:
    protocol = small("association.training.learning_rate.factor=0")
    arrays = arrays_of(protocol, tmp_path)
    drawn = Weights.drawn(protocol.spiking_network, 36, np.random.default_rng(stream("spiking network", 0)))
    np.testing.assert_array_equal(arrays["filters"].T, drawn.inputs)
    np.testing.assert_array_equal(arrays["theta"], drawn.theta)


def test_a_seed_gives_the_same_arrays_and_another_gives_others(found: dict[str, np.ndarray], tmp_path: Path) -> None:
    assert_same(arrays_of(small(), tmp_path / "again"), found)
    other = arrays_of(small(), tmp_path / "other", seed=1)
    assert not np.array_equal(other["filters"], found["filters"])
    stimulus = arrays_of(small("stimulus_seed=1"), tmp_path / "stimulus")
    assert not np.array_equal(stimulus["filters"], found["filters"])


class Stopped(Exception):
    """The process was killed here."""


@pytest.mark.parametrize("evaluations", [1, 3])
def test_a_training_stopped_after_an_evaluation_goes_on_where_it_was(
    evaluations: int, found: dict[str, np.ndarray], tmp_path: Path
) -> None:
    done: list[float] = []

    def watch(name: str, value: float) -> None:
        done.append(value)
        if len(done) == evaluations:
            raise Stopped

    protocol = small()
    run = Run(tmp_path, protocol, "run")
    run.partial.mkdir(parents=True)
    with pytest.raises(Stopped):
        training.run_seed(protocol, "cpp", 0, run, lambda fraction: None, watch)
    told: list[float] = []
    again: list[float] = []
    arrays = training.run_seed(protocol, "cpp", 0, run, told.append, lambda name, value: again.append(value))
    assert_same(arrays, found)
    assert len(again) == 4 - evaluations
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_the_command_leaves_a_run_with_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(NAME, *SETS, "--seeds", "2", "--out", str(tmp_path), "--json") == 0
    told = capsys.readouterr()
    assert "2 spiking networks of 20 neurons, engine cpp" in told.err
    (run,) = [path for path in (tmp_path / NAME).iterdir() if path.is_dir()]
    assert json.loads(told.out) == json.loads((run / "metrics.json").read_text())
    assert sorted(path.name for path in (run / "figures").iterdir()) == ["filters.png", "learning.png", "responses.png"]
    facts = json.loads((run / "provenance.json").read_text())
    assert (facts["learner"], facts["seeds"], facts["device"]) == ("culture_sim", [0, 1], "cpp")


def test_a_plan_says_what_is_presented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(NAME, *SETS, "--dry-run", "--out", str(tmp_path / "none")) == 0
    said = capsys.readouterr().out
    for line in (
        "training: 90 presentations of 350 ms and 150 ms rest,",
        "evaluation: 4 times 20 validation and 30 test images, after at most 40 with labels, no learning",
        "spiking network: 36 inputs, 20 excitatory and 20 inhibitory neurons",
    ):
        assert line in said
    assert not (tmp_path / "none").exists()


def test_a_network_too_large_for_memory_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("culture_sim.run.available_memory_bytes", lambda: 10**9)
    assert command(NAME, "--set", "spiking_network.neurons=50000", "--out", str(tmp_path)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: spiking_network.neurons: 50000 needs about ")


def test_a_device_without_an_engine_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(NAME, *SETS, "--device", "cuda", "--out", str(tmp_path)) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == "error: --device cuda: spiking networks have none; allowed: auto, cpp, runtime"
