"""Ranks and information against cases with a known answer, and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from culture_sim.reservoir.readout import Answers
from culture_sim.reservoir.separation import effective_rank, information, ranks


def confusion(given: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    return Answers(np.arange(len(given)), given, truth, 0.0).confusion(n_classes)


def test_effective_rank_of_known_spectra() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(50, 4)))[0]
    basis -= basis.mean(axis=0)
    basis = np.linalg.qr(basis)[0]
    equal = basis @ np.linalg.qr(rng.normal(size=(9, 9)))[0][:4]
    assert effective_rank(equal) == pytest.approx(4)
    assert effective_rank(np.outer(np.arange(10.0), [1, 2, 3])) == pytest.approx(1)
    assert effective_rank(np.ones((5, 3))) == 0
    faint = np.diag(np.array([100, 1e-22, 1e-22], np.float32))
    assert effective_rank(faint) == pytest.approx(1), "shares that vanish in 32 bits count nothing"
    share = np.array([0.5, 0.25, 0.25])
    assert effective_rank(basis[:, :3] * np.sqrt(share)) == pytest.approx(np.exp(-(share * np.log(share)).sum()))


def test_ranks_of_equally_many_states() -> None:
    group = np.repeat(np.arange(4), 6)
    states = np.eye(8)[group] + 1e-9 * np.random.default_rng(0).normal(size=(24, 8))
    kernel, generalisation, n = ranks(states, group, np.random.default_rng(1))
    assert n == 4
    assert kernel == pytest.approx(3, rel=1e-3), "four different states, less their mean"
    assert 1 < generalisation <= 3, "of the noise alone, with as many states"
    assert ranks(np.ones((24, 8)), group, np.random.default_rng(1)) == (0, 0, 4)
    one = ranks(states, np.arange(24), np.random.default_rng(1))
    assert np.isnan(one[:2]).all(), "no input is repeated"


def test_information_equals_that_of_scikit_learn_less_its_bias() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=3000)
    given = np.where(rng.random(3000) < 0.7, truth, rng.integers(3, size=3000))
    table = confusion(given, truth, 3)
    assert table.sum() == 3000
    assert table[1, 2] == ((truth == 1) & (given == 2)).sum()
    bits = mutual_info_score(truth, given) / np.log(2)
    assert information(table) == pytest.approx(bits - 4 / (2 * 3000 * np.log(2)))
    assert information(np.diag([20, 20, 20, 20])) == pytest.approx(2), "no more than the classes have"
    assert information(np.full((2, 2), 5), least=-1) == pytest.approx(-1 / (40 * np.log(2)))


def test_information_of_independent_answers_is_about_nothing() -> None:
    rng = np.random.default_rng(0)
    found = [information(confusion(rng.integers(4, size=200), rng.integers(4, size=200), 4)) for _ in range(50)]
    assert np.mean(found) < 0.02
    assert min(found) == 0
