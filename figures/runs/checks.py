"""Checks that the metrics of a run hold everything that the figures and the report use."""

from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.pretraining import NoPretraining
from protocols.spec.network import regime_name
from protocols.spec.protocol import NetworkProtocol, SegmentationProtocol
from protocols.spec.retrieval import NORMALISATIONS, metric, top_name

ASSOCIATION = {
    "accuracy/curve": ("presentations", "mean", "ci95", "per_seed"),
    "accuracy/test": ("mean", "ci95", "n", "evaluations"),
    "accuracy/best_snapshot": ("mean", "ci95", "n"),
    "accuracy/lowest_after_first_third": ("mean", "ci95", "n", "lowest"),
    "ceiling/activity": ("mean", "ci95", "n"),
    "ceiling/pixels": ("mean", "ci95", "n"),
    "confusion": ("counts",),
}
OVER_SEEDS = ("mean", "sd", "ci95", "n", "per_seed")
PRECISION = (*OVER_SEEDS, "k", "chance")
ACCURACY = (*OVER_SEEDS, "labels", "validation_per_seed")


def check_association(path: Path, metrics: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
    """Refuse an association run that lacks a metric which is drawn or reported.

    Raises
    ------
    ProtocolFault
        With one line.
    """
    for name, keys in ASSOCIATION.items():
        _has(path, metrics, name, keys)
    if provenance.get("learner") == "hebbian_dl" and not isinstance(provenance.get("neurons"), int):
        raise ProtocolFault([f"{path}: damaged run: provenance.json: no number of neurons"])


def check_network(path: Path, protocol: NetworkProtocol, metrics: Mapping[str, Any], measure: str) -> None:
    """Refuse a network run that lacks an accuracy of some method and labelled fraction, or has other seeds.

    Parameters
    ----------
    path, protocol, metrics
        The run's directory, protocol and metrics.
    measure
        Quantity that is drawn: ``accuracy`` or ``top5``.

    Raises
    ------
    ProtocolFault
        With one line.
    """
    n = protocol.seeds
    for method, spec in protocol.network.methods.items():
        for regime in map(regime_name, protocol.network.regimes):
            accuracy = f"accuracy/{method}/{regime}"
            _has(path, metrics, accuracy, ACCURACY)
            _is_over_seeds(path, metrics, accuracy, n)
            _are_numbers(path, accuracy, "validation_per_seed", metrics[accuracy]["validation_per_seed"], n)
            _are_numbers(path, accuracy, "labels", [metrics[accuracy]["labels"]], 1)
            top5 = f"top5/{method}/{regime}"
            if measure == "top5" or top5 in metrics:
                _has(path, metrics, top5, OVER_SEEDS)
                _is_over_seeds(path, metrics, top5, n)
            for precision in precisions(protocol, method, regime):
                _has(path, metrics, precision, PRECISION)
                _is_over_seeds(path, metrics, precision, n)
                _are_numbers(path, precision, "k, chance", [metrics[precision][key] for key in ("k", "chance")], 2)
        if not isinstance(spec, NoPretraining):
            name = f"pretraining/{method}"
            _has(path, metrics, name, ("kept_epoch_per_seed",))
            _are_numbers(path, name, "kept_epoch_per_seed", metrics[name]["kept_epoch_per_seed"], n)


def check_segmentation(path: Path, protocol: SegmentationProtocol, metrics: Mapping[str, Any]) -> None:
    """Refuse a segmentation run that lacks a measure of some method and fraction of the masks, or has other seeds.

    Raises
    ------
    ProtocolFault
        With one line.
    """
    for method in protocol.segmentation.methods:
        for regime in map(regime_name, protocol.segmentation.regimes):
            for measure in ("dice", "jaccard", "hausdorff95"):
                name = f"{measure}/{method}/{regime}"
                _has(path, metrics, name, (*OVER_SEEDS, "masks"))
                _is_over_seeds(path, metrics, name, protocol.seeds)


def precisions(protocol: NetworkProtocol, method: str, regime: str) -> list[str]:
    """Names of the mean average precisions of a method and labelled fraction."""
    retrieval = protocol.network.retrieval
    tops = [] if retrieval is None else map(top_name, retrieval.at)
    return [metric(method, regime, top, normalisation) for top in tops for normalisation in NORMALISATIONS]


def _has(path: Path, metrics: Mapping[str, Any], name: str, keys: Iterable[str]) -> None:
    value = metrics.get(name)
    if not isinstance(value, dict) or not set(keys) <= value.keys():
        raise ProtocolFault([f"{path}: damaged run: metrics.json: no {name} with {', '.join(keys)}"])


def _is_over_seeds(path: Path, metrics: Mapping[str, Any], name: str, n: int) -> None:
    """Check that mean and interval are numbers, and that there is one value per seed."""
    value = metrics[name]
    _are_numbers(path, name, "mean, n", [value["mean"], value["n"]], 2)
    _are_numbers(path, name, "per_seed", value["per_seed"], n)
    if value["ci95"] is not None:
        _are_numbers(path, name, "ci95", value["ci95"], 2)
    if value["sd"] is not None:
        _are_numbers(path, name, "sd", [value["sd"]], 1)


def _are_numbers(path: Path, name: str, key: str, values: Any, n: int) -> None:
    if not isinstance(values, list) or len(values) != n or not all(isinstance(value, Real) for value in values):
        raise ProtocolFault([f"{path}: damaged run: metrics.json: {name}: {key} is not {n} numbers"])
