"""Linear readouts: classes of trials from their features, learned on some trials and tested on others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from protocols.plan.reservoir import CROSS_VALIDATED, TEST, TRAINING, Trials
from protocols.spec.random_streams import stream
from protocols.spec.reservoir.section import Readout

PENALTIES = np.logspace(-1, 6, 15)  # of ridge regression, on standardised features
INVERSE_PENALTIES = np.logspace(-4, 1, 6)  # of logistic regression
INNER_FOLDS = 3

#: indices of training trials and of test trials
Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a readout answers.

    Parameters
    ----------
    tested : int, shape (n_tested,)
        Trials that were tested, ascending.
    given : int, shape (n_tested,)
        The class it answers.
    truth : int, shape (n_tested,)
    validation
        Accuracy within the training trials, by which the penalty was chosen: mean over the folds.
    """

    tested: np.ndarray
    given: np.ndarray
    truth: np.ndarray
    validation: float

    @property
    def accuracy(self) -> float:
        """Share of tested trials that are answered correctly."""
        return float((self.given == self.truth).mean())

    def confusion(self, n_classes: int) -> np.ndarray:
        """How often each class (row) was answered as each (column), int, shape (n_classes, n_classes)."""
        from sklearn.metrics import confusion_matrix

        return confusion_matrix(self.truth, self.given, labels=np.arange(n_classes))


def splits(trials: Trials, truth: np.ndarray, chosen: np.ndarray, folds: int, seed: int) -> list[Split]:
    """Training and test trials: folds with all classes in equal shares, or the given training and test trials.

    Parameters
    ----------
    trials
        What each trial is for.
    truth : int, shape (n_trials,)
        Its class.
    chosen : int
        Trials to use.
    folds
        Of the cross-validation.
    seed
        Of the random order.
    """
    from sklearn.model_selection import StratifiedKFold

    part = trials.part[chosen]
    if not np.any(part == CROSS_VALIDATED):
        return [(chosen[part == TRAINING], chosen[part == TEST])]
    state = int(stream("reservoir/folds", seed).generate_state(1)[0])
    kept = StratifiedKFold(folds, shuffle=True, random_state=state).split(chosen, truth[chosen])
    return [(chosen[training], chosen[test]) for training, test in kept]


def read(features: np.ndarray, truth: np.ndarray, parts: Sequence[Split], kind: Readout) -> Answers:
    """Learn from training trials, answer test trials, for every split.

    Parameters
    ----------
    features : shape (n_trials, ...)
    truth : int, shape (n_trials,)
    parts
        Training and test trials.
    kind
        The classifier.

    Raises
    ------
    ValueError
        If a trial is in both parts of a split, or would be tested twice.
    """
    flat = features.reshape(len(features), -1).astype(np.float64)
    answers = []
    for training, test in parts:
        if shared := set(training.tolist()) & set(test.tolist()):
            raise ValueError(f"trial {min(shared)} is both in training and in test; allowed: one of them")
        learned, score = fitted(flat[training], truth[training], kind)
        answers.append(Answers(test, learned.predict(flat[test]), truth[test], score))
    found = joined(answers)
    if np.any(np.diff(found.tested) == 0):
        raise ValueError("a trial is tested in two splits; allowed: each once")
    return found


def joined(parts: Sequence[Answers]) -> Answers:
    """Answers of several folds as one; the validation accuracy is their mean."""
    order = np.argsort(np.concatenate([part.tested for part in parts]))
    tested, given, truth = (
        np.concatenate([getattr(part, name) for part in parts])[order] for name in ("tested", "given", "truth")
    )
    return Answers(tested, given, truth, float(np.mean([part.validation for part in parts])))


def fitted(features: np.ndarray, truth: np.ndarray, kind: Readout) -> tuple[Any, float]:
    """A classifier that learned some trials, and its accuracy in the cross-validation that chose its penalty."""
    from sklearn.linear_model import LogisticRegression, Perceptron
    from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    if kind.kind == "ridge":
        return _ridge(features, truth)
    logistic, penalties = LogisticRegression(max_iter=1000), {"classifier__C": INVERSE_PENALTIES}
    classifier, grid = (logistic, penalties) if kind.kind == "logistic" else (Perceptron(random_state=0), {})
    fewest = int(np.unique(truth, return_counts=True)[1].min())
    inner = StratifiedKFold(min(INNER_FOLDS, fewest)) if fewest > 1 else KFold(INNER_FOLDS)
    search = GridSearchCV(Pipeline([("scaler", StandardScaler()), ("classifier", classifier)]), grid, cv=inner)
    return search.fit(features, truth), float(search.best_score_)


def _ridge(features: np.ndarray, truth: np.ndarray) -> tuple[Any, float]:
    """Ridge regression on the classes, and its accuracy on trials left out one at a time.

    Of two classes scikit-learn's classifier (1.9) counts every left-out trial as right; they are regressed on -1 and 1.
    """
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = np.unique(truth)
    if len(found) != 2:
        ridge = RidgeClassifierCV(PENALTIES, scoring="accuracy")
        return make_pipeline(StandardScaler(), ridge).fit(features, truth), float(ridge.best_score_)
    ridge = RidgeCV(PENALTIES, scoring=_share_of_signs)
    regression = make_pipeline(StandardScaler(), ridge).fit(features, np.where(truth == found[1], 1.0, -1.0))
    return _Signs(regression, found), float(ridge.best_score_)


def _share_of_signs(regression: Any, features: np.ndarray, target: np.ndarray) -> float:
    return float(((regression.predict(features) > 0) == (target > 0)).mean())


@dataclass(frozen=True)
class _Signs:
    """A classifier of two classes by the sign of a regression."""

    regression: Any
    classes: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Class of each row."""
        return self.classes[(self.regression.predict(features) > 0).astype(int)]
