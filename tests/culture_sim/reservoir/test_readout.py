"""Readouts against closed forms, and the trials they may learn from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from culture_sim.reservoir.measures import answered
from culture_sim.reservoir.readout import PENALTIES, fitted, read, splits
from culture_sim.reservoir.tasks import tasks
from protocols.plan.reservoir import TEST, TRAINING, expand_reservoir
from protocols.spec.reservoir.section import Readout
from tests.protocols.plan.test_reservoir import loaded
from tests.protocols.spec.test_reservoir import GOOD


def blobs(n: int, classes: int, distance: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % classes
    return rng.normal(size=(n, 6)) + distance * np.eye(classes, 6)[truth], truth


@pytest.mark.parametrize("classes", [2, 3])
def test_ridge_chooses_the_penalty_that_answers_left_out_trials_best(classes: int) -> None:
    features, truth = blobs(40, classes, 0.8)
    _, score = fitted(features, truth, Readout())
    x, y = (features - features.mean(axis=0)) / features.std(axis=0), 2 * np.eye(classes)[truth] - 1

    def left_out(penalty: float) -> float:
        right = 0
        for k in range(40):
            others = np.delete(np.arange(40), k)
            centre, mean = x[others].mean(axis=0), y[others].mean(axis=0)
            own = x[others] - centre
            weights = np.linalg.solve(own.T @ own + penalty * np.eye(6), own.T @ (y[others] - mean))
            right += int(np.argmax((x[k] - centre) @ weights + mean) == truth[k])
        return right / 40

    assert score == pytest.approx(max(left_out(penalty) for penalty in PENALTIES))
    assert score < 1


@pytest.mark.parametrize("kind", ["ridge", "logistic", "perceptron"])
def test_every_readout_tells_distant_classes_and_not_shuffled_ones(kind: str) -> None:
    features, truth = blobs(120, 3, 6.0)
    parts = [(np.arange(0, 90), np.arange(90, 120))]
    readout = Readout(kind=kind)  # type: ignore[arg-type]
    assert read(features, truth, parts, readout).accuracy == 1.0
    shuffled = np.random.default_rng(1).permutation(truth)
    assert read(features, shuffled, parts, readout).accuracy < 0.6


def test_a_trial_in_training_and_test_is_refused() -> None:
    features, truth = blobs(12, 2, 1.0)
    with pytest.raises(ValueError, match="trial 5 is both in training and in test"):
        read(features, truth, [(np.arange(6), np.arange(5, 12))], Readout())
    with pytest.raises(ValueError, match="tested in two splits"):
        read(features, truth, [(np.arange(6), np.arange(6, 12))] * 2, Readout())


def test_folds_test_every_trial_once_with_all_classes(tmp_path: Path) -> None:
    trials = expand_reservoir(loaded(tmp_path, GOOD), 0)
    chosen = np.arange(2, 24)
    parts = splits(trials, trials.truth, chosen, 3, seed=0)
    assert sorted(np.concatenate([test for _, test in parts]).tolist()) == chosen.tolist()
    for training, test in parts:
        assert not set(training) & set(test)
        assert set(trials.truth[training]) == set(trials.truth[test]) == {0, 1, 2, 3}
    given = replace(trials, part=np.where(np.arange(24) < 20, TRAINING, TEST))
    ((training, test),) = splits(given, given.truth, np.arange(24), 3, seed=0)
    assert (training.tolist(), test.tolist()) == (list(range(20)), list(range(20, 24)))


def test_a_setting_is_chosen_without_the_trials_that_test_it(tmp_path: Path) -> None:
    """Of many settings of noise the best is no better than chance, if no fold's test trials took part in the choice."""
    protocol = loaded(tmp_path, GOOD.replace("bars: 4", "bars: 2").replace("trials: 6", "trials: 30"))
    trials = expand_reservoir(protocol, 0)
    task = tasks(trials, 0)[0]
    parts = splits(trials, task.truth, task.chosen, 3, seed=0)
    accuracy = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        noise = [rng.normal(size=(60, 20)) for _ in range(12)]
        accuracy.append(answered(protocol.reservoir.readout, noise, task.truth, parts).accuracy)
    assert abs(np.mean(accuracy) - 0.5) < 2.5 * np.std(accuracy) / np.sqrt(12) + 0.01
