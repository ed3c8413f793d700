"""Metrics of a segmentation run, from the arrays of its trainings; and the table of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from protocols.loading.published import Target, compare
from protocols.results.statistics import interval, over_seeds
from protocols.spec.nets.pretraining import NoPretraining
from protocols.spec.network import regime_name
from protocols.spec.protocol import SegmentationProtocol

UNITS = {"dice": "Dice coefficient", "jaccard": "Jaccard index"}
DISTANCE = {2: "px", 3: "voxels"}  # unit of the Hausdorff distance, of images and of volumes
Part = dict[str, np.ndarray]


def summarise(
    protocol: SegmentationProtocol, parts: Mapping[tuple[int, str], Part], targets: list[Target]
) -> dict[str, Any]:
    """Agreement with the masks of the test images, by method and fraction of the masks.

    Returns
    -------
    dict
        ``dice/<method>/<fraction>``, ``jaccard/...`` and ``hausdorff95/...`` (pixels or voxels of the network's
        input): mean over images, then over seeds, with sd and 95 % interval over seeds; ``images``: 95 % interval over
        test images of their means over seeds; masks, and the epochs and thresholds chosen. ``validation_dice/...``: the
        same on the validation images that chose them; ``gain/<method>/<fraction>``: difference in Dice to the first
        method without pre-training, seed by seed; ``pretraining/<method>``; ``targets``.
    """
    metrics: dict[str, Any] = {}
    spec, seeds = protocol.segmentation, protocol.seed_list
    plain = next((name for name, method in spec.methods.items() if isinstance(method, NoPretraining)), None)
    for name in spec.methods:
        own = [parts[seed, name] for seed in seeds]
        for index, regime in enumerate(spec.regimes):
            where = f"{name}/{regime_name(regime)}"
            for measure, unit in (UNITS | {"hausdorff95": DISTANCE[protocol.data.dimensions]}).items():
                metrics[f"{measure}/{where}"] = _measured(measure, unit, own, index)
            validation = np.array([part["validation"][index] for part in own])
            metrics[f"validation_dice/{where}"] = over_seeds(validation, UNITS["dice"])
            if plain is not None and name != plain:
                without = [parts[seed, plain]["dice"][index].mean() for seed in seeds]
                gained = np.array([part["dice"][index].mean() for part in own]) - without
                metrics[f"gain/{where}"] = over_seeds(gained, UNITS["dice"]) | {"over": plain}
        if "pretraining/epoch" in own[0]:
            metrics[f"pretraining/{name}"] = {
                "kept_epoch_per_seed": [int(part["pretraining/epoch"]) for part in own],
                "wall_s_per_seed": [float(part["pretraining/wall_s"]) for part in own],
            }
    metrics["targets"] = compare(metrics, targets, None)
    return metrics


def _measured(measure: str, unit: str, own: list[Part], index: int) -> dict[str, Any]:
    """One measure of a method in a regime, from the arrays of its seeds."""
    values = np.stack([part[measure][index] for part in own])  # (n_seeds, n_images)
    thresholds = [float(part["threshold"][index]) for part in own]
    return over_seeds(values.mean(1), unit) | {
        "images": {"n": values.shape[1], "ci95": interval(values.mean(0))},
        "masks": int(own[0]["n_masks"][index]),
        "epoch_per_seed": [int(part["epoch"][index]) for part in own],
        "threshold_per_seed": [None if np.isnan(threshold) else threshold for threshold in thresholds],
    }


def show(metrics: dict[str, Any], console: Console) -> None:
    """Print Dice coefficients and Hausdorff distances by method and fraction of the masks."""
    cells = [path.split("/")[1:] for path in metrics if path.startswith("dice/")]
    methods, regimes = (list(dict.fromkeys(column)) for column in zip(*cells, strict=True))
    for measure, title in (
        ("dice", "Dice coefficient of test images, %"),
        ("hausdorff95", f"95 % Hausdorff distance, {metrics[f'hausdorff95/{methods[0]}/{regimes[0]}']['unit']}"),
    ):
        table = Table("masks", "images", box=box.SIMPLE_HEAD, title=title, title_justify="left")
        for method in methods:
            table.add_column(method, justify="right")
        factor = 100 if measure == "dice" else 1
        for regime in regimes:
            values = [metrics[f"{measure}/{method}/{regime}"] for method in methods]
            table.add_row(regime, str(values[0]["masks"]), *(_spell(value, factor) for value in values))
        console.print(table)
    n = metrics[f"dice/{methods[0]}/{regimes[0]}"]["n"]
    console.print(f"mean over {n} seeds [95 % interval of the mean]" if n > 1 else "1 seed: no interval")


def _spell(value: Mapping[str, Any], factor: float) -> str:
    low_high = "" if value["ci95"] is None else " [{:.1f}, {:.1f}]".format(*(factor * v for v in value["ci95"]))
    return f"{factor * value['mean']:.1f}{low_high}"
