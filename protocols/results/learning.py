"""Metrics of an association experiment, from the scores of single learners (cultures or networks)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from protocols.loading.published import Target, compare
from protocols.results import readout
from protocols.results.statistics import interval, over_seeds
from protocols.spec.protocol import AssociationProtocol

UNIT = "fraction correct"

#: Arrays of one seed by path.
Part = Mapping[str, np.ndarray]


def summarise(protocol: AssociationProtocol, parts: Sequence[Part], targets: list[Target]) -> dict[str, Any]:
    """All metrics of a run.

    Parameters
    ----------
    protocol
        The experiment.
    parts
        One entry for each seed; its first evaluation is before any training. Only these arrays are used:
        ``scores/validation`` and ``scores/test``, shape (n_evaluations, n_images, n_classes);
        ``labels/validation`` and ``labels/test``, the index of each image's class, shape (n_images,);
        ``evaluate_after``, presentations done at each evaluation, shape (n_evaluations,), the same for every seed;
        ``ceiling/activity`` and ``ceiling/pixels``, shape ().
    targets
        Published values, possibly none.

    Returns
    -------
    dict
        ``accuracy/test`` and ``accuracy/validation``: mean over the last evaluations; ``accuracy/validation_lowest``:
        the lowest evaluation after the first third, on validation images; ``accuracy/untrained``: before
        any training; ``accuracy/undecided``: test images whose regions respond equally; ``accuracy/curve``;
        ``accuracy/best_snapshot``: test accuracy at the evaluation that was best on validation images;
        ``accuracy/lowest_after_first_third``; ``ceiling/...``: a logistic regression on all neurons' activity or on
        the pixels; ``confusion``; ``separation/<class>``; ``targets``.
    """
    decided = [_decided(protocol, part) for part in parts]
    test = np.stack([readout.accuracy(d, part["labels/test"]) for (_, d), part in zip(decided, parts, strict=True)])
    validation = np.stack(
        [readout.accuracy(d, part["labels/validation"]) for (d, _), part in zip(decided, parts, strict=True)]
    )
    after = parts[0]["evaluate_after"]
    averaged = min(protocol.association.evaluation.averaged, len(after) - 1)
    n_images = len(parts[0]["labels/test"])
    best = validation.argmax(axis=1)
    late = after > protocol.association.training.presentations / 3
    metrics: dict[str, Any] = {
        "accuracy/test": over_seeds(test[:, -averaged:].mean(axis=1), UNIT)
        | {"evaluations": averaged, "images": n_images},
        "accuracy/validation": over_seeds(validation[:, -averaged:].mean(axis=1), UNIT)
        | {"evaluations": averaged, "images": len(parts[0]["labels/validation"])},
        "accuracy/validation_lowest": over_seeds(validation[:, late].min(axis=1), UNIT),
        "accuracy/untrained": over_seeds(test[:, 0], UNIT),
        "accuracy/curve": {
            "presentations": after.tolist(),
            "mean": test.mean(axis=0).tolist(),
            "ci95": [interval(column) for column in test.T],
            "per_seed": test.tolist(),
            "validation_per_seed": validation.tolist(),
            "unit": UNIT,
        },
        "accuracy/best_snapshot": over_seeds(test[np.arange(len(parts)), best], UNIT)
        | {"presentations": after[best].tolist(), "chosen_on": "validation"},
        "accuracy/undecided": over_seeds(
            np.array([readout.undecided(scores[-averaged:]).mean() for _, scores in decided]), UNIT
        ),
        "accuracy/lowest_after_first_third": over_seeds(test[:, late].min(axis=1), UNIT)
        | {"lowest": float(test[:, late].min())},
    }
    for ceiling in ("ceiling/pixels", "ceiling/activity"):
        metrics[ceiling] = over_seeds(np.array([float(part[ceiling]) for part in parts]), UNIT)
    metrics |= _last_evaluation(protocol, parts, [scores[-1] for _, scores in decided])
    metrics["targets"] = compare(metrics, targets, None)
    return metrics


def validation_accuracy(protocol: AssociationProtocol, scores: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of one evaluation on the validation images, whose scores have shape (n_images, n_classes)."""
    if protocol.association.decision == "calibrated":
        scores = readout.calibrated(scores, scores, labels)
    return float(readout.accuracy(scores[None], labels)[0])


def _decided(protocol: AssociationProtocol, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Scores that decide, of validation and test images, shapes (n_evaluations, n_images, n_classes)."""
    validation, test = part["scores/validation"], part["scores/test"]
    if protocol.association.decision == "largest_response":
        return validation, test
    both = np.concatenate([validation, test], axis=1)
    truth = part["labels/validation"]
    decided = [readout.calibrated(score, known, truth) for score, known in zip(both, validation, strict=True)]
    return tuple(np.split(np.stack(decided), [len(truth)], axis=1))  # type: ignore[return-value]


def _last_evaluation(
    protocol: AssociationProtocol, parts: Sequence[Part], decided: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Confusion and separation on the test images, all seeds together, after the last presentation."""
    classes = protocol.data.classes
    pairs = [(part["scores/test"][-1], part["labels/test"]) for part in parts]
    table = np.sum([readout.confusion(d, truth) for d, (_, truth) in zip(decided, pairs, strict=True)], axis=0)
    metrics: dict[str, Any] = {"confusion": {"classes": list(classes), "counts": table.tolist()}}
    for index, label in enumerate(classes):
        found = [readout.separation(score, truth, index) for score, truth in pairs]
        metrics[f"separation/{label}"] = {
            key: over_seeds(np.array([value[key] for value in found]), unit="") for key in ("auc", "overlap")
        }
    return metrics
