"""Runs of pre-trained networks made of known arrays; no training and no data set."""

from pathlib import Path
from typing import Any

import numpy as np

from protocols.loading.overrides import check
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.retrieval import NORMALISATIONS
from protocols.spec.rules import SoftWTA
from tests.figures.synthetic import write_run

N_IMAGES = 2000
PUBLISHED = """\
accuracy/HPCA/1%,,0.31,,5,fraction correct,,Lagani 2024,Neurocomputing,table 2
accuracy/HPCA/10%,,0.52,,5,fraction correct,,Lagani 2024,Neurocomputing,table 2
accuracy/HPCA/3%,,0.4,,5,fraction correct,,Lagani 2024,Neurocomputing,table 2
accuracy/VAE/10%,,0.45,0.02,5,fraction correct,,Lagani 2024,Neurocomputing,table 2
accuracy/HPCA/10%,,0.5,,1,fraction correct,,their program,"their program, run today",
accuracy/another/10%,,0.99,,1,fraction correct,,their program,"their program, run today",
"""


def network_protocol(name: str = "small_network", source: str = "cifar10", **changes: Any) -> NetworkProtocol:
    """A small protocol with four methods for a convolution and a dense layer."""
    hebbian = {"pretraining": "hebbian", "epochs": 4}
    content = {
        "name": name,
        "title": f"Small {name}",
        "citation": "nobody",
        "data": {"source": source, "validation": 100},
        "network": {
            "layers": [{"conv": 100, "kernel": 5}, {"dense": 20}],
            "methods": {
                "none": {"pretraining": "none"},
                "HPCA": hebbian | {"rule": {"rule": "hpca"}, "learning_rate": 0.01},
                "SWTA": hebbian
                | {"rule": {"rule": "swta"}, "learning_rate": 0.01, "whitening": 0.1, "selection": "labelled"},
                "VAE": {"pretraining": "vae", "epochs": 2},
            },
            "regimes": [0.01, 0.1, 1.0],
        },
        "targets": "targets/small.csv",
        "seeds": 3,
    }
    made = check(content | changes)
    assert isinstance(made, NetworkProtocol)
    return made


def network_arrays(plan: NetworkProtocol, seed: int) -> dict[str, np.ndarray]:
    """Arrays of one seed, as from `hebbian_dl.experiments.dispatch`."""
    rng, regimes = np.random.default_rng(seed), np.array(plan.network.regimes)
    arrays: dict[str, np.ndarray] = {}
    for index, (name, method) in enumerate(plan.network.methods.items()):
        top1 = 0.6 + 0.15 * np.log10(regimes) + 0.02 * index + 0.02 * rng.random(len(regimes))
        part = {
            "top1": top1,
            "top5": (top1 + 1) / 2,
            "validation": top1 + 0.01,
            "epoch": rng.integers(0, 20, len(regimes)),
            "n_labels": np.round(regimes * N_IMAGES).astype(int),
            "unreadable": np.array([], np.str_),
            "filters": rng.normal(size=(100, plan.data.shape[0], 5, 5)).astype(np.float32),
        }
        if isinstance(method, HebbianPretraining):
            n = method.epochs * (2 if method.layers == "one_by_one" else 1)
            scores = {key: 0.1 + rng.random(n) for key in ("class_mean_accuracy", "effective_rank")}
            for score in scores.values():
                score[: n - method.epochs] = 0  # not scored before the last layer learns
            best = scores["class_mean_accuracy"].argmax() if method.selection == "labelled" else n - 1
            part |= {f"pretraining/{key}": value for key, value in scores.items()}
            part |= {"pretraining/epoch": np.array(best), "pretraining/wall_s": np.array(1.5)}
            part |= _diagnostics(method, n, rng)
        elif method.pretraining == "vae":
            part |= {f"pretraining/{key}": rng.random(2) for key in ("negative_loss", "divergence_nats")}
            part |= {"pretraining/epoch": np.array(1), "pretraining/wall_s": np.array(2.5)}
        if plan.network.retrieval is not None:
            part |= _retrieval(plan, rng)
        arrays |= {f"{name}/{key}": value for key, value in part.items()}
    return arrays


def _diagnostics(method: HebbianPretraining, epochs: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Measures of a convolution and a dense layer; without a softmax where the rule has none."""
    shares, ranks = ("winner_entropy", "softmax_entropy", "dead_neurons", "cosine_to_initial"), ("effective", "stable")
    found = {measure: rng.random((epochs + 1, 2)) for measure in shares}
    found |= {f"{kind}_rank": rng.uniform(2, 60, (epochs + 1, 2)) for kind in (*ranks, "weight_stable")}
    if not isinstance(method.rule, SoftWTA):
        found["softmax_entropy"] = np.full((epochs + 1, 2), np.nan)
    found |= {"layers": np.array(["0", "1"]), "neurons": np.array([100, 20])}
    return {f"diagnostics/{key}": values for key, values in found.items()}


def _retrieval(plan: NetworkProtocol, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Retrieval arrays of a method: precisions that grow with the labels, and images found for some queries."""
    spec, n, shape = plan.network.retrieval, len(plan.network.regimes), plan.data.shape
    assert spec is not None
    tops = spec.tops(N_IMAGES, len(plan.data.class_list))
    part = {
        f"map/{top}/{normalisation}": 0.2 + 0.1 * place + 0.3 * np.sqrt(plan.network.regimes) + 0.02 * rng.random(n)
        for top in tops
        for place, normalisation in enumerate(NORMALISATIONS)
    }
    sizes = {"n_labels": np.round(np.array(plan.network.regimes) * N_IMAGES).astype(int)}
    sizes |= {"database": np.full(n, N_IMAGES), "queries": np.full(n, 50)}
    part |= {f"retrieval/{key}": value for key, value in sizes.items()}
    found = {
        "query_label": np.tile(np.arange(spec.shown), (n, 1)),
        "label": rng.integers(0, 3, (n, spec.shown, 10)),
        "distance": np.sort(rng.integers(0, spec.bits, (n, spec.shown, 10))),
        "query_image": rng.integers(0, 256, (n, spec.shown, *shape)).astype(np.uint8),
        "image": rng.integers(0, 256, (n, spec.shown, 10, *shape)).astype(np.uint8),
    }
    return part | {f"retrieved/{key}": value for key, value in found.items()}


def make_network_run(folder: Path, published: str = PUBLISHED, **options: Any) -> Path:
    """A finished run with arrays of every seed of its protocol."""
    plan = network_protocol(**options)
    return write_run(folder, plan, {seed: network_arrays(plan, seed) for seed in plan.seed_list}, published)
