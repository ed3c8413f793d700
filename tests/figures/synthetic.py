"""Runs made of known arrays, written as run directories; no simulation and no data set."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from hebbian_dl.experiments import segmentation_summary, summary
from protocols.loading.overrides import check
from protocols.loading.published import FIELDS, Target, read_targets
from protocols.results.learning import summarise
from protocols.runs.run_directory import resolved
from protocols.spec.protocol import AssociationProtocol, NetworkProtocol, Protocol, SegmentationProtocol

N_CELLS, N_TEST, N_VALIDATION = 60, 40, 20
PUBLISHED = """\
accuracy/best_snapshot,,0.88,,,fraction correct,,Somebody 2021,"Somebody et al., 2021",figure 3
accuracy/best_snapshot,,0.8,,1,fraction correct,,their program,"their program, run today",
accuracy/test,,0.682,0.094,1,fraction correct,,their program,"their program, run today",
"""


def protocol(name: str = "small", classes: tuple[int, ...] = (0, 1), **changes: Any) -> AssociationProtocol:
    """A small association protocol; class regions share the array's last three columns."""
    cells = [(row, column) for column in (9, 8, 7) for row in range(6)]
    each = len(cells) // len(classes)
    regions = {label: cells[k * each : (k + 1) * each] for k, label in enumerate(classes)}
    content = {
        "name": name,
        "title": f"Small {name}",
        "citation": "nobody",
        "culture": {
            "neurons": {"count": 60},
            "electrode": {"sigma": "0.3 mm", "strength": "40 mV"},
            "excitatory": {"sigma": "1.2 mm", "strength": "40 mV"},
            "inhibitory": {"sigma": "0.15 mm", "strength": "400 mV"},
        },
        "data": {"source": "mnist", "classes": classes, "validation": N_VALIDATION, "size": (6, 6)},
        "association": {
            "image": {"rate": "200 Hz"},
            "label": {"rate": "400 Hz", "regions": regions},
            "presentation": "200 ms",
            "training": {"presentations": 250},
            "evaluation": {"every": 50, "averaged": 3},
        },
        "targets": "targets/small.csv",
        "seeds": 3,
    }
    made = check(content | changes)
    assert isinstance(made, AssociationProtocol)
    return made


def seed_arrays(plan: AssociationProtocol, seed: int) -> dict[str, np.ndarray]:
    """Arrays of one seed, as from `culture_sim.experiments.association`; the responses separate with training."""
    rng, classes = np.random.default_rng(seed), plan.data.classes
    n = plan.association.training.presentations
    after = np.unique(np.append(np.arange(0, n, plan.association.evaluation.every), n))
    growth = np.linspace(0, 1.5, len(after))[:, None, None]
    labels = {"test": np.arange(N_TEST) % len(classes), "validation": np.arange(N_VALIDATION) % len(classes)}
    probes = np.repeat([*range(10), -1], 4)
    arrays = {"evaluate_after": after, "probe/labels": probes}
    for name, truth in labels.items():
        own = truth[:, None] == np.arange(len(classes))
        noise = rng.exponential(1.0, (len(after), len(truth), len(classes)))
        arrays |= {f"labels/{name}": truth, f"scores/{name}": noise + growth * own}
    for when, gain in (("before", 0.0), ("after", 3.0)):
        own = probes[:, None] == np.array(classes)
        arrays[f"probe/{when}"] = rng.random((len(probes), len(classes))) + gain * own
        arrays[f"weights/excitatory/{when}"] = rng.random((N_CELLS, N_CELLS)) * 1e-3
    rows, columns = np.divmod(np.arange(N_CELLS), 10)
    arrays["electrodes"] = np.stack([columns, rows], axis=1) * 5e-4
    return arrays | {"ceiling/activity": np.array(0.97 + 0.01 * seed), "ceiling/pixels": np.array(0.995)}


def write_run(
    folder: Path,
    plan: Protocol,
    arrays: dict[int, dict[str, np.ndarray]],
    published: str = PUBLISHED,
    **facts: Any,
) -> Path:
    """Write the files of a finished run with these arrays by seed."""
    (folder / "targets").mkdir(parents=True)
    targets: list[Target] = []
    if plan.targets is not None:
        (folder / plan.targets).write_text(f"{','.join(FIELDS)}\n{published}")
        targets = read_targets(folder / plan.targets)
    match plan:
        case AssociationProtocol():
            metrics = summarise(plan, list(arrays.values()), targets)
        case NetworkProtocol() | SegmentationProtocol():
            parts: dict[tuple[int, str], dict[str, np.ndarray]] = defaultdict(dict)
            for seed, part in arrays.items():
                for path, array in part.items():
                    method, _, key = path.partition("/")
                    parts[seed, method][key] = array
            of_kind = segmentation_summary if isinstance(plan, SegmentationProtocol) else summary
            metrics = of_kind.summarise(plan, parts, targets)
    (folder / "protocol.yaml").write_text(resolved(plan))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "provenance.json").write_text(json.dumps({"code": {"commit": "c0ffee", "dirty": False}} | facts))
    flat = {f"seed_{seed}/{path}": array for seed, part in arrays.items() for path, array in part.items()}
    np.savez(folder / "arrays.npz", **flat)  # type: ignore[arg-type]
    return folder


def make_run(folder: Path, **options: Any) -> Path:
    """A finished run with arrays of every seed of its protocol."""
    plan = protocol(**options)
    return write_run(folder, plan, {seed: seed_arrays(plan, seed) for seed in plan.seed_list})
