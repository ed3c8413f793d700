"""The ``data:`` section for images in files: choice of the section, one error line for each mistake, round trips."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from protocols.loading.loader import builtin, load, parse_yaml
from protocols.loading.overrides import check
from protocols.runs.run_directory import resolved
from protocols.spec.data import ImageData
from protocols.spec.faults import ProtocolFault
from protocols.spec.file_data import FolderData, SyntheticData
from protocols.spec.protocol import NetworkProtocol

FOLDER = {"source": "image_folder", "folder": "tiny", "n_classes": 10, "validation": 20, "size": [32, 32]}
SYNTHETIC = {"source": "synthetic", "n_classes": 3, "images": 5, "test_images": 2, "validation": 3, "size": [32, 32]}


def content(data: Any) -> dict[str, Any]:
    """The CIFAR-10 protocol with another ``data:`` section."""
    whole = yaml.safe_load(builtin()["fasthebb_cifar10"].read_text())
    del whole["quick"]
    return whole | {"data": data}


def lines(data: Any) -> list[str]:
    with pytest.raises(ProtocolFault) as fault:
        check(content(data))
    return fault.value.lines


def checked(data: Any) -> NetworkProtocol:
    protocol = check(content(data))
    assert isinstance(protocol, NetworkProtocol)
    return protocol


def test_the_source_tells_which_section_it_is() -> None:
    for data, kind in (
        ({"source": "cifar10", "validation": 10}, ImageData),
        (FOLDER, FolderData),
        (FOLDER | {"source": "shards"}, FolderData),
        (SYNTHETIC, SyntheticData),
    ):
        assert type(checked(data).data) is kind


def test_classes_and_shape() -> None:
    data = checked(FOLDER | {"size": [40, 48]}).data
    assert data.class_list == tuple(range(10))
    assert data.shape == (3, 40, 48)


@pytest.mark.parametrize("data", [FOLDER | {"per_class": 100, "test": 50, "resize": 40, "workers": 2}, SYNTHETIC])
def test_survives_a_round_trip(data: dict[str, Any]) -> None:
    protocol = checked(data)
    again = check(parse_yaml(resolved(protocol), "x"))
    assert again == protocol
    assert again.model_dump(mode="json")["data"] == protocol.model_dump(mode="json")["data"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({**FOLDER, "foldre": "x"}, "data.foldre: unknown key; did you mean 'folder'?"),
        ({**FOLDER, "pool": 3}, "data.pool: unknown key; allowed: "),
        ({"source": "cifar10", "validation": 9, "per_class": 3}, "data.per_class: unknown key; did you mean 'classes'"),
        ({**SYNTHETIC, "folder": "x"}, "data.folder: unknown key; allowed: "),
        ({key: FOLDER[key] for key in FOLDER if key != "folder"}, "data.folder: missing"),
        ({key: FOLDER[key] for key in FOLDER if key != "source"}, "data.source: missing"),
        ({key: SYNTHETIC[key] for key in SYNTHETIC if key != "images"}, "data.images: missing"),
        ({**FOLDER, "source": "image_foldr"}, "data: source 'image_foldr'; allowed: "),
        ({**FOLDER, "n_classes": 1}, "data.n_classes: 1 is not allowed: input should be greater than or equal to 2"),
        ({**FOLDER, "validation": 0}, "data.validation: 0 is not allowed"),
        ({**FOLDER, "size": [0, 32]}, "data.size.0: 0 is not allowed"),
        ({**FOLDER, "resize": 31}, "data.resize: 31 is too small; allowed: at least 32, the larger of data.size"),
        ({**FOLDER, "augmentation": "flip"}, "data.augmentation: 'flip' is not allowed: input should be 'none' or"),
        ({**FOLDER, "per_class": 0}, "data.per_class"),
        ({**FOLDER, "folder": ""}, "data.folder: '' is not allowed"),
        ({**FOLDER, "folder": "a\nb"}, "data.folder: 'a\\nb' is not allowed"),
        ({**FOLDER, "most_corrupt": -1}, "data.most_corrupt: -1 is not allowed"),
        ({**FOLDER, "workers": -1}, "data.workers: -1 is not allowed"),
        ({**SYNTHETIC, "side": [40, 30]}, "data.side: 40 to 30; allowed: the smaller first"),
        ({**SYNTHETIC, "corrupt": 16}, "data.corrupt: 16 is too many; allowed: at most 15, all training images"),
        ({**FOLDER, "size": [12, 12]}, "network.layers.5.kernel: 3; allowed: at most 2"),
        (7, "data: "),
    ],
)
def test_a_mistake_is_one_line_with_path_and_what_is_allowed(data: Any, expected: str) -> None:
    (line,) = lines(data)
    assert line.startswith(expected)
    assert "\n" not in line


def test_an_association_shows_grey_images_only() -> None:
    with pytest.raises(ProtocolFault) as fault:
        load("digits01", ["data.source=image_folder"])
    assert fault.value.lines[0].startswith("data.source: 'image_folder' is not allowed: input should be 'mnist'")


def test_the_quick_version_may_learn_generated_images(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(content(FOLDER) | {"quick": {"data": SYNTHETIC}, "targets": None}))
    assert isinstance(load(str(path)).data, FolderData)
    assert load(str(path), quick=True).data == SyntheticData.model_validate(SYNTHETIC)
    assert load(str(path), ["data.per_class=7"]).data.per_class == 7
    with pytest.raises(ProtocolFault, match=r"data\.tset: no 'tset'; did you mean 'test'"):
        load(str(path), ["data.tset=7"])
