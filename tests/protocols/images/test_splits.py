"""Splits of image files: disjoint, complete, balanced between classes, evenly spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.images import splits as image_splits
from protocols.images.listing import FileSplits, ImageFiles, Labelled
from protocols.spec.faults import ProtocolFault
from protocols.spec.file_data import FileData
from tests.protocols.images.files import folder_data


def files(labels: np.ndarray) -> ImageFiles:
    n = len(labels)
    nowhere = np.full(n, -1, np.int64)
    names = np.array([f"{i}.jpg".encode() for i in range(n)], "S")
    return ImageFiles("/r", np.array([b"f"]), np.zeros(n, np.int64), names, nowhere, nowhere, labels)


def split(data: FileData, training: np.ndarray, test: np.ndarray) -> FileSplits:
    found = Labelled(files(training), files(test), tuple(f"c{i}" for i in range(data.n_classes)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_splits, "_found", lambda data: found)
        return image_splits.find_images(data)


def numbers(part: ImageFiles) -> list[int]:
    return [int(name.removesuffix(b".jpg")) for name in part.names.tolist()]


@given(st.data())
def test_splits_are_disjoint_whole_and_balanced(draw: st.DataObject) -> None:
    counts = draw.draw(st.lists(st.integers(2, 30), min_size=2, max_size=6))
    n = len(counts)
    rng = np.random.default_rng(draw.draw(st.integers(0, 99)))
    training = rng.permutation(np.repeat(np.arange(n), counts))
    test = rng.permutation(np.repeat(np.arange(n), draw.draw(st.integers(1, 9))))
    validation = draw.draw(st.integers(n, n * (min(counts) - 1)))
    per_class = draw.draw(st.none() | st.integers(1, 40))
    tested = draw.draw(st.none() | st.integers(n, len(test)))
    data = folder_data("x", n_classes=n, validation=validation, per_class=per_class, test=tested)
    splits = split(data, training, test)
    learned, held_back = numbers(splits.training), numbers(splits.validation)
    assert len({*learned, *held_back}) == len(learned) + len(held_back)
    assert learned == sorted(learned)
    assert held_back == sorted(held_back)
    assert len(held_back) == validation
    assert len(numbers(splits.test)) == (len(test) if tested is None else tested)
    for part, labels in ((splits.training, training), (splits.validation, training), (splits.test, test)):
        assert part.labels.tolist() == labels[numbers(part)].tolist()
    own = np.bincount(splits.validation.labels, minlength=n)
    assert own.max() - own.min() <= 1
    for label in range(n):
        rest = counts[label] - own[label]
        assert (splits.training.labels == label).sum() == min(rest, rest if per_class is None else per_class)


def test_those_held_back_are_evenly_spread() -> None:
    splits = split(folder_data("x", validation=8), np.repeat([0, 1], [40, 20]), np.array([0, 1]))
    assert numbers(splits.validation) == [0, 10, 20, 30, 40, 45, 50, 55]


def test_few_of_each_class_are_evenly_spread_over_the_others() -> None:
    splits = split(folder_data("x", per_class=3, test=4), np.repeat([0, 1], [10, 4]), np.repeat([0, 1], [6, 2]))
    assert numbers(splits.validation) == [0, 10]
    assert numbers(splits.training) == [1, 4, 7, 11, 12, 13]
    assert numbers(splits.test) == [0, 3, 6, 7]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"validation": 1}, "data.validation: 1; no image of class 'c0' is among them; allowed: more"),
        ({"validation": 4}, "data.validation: 4; class 'c1' has 2 images; allowed: fewer"),
        ({"test": 1}, "data.test: 1; no image of class 'c0' is among them; allowed: more"),
        ({"test": 3}, "data.test: 3; class 'c1' has 1 images; allowed: fewer"),
    ],
)
def test_too_few_images_are_one_line(changes: dict[str, int], says: str) -> None:
    with pytest.raises(ProtocolFault) as fault:
        split(folder_data("x", **changes), np.repeat([0, 1], [5, 2]), np.array([0, 1]))
    assert fault.value.lines == [says]
