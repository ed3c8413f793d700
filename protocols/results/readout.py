"""Readout of a learner: class regions of a culture, their scores, and how well the scores separate the classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu


def region_of(cell: np.ndarray, regions: Sequence[Sequence[int]]) -> np.ndarray:
    """Class region of each neuron.

    Parameters
    ----------
    cell : int, shape (n_neurons,)
        Nearest electrode of every neuron.
    regions
        Electrodes of each class.

    Returns
    -------
    ndarray of int, shape (n_neurons,)
        Index of the class; -1 outside of all regions.

    Raises
    ------
    RuntimeError
        If a region has no neuron: nothing could be read from it.
    """
    region = np.full(len(cell), -1)
    for index, electrodes in enumerate(regions):
        members = np.isin(cell, electrodes)
        if not members.any():
            raise RuntimeError(f"label region {index} has no neuron nearby; allowed: more neurons or a larger region")
        region[members] = index
    return region


def scores(counts: np.ndarray, region: np.ndarray, n_classes: int) -> np.ndarray:
    """Mean spike count per neuron of every class region.

    Parameters
    ----------
    counts : int, shape (n_presentations, n_neurons)
    region : int, shape (n_neurons,)
    n_classes

    Returns
    -------
    ndarray, shape (n_presentations, n_classes)
    """
    return np.stack([counts[:, region == index].mean(axis=1) for index in range(n_classes)], axis=1)


def answers(score: np.ndarray) -> np.ndarray:
    """Probability of each class to be the answer: 1 for the largest score, equal shares where several are largest.

    Two silent regions, or two that fire in step, do not decide; taking the first would favour its class.

    Returns
    -------
    ndarray, shape of `score`, (..., n_classes)
    """
    largest = score == score.max(axis=-1, keepdims=True)
    return largest / largest.sum(axis=-1, keepdims=True)


def accuracy(score: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Fraction of correct answers, shape (..., n, n_classes) and (n,) to (...)."""
    return answers(score)[..., np.arange(len(truth)), truth].mean(axis=-1)


def undecided(score: np.ndarray) -> np.ndarray:
    """Fraction of images whose largest score is shared, shape (..., n, n_classes) to (...)."""
    return (answers(score).max(axis=-1) < 1).mean(axis=-1)


def calibrated(score: np.ndarray, known: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Evidence for each class by a logistic regression on the regions' responses.

    Parameters
    ----------
    score : shape (n, n_classes)
        Responses to be decided on.
    known, truth : shapes (n_known, n_classes) and (n_known,)
        Responses to images of known class.

    Returns
    -------
    ndarray, shape (n, n_classes)
        Probabilities of the classes.
    """
    return _logistic(known, truth).predict_proba(score)


def confusion(score: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How often each class (row) was answered as each (column), shape (n_classes, n_classes)."""
    table = np.zeros((score.shape[-1],) * 2)
    np.add.at(table, truth, answers(score))
    return table


def separation(score: np.ndarray, truth: np.ndarray, index: int) -> dict[str, float]:
    """Separation of a region's responses to its own class from those to the others.

    Returns
    -------
    dict
        ``auc``: chance that an image of the class excites the region more than another one does (ties count half);
        ``overlap``: shared area of the two distributions, 0 apart to 1 the same, in 20 bins over their range.
    """
    own, other = score[truth == index, index], score[truth != index, index]
    auc = mannwhitneyu(own, other).statistic / (len(own) * len(other))
    low, high = score[:, index].min(), score[:, index].max()
    edges = np.linspace(low, high if high > low else low + 1, 21)
    shares = [np.histogram(values, edges)[0] / len(values) for values in (own, other)]
    return {"auc": float(auc), "overlap": float(np.minimum(*shares).sum())}


def logistic_accuracy(
    training: np.ndarray, training_truth: np.ndarray, test: np.ndarray, test_truth: np.ndarray
) -> float:
    """Test accuracy of a logistic regression on standardised features: the ceiling of a linear readout.

    Parameters
    ----------
    training, test : shapes (n_training, n_features) and (n_test, n_features)
    training_truth, test_truth : int, shapes (n_training,) and (n_test,)
    """
    return float(_logistic(training, training_truth).score(test, test_truth))


def _logistic(features: np.ndarray, truth: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(features, truth)
