"""From the scores of single cultures to the numbers of an association experiment."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from culture_sim.analysis import readout
from protocols.schema import AssociationProtocol
from protocols.targets import Target, compare

UNIT = "fraction correct"

#: Arrays of one seed by path, from `culture_sim.association.run_seed`.
Part = Mapping[str, np.ndarray]


def summarise(protocol: AssociationProtocol, parts: Sequence[Part], targets: list[Target]) -> dict[str, Any]:
    """All metrics of a run.

    Returns
    -------
    dict
        ``accuracy/test`` and ``accuracy/validation``: mean over the last evaluations; ``accuracy/untrained``: before
        any training; ``accuracy/undecided``: test images whose regions respond equally; ``accuracy/curve``;
        ``accuracy/best_snapshot``: test accuracy at the evaluation that was best on validation images;
        ``accuracy/lowest_after_first_third``; ``ceiling/...``: a logistic regression on all neurons' spike counts or
        on the pixels; ``confusion``; ``separation/<class>``; ``targets``.
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
        "accuracy/test": over_seeds(test[:, -averaged:].mean(axis=1)) | {"evaluations": averaged, "images": n_images},
        "accuracy/validation": over_seeds(validation[:, -averaged:].mean(axis=1))
        | {"evaluations": averaged, "images": len(parts[0]["labels/validation"])},
        "accuracy/untrained": over_seeds(test[:, 0]),
        "accuracy/curve": {
            "presentations": after.tolist(),
            "mean": test.mean(axis=0).tolist(),
            "ci95": [interval(column) for column in test.T],
            "per_seed": test.tolist(),
            "validation_per_seed": validation.tolist(),
            "unit": UNIT,
        },
        "accuracy/best_snapshot": over_seeds(test[np.arange(len(parts)), best])
        | {"presentations": after[best].tolist(), "chosen_on": "validation"},
        "accuracy/undecided": over_seeds(
            np.array([readout.undecided(scores[-averaged:]).mean() for _, scores in decided])
        ),
        "accuracy/lowest_after_first_third": over_seeds(test[:, late].min(axis=1))
        | {"lowest": float(test[:, late].min())},
    }
    for ceiling in ("ceiling/pixels", "ceiling/activity"):
        metrics[ceiling] = over_seeds(np.array([float(part[ceiling]) for part in parts]))
    metrics |= _last_evaluation(protocol, parts, [scores[-1] for _, scores in decided])
    metrics["targets"] = compare(metrics, targets, None)
    return metrics


def _decided(protocol: AssociationProtocol, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """What the decision is made on, for validation and test images, shapes (n_evaluations, n_images, n_classes)."""
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


def over_seeds(values: np.ndarray, unit: str = UNIT) -> dict[str, Any]:
    """Mean over seeds with sd and interval; `values` has one entry a seed."""
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
        "ci95": interval(values),
        "n": len(values),
        "unit": unit,
        "per_seed": values.tolist(),
    }


def interval(values: np.ndarray) -> list[float] | None:
    """95 % percentile bootstrap interval of the mean over seeds; None for a single seed."""
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        return [float(values[0])] * 2
    found = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0))
    return [float(found.confidence_interval.low), float(found.confidence_interval.high)]
