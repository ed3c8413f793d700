"""The sections of a segmentation protocol: one clear line for every mistake."""

from typing import Any

import pytest
import yaml

from protocols.loading.loader import builtin, load
from protocols.loading.objectives import held_out, metric_names
from protocols.loading.overrides import check
from protocols.runs.run_directory import resolved
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.segmentation import n_masks
from protocols.spec.protocol import SegmentationProtocol

X = "segmentation.methods.x"
FOLDER = {"source": "mask_folder", "folder": "x", "validation": 1, "test": 1, "size": [64, 64]}
HEBBIAN = {"pretraining": "hebbian", "rule": {"rule": "hpca"}, "learning_rate": 0.01}


def content() -> dict[str, Any]:
    return yaml.safe_load(builtin()["segmentation_shapes"].read_text())


def fault(path: str, value: Any) -> str:
    whole = content()
    *above, last = path.split(".")
    section = whole
    for key in above:
        section = section[key]
    section[last] = value
    with pytest.raises(ProtocolFault) as raised:
        check(whole)
    return "\n".join(raised.value.lines)


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("data.size", [60, 64], "segmentation.network.depth: 3; allowed: 2^depth divides data.size of 60 x 64"),
        ("data.shapes", ["cells"], "data.shapes.0: 'cells' is not allowed: input should be 'glands', "),
        ("data.difficulty", [0.7, 0.2], "0.7 to 0.2; allowed: the smaller first"),
        ("data.source", "folders", "data: source 'folders'; allowed: 'shapes_with_masks', 'mask_folder'"),
        ("segmentation.patch", [72, 64], "segmentation.patch: 72 x 64; allowed: at most data.size, 64 x 64"),
        ("segmentation.patch", [20, 32], "segmentation.network.depth: 3; allowed: 2^depth divides segmentation.patch"),
        ("segmentation.patch", 32, "segmentation.patch"),
        ("data", FOLDER | {"group_pattern": "("}, "data.group_pattern: '(' missing ), unterminated subpattern"),
        ("data", FOLDER | {"group_pattern": "a", "group_table": "b"}, "group_table: beside group_pattern; allowed: "),
        ("segmentation.regimes", [0.1, 0.1], "segmentation.regimes: a fraction is listed twice"),
        ("segmentation.finetuning", {"batch": 1}, "segmentation.finetuning.batch: 1; allowed: at least 2, also "),
        (X, HEBBIAN | {"selection": "labelled"}, f"{X}.selection: 'labelled'; allowed: last, label_free"),
        (X, HEBBIAN | {"whitening": 0.1}, f"{X}.whitening: 0.1; allowed: null for segmentation"),
        (X, HEBBIAN | {"precision": "bfloat16"}, f"{X}.precision: 'bfloat16'; allowed: float32"),
        (X, HEBBIAN | {"rule": [{"rule": "hpca"}]}, f"{X}: a list with an entry for each layer; allowed: "),
        (X, {"pretraining": "denoising", "noisee": 1}, f"{X}.noisee: unknown key; did you mean 'noise'?"),
    ],
)  # fmt: skip
def test_mistakes(path: str, value: Any, line: str) -> None:
    assert line in fault(path, value)


def test_transposes_are_for_squares() -> None:
    whole = content()
    whole["data"]["size"] = [64, 32]
    whole["segmentation"]["finetuning"]["augmentation"] = {"flips": ["transpose"]}
    with pytest.raises(ProtocolFault, match="flips: transpose; not for 64 x 32 pixels"):
        check(whole)


def test_it_survives_a_round_trip_and_is_told_from_networks() -> None:
    protocol = load("segmentation_shapes")
    assert isinstance(protocol, SegmentationProtocol)
    assert check(yaml.safe_load(resolved(protocol))) == protocol


def test_a_search_looks_at_validation_images() -> None:
    names = metric_names(load("segmentation_shapes"))
    assert "validation_dice/HPCA/1%" in names
    assert held_out("validation_dice/HPCA/1%") == "dice/HPCA/1%"


def test_every_regime_has_a_mask() -> None:
    assert [n_masks(fraction, 30) for fraction in (0.01, 0.05, 0.1, 1.0)] == [1, 2, 3, 30]
