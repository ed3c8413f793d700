"""Metrics of a network's run, from the arrays of its trainings."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from protocols.loading.published import Target, compare
from protocols.results.statistics import over_seeds
from protocols.spec.nets.pretraining import NoPretraining
from protocols.spec.network import regime_name
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.retrieval import NORMALISATIONS, chance, metric

UNIT = "fraction correct"
PRECISION = "average precision"
NAMED = 10  # images that were left out and are listed by name, at most
Part = dict[str, np.ndarray]


def summarise(
    protocol: NetworkProtocol, parts: Mapping[tuple[int, str], Part], targets: list[Target]
) -> dict[str, Any]:
    """Accuracies on test images, by method and labelled fraction.

    Returns
    -------
    dict
        ``accuracy/<method>/<fraction>`` (top-1) and ``top5/...`` where there are more than five classes: mean over
        seeds, sd, 95 % interval, labelled images, the epochs chosen; ``validation/...``: the same on the validation
        images that chose the epoch; ``gain/<method>/<fraction>``: the difference to
        the method without pre-training, seed by seed; ``pretraining/<method>``; ``unreadable``: number of images in
        files that were left out, and the names of the first few (those met since a training was last resumed);
        ``targets``. With retrieval:
        ``map/<method>/<fraction>/<K>/<normalisation>``, for example ``map/HPCA/1%/at_100/found``
        (`hebbian_dl.retrieval.precision.average_precision`).
    """
    network = protocol.network
    metrics: dict[str, Any] = {}
    for name in network.methods:
        own = [parts[seed, name] for seed in protocol.seed_list]
        for index, regime in enumerate(network.regimes):
            where = f"{name}/{regime_name(regime)}"
            top1, top5, validation, epoch, n_labels = (
                np.array([float(part[key][index]) for part in own])
                for key in ("top1", "top5", "validation", "epoch", "n_labels")
            )
            metrics[f"accuracy/{where}"] = over_seeds(top1, UNIT) | {
                "labels": int(n_labels[0]),
                "validation_per_seed": validation.tolist(),
                "epoch_per_seed": epoch.astype(int).tolist(),
            }
            metrics[f"validation/{where}"] = over_seeds(validation, UNIT)
            if len(protocol.data.class_list) > 5:
                metrics[f"top5/{where}"] = over_seeds(top5, UNIT)
        if "pretraining/epoch" in own[0]:
            metrics[f"pretraining/{name}"] = {
                "epochs": max(
                    len(array) for key, array in own[0].items() if key.startswith("pretraining/") and array.ndim
                ),
                "kept_epoch_per_seed": [int(part["pretraining/epoch"]) for part in own],
                "wall_s_per_seed": [float(part["pretraining/wall_s"]) for part in own],
            }
    metrics |= _gains(protocol, parts)
    metrics |= _retrieval(protocol, parts)
    left_out = sorted({name for part in parts.values() for name in part["unreadable"].tolist()})
    if left_out:
        metrics["unreadable"] = {"images": len(left_out), "names": left_out[:NAMED]}
    metrics["targets"] = compare(metrics, targets, None)
    return metrics


def _gains(protocol: NetworkProtocol, parts: Mapping[tuple[int, str], Part]) -> dict[str, Any]:
    """Gain in accuracy over the first method without pre-training, seed by seed.

    Both have the same labels in a seed, and the same initial weights where they are drawn alike.
    """
    network = protocol.network
    plain = next((name for name, method in network.methods.items() if isinstance(method, NoPretraining)), None)
    if plain is None:
        return {}
    gains = {}
    for name in network.methods:
        if name != plain:
            seeds = protocol.seed_list
            difference = np.stack([parts[seed, name]["top1"] - parts[seed, plain]["top1"] for seed in seeds], axis=1)
            for regime, values in zip(network.regimes, difference, strict=True):
                gains[f"gain/{name}/{regime_name(regime)}"] = over_seeds(values, UNIT) | {"over": plain}
    return gains


def _retrieval(protocol: NetworkProtocol, parts: Mapping[tuple[int, str], Part]) -> dict[str, Any]:
    """Mean average precision, that of chance, and the conditions: K, bits, labelled images, database, queries."""
    network, n_classes, found = protocol.network, len(protocol.data.class_list), {}
    if (retrieval := network.retrieval) is None:
        return {}
    for name in network.methods:
        own = [parts[seed, name] for seed in protocol.seed_list]
        for index, regime in enumerate(network.regimes):
            sizes = {key: int(own[0][f"retrieval/{key}"][index]) for key in ("n_labels", "database", "queries")}
            sizes |= {"labels": sizes.pop("n_labels"), "bits": retrieval.bits}
            tops = retrieval.tops(sizes["database"], n_classes)
            for top, k in tops.items():
                for normalisation in NORMALISATIONS:
                    values = np.array([float(part[f"map/{top}/{normalisation}"][index]) for part in own])
                    path = metric(name, regime_name(regime), top, normalisation)
                    random = chance(k, sizes["database"] // n_classes, sizes["database"], normalisation)
                    found[path] = over_seeds(values, PRECISION) | sizes | {"k": k, "chance": random}
    return found
