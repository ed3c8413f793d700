"""A run of segmentation made of known arrays; no training and no image of a data set."""

from pathlib import Path

import numpy as np

from protocols.loading.overrides import check
from protocols.spec.nets.segmentation import n_masks
from protocols.spec.protocol import SegmentationProtocol
from tests.figures.synthetic import write_run

N_IMAGES, N_TEST, SIDE = 20, 6, 16


def mask_protocol(title: str = "Small masks") -> SegmentationProtocol:
    """A small protocol with three methods."""
    made = check(
        {
            "name": "small_masks",
            "title": title,
            "citation": "nobody",
            "data": {
                "source": "shapes_with_masks",
                "images": N_IMAGES,
                "validation": 4,
                "test": N_TEST,
                "size": [SIDE, SIDE],
            },
            "segmentation": {
                "network": {"width": 4, "depth": 2},
                "methods": {
                    "none": {"pretraining": "none"},
                    "HPCA": {"pretraining": "hebbian", "rule": {"rule": "hpca"}, "learning_rate": 0.01, "epochs": 4},
                    "denoising": {"pretraining": "denoising", "epochs": 2},
                },
                "regimes": [0.05, 0.2, 1.0],
            },
            "seeds": 3,
        }
    )
    assert isinstance(made, SegmentationProtocol)
    return made


def mask_arrays(plan: SegmentationProtocol, seed: int) -> dict[str, np.ndarray]:
    """Arrays of one seed, as from `hebbian_dl.experiments.segmentation`."""
    rng, regimes = np.random.default_rng(seed), plan.segmentation.regimes
    arrays: dict[str, np.ndarray] = {}
    n = len(regimes)
    for index, name in enumerate(plan.segmentation.methods):
        dice = np.clip(0.7 + 0.1 * np.log10(regimes)[:, None] + 0.02 * index + 0.2 * rng.random((n, N_TEST)), 0, 1)
        order = np.argsort(-dice, axis=1)[:, [0, (N_TEST - 1) // 2, -1]]
        masks = (rng.random((n, 3, SIDE, SIDE)) < 0.3).astype(np.uint8)
        part = {
            "dice": dice,
            "jaccard": dice / (2 - dice),
            "hausdorff95": 10 * (1 - dice),
            "threshold": np.full(n, 0.5),
            "validation": dice.mean(1),
            "epoch": np.arange(n),
            "n_masks": np.array([n_masks(regime, N_IMAGES) for regime in regimes]),
            "wall_s": np.ones(n),
            "shown/index": order,
            "shown/image": rng.integers(0, 256, (n, 3, SIDE, SIDE, 3)).astype(np.uint8),
            "shown/mask": masks,
            "shown/predicted": masks[:, :, ::-1],
        }
        records = {"HPCA": ("effective_rank", 4), "denoising": ("negative_loss", 2)}
        if name in records:
            record, epochs = records[name]
            part[f"pretraining/{record}"] = (1 if record == "effective_rank" else -1) * (1 + rng.random(epochs))
            part |= {"pretraining/epoch": np.array(epochs - 1), "pretraining/wall_s": np.array(1.5)}
        arrays |= {f"{name}/{key}": value for key, value in part.items()}
    return arrays


def make_mask_run(folder: Path, title: str = "Small masks") -> Path:
    """A finished run with arrays of every seed of its protocol."""
    plan = mask_protocol(title)
    return write_run(folder, plan, {seed: mask_arrays(plan, seed) for seed in plan.seed_list})
