"""Two models compared by what they predict: each learns a culture from half a recording and predicts the other half.

Of each model, cultures with parameters of the posterior of the first half are simulated. In each measure, their
distribution is scored against the second half by the continuous ranked probability score (Gneiting and Raftery 2007,
J Am Stat Assoc 102:359), E d(X, y) - E d(X, X') / 2, with a distance d that counts in standard deviations between real
cultures and ends at `UNDEFINED`, which is also the distance between a culture that has a measure and one that has it
not. The kernel `UNDEFINED` - d is positive definite (a triangle, and a point apart), so the score is proper: on
average no forecast does better than the true distribution.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.experiments.dish import UNDEFINED
from culture_sim.fit.amortised.trained import Trained
from culture_sim.fit.measured import Recorded, halves
from culture_sim.fit.predictive import panels
from culture_sim.fit.space import Space, as_dish
from protocols.results.statistics import interval
from protocols.spec.dish.measures import PANEL
from protocols.spec.faults import ProtocolFault

CULTURES = 64  # simulated of each model and recording, each with a draw of its own
FIRST_CULTURE = 6 * 10**6  # seed of the first of them; both models have the same
SAME = ("targets", "timeline", "measure", "record")  # of the protocols of two models that can be compared


def apart(first: np.ndarray, second: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Distance of measures in standard deviations, at most `UNDEFINED`; NaN: a measure that is not defined."""
    found = np.minimum(np.abs(first - second) / sd, UNDEFINED)
    one, other = np.isnan(first), np.isnan(second)
    return np.where(one & other, 0.0, np.where(one | other, UNDEFINED, found))


def scores(predicted: np.ndarray, observed: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Score of an ensemble in each measure; less is better.

    Parameters
    ----------
    predicted : shape (n_cultures, n_measures)
        From at least two cultures.
    observed : shape (n_measures,)
        The recording that they predict.
    sd : shape (n_measures,)
        Between real cultures.

    Returns
    -------
    np.ndarray
        In standard deviations, shape (n_measures,). The mean distance within the ensemble is taken over pairs of
        different cultures, so that it does not depend on their number (Ferro 2014).
    """
    n = len(predicted)
    within = apart(predicted[:, None], predicted[None], sd).sum(axis=(0, 1)) / (n * (n - 1))
    return apart(predicted, observed, sd).mean(axis=0) - within / 2


def scored(
    paths: Sequence[Path], models: tuple[Trained, Trained], sd: np.ndarray, device: str, jobs: int
) -> dict[str, Any]:
    """Scores of two models on all recordings, and the difference of their means with its interval over recordings.

    Parameters
    ----------
    paths
        Of the recordings.
    models
        Two trained posteriors.
    sd
        Spread between real cultures of each measure of the distance.
    device, jobs
        Engine, and simulations at a time.

    Raises
    ------
    ProtocolFault
        If the models have different measures or lengths, a half is too short, or there are less than two recordings.
    """
    first, second = models
    _comparable(first, second)
    names = first.protocol.fit.distance
    index = [PANEL.index(name) for name in names]
    divided = [parts for path in paths for parts in halves(path, first.protocol)]
    if len(divided) < 2:
        raise ProtocolFault([f"--versus: {len(divided)} recording; allowed: two or more"])
    found = np.array(
        [
            [scores(_forecast(model, known, device, jobs)[:, index], held_out.values[index], sd) for model in models]
            for known, held_out in divided
        ]
    )  # (recordings, models, measures)
    recordings = [
        {"recording": known.name, "scores": of.mean(axis=1).tolist()}
        for (known, _), of in zip(divided, found, strict=True)
    ]
    every = _difference(found.mean(axis=2))
    return {
        "models": _names(models),
        "trained": [str(model.path) for model in models],
        "recordings": recordings,
        "measures": [{"measure": name} | _difference(found[:, :, k]) for k, name in enumerate(names)],
        "all": every,
        "said": _said(_names(models), every["difference"], len(divided)),
    }


def _forecast(model: Trained, known: Recorded, device: str, jobs: int) -> np.ndarray:
    space = Space(model.protocol)
    points = [space.spelled(unit) for unit in model.samples(known, CULTURES)]
    return panels(as_dish(model.protocol), points, FIRST_CULTURE, device, jobs)


def _difference(found: np.ndarray) -> dict[str, Any]:
    """Mean score of each model, and of the second less the first, from scores of shape (recordings, 2)."""
    difference = found[:, 1] - found[:, 0]
    low, high = interval(difference) or (float("nan"), float("nan"))
    spread = {"mean": float(difference.mean()), "low": low, "high": high}
    return {"scores": found.mean(axis=0).tolist(), "difference": spread}


def _comparable(first: Trained, second: Trained) -> None:
    contents = [model.protocol.model_dump(mode="json") for model in (first, second)]
    differing = [key for key in SAME if contents[0][key] != contents[1][key]]
    differing += [] if first.protocol.fit.distance == second.protocol.fit.distance else ["fit.distance"]
    if differing:
        raise ProtocolFault(
            [f"--versus {second.path}: has another {', '.join(differing)} than --trained; allowed: the same"]
        )


def _names(models: Sequence[Trained]) -> list[str]:
    """Names of the protocols; the directories of the runs where both have the same protocol."""
    names = [model.protocol.name for model in models]
    return names if len(set(names)) > 1 else [str(model.path) for model in models]


def _said(names: Sequence[str], d: dict[str, float], n: int) -> str:
    line = f"{names[1]} less {names[0]}: {d['mean']:+.3f} sd [{d['low']:+.3f}, {d['high']:+.3f}], n = {n} recordings"
    if d["low"] <= 0 <= d["high"]:
        return f"Neither model predicts the second halves better beyond doubt ({line})."
    return f"{names[d['mean'] < 0]} predicts the second halves better ({line})."
