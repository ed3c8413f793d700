"""Average precision by hand and against its definition; binary codes; example queries for the figure."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.images.streaming import streamed
from hebbian_dl.networks.build import build
from hebbian_dl.retrieval.codes import coder, codes
from hebbian_dl.retrieval.examples import by_turns, retrieved
from hebbian_dl.retrieval.hamming import nearest, packed
from hebbian_dl.retrieval.precision import Coded, average_precision, mean_average_precision
from protocols.images.splits import find_images
from protocols.spec.file_data import SyntheticData
from protocols.spec.nets.layers import Convolution, Dense, Normalisation
from protocols.spec.retrieval import Retrieval
from protocols.spec.rules import HebbianPCA
from tests.reference import retrieval as reference

LAYERS = (Convolution(conv=4, kernel=3), Normalisation(norm="plain"), Dense(dense=6), Normalisation(norm="relative"))


def coded(bits: np.ndarray, labels: np.ndarray) -> Coded:
    return Coded(packed(bits), labels, np.arange(len(labels)))


def test_average_precision_by_hand() -> None:
    """Relevant in places 1, 3 and 4 of 5: precisions 1, 2/3 and 3/4; ten are relevant in the database, or three."""
    relevant = np.array([[1, 0, 1, 1, 0], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]], bool)
    value = average_precision(relevant, np.array([10, 3, 10, 10]))
    total = 1 + 2 / 3 + 3 / 4
    assert value["found"].tolist() == pytest.approx([total / 3, total / 3, 0, 1])
    assert value["possible"].tolist() == pytest.approx([total / 5, total / 3, 0, 1 / 5])


def test_a_class_that_is_not_in_the_database_is_worth_nothing() -> None:
    value = average_precision(np.zeros((1, 4), bool), np.array([0]))
    assert (value["found"][0], value["possible"][0]) == (0, 0)


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 30),
    n_queries=st.integers(1, 6),
    n_bits=st.sampled_from([1, 3, 16, 70]),
    memory=st.sampled_from([1, 1000, 5000, 10**9]),
    data=st.data(),
)
def test_mean_average_precision_is_that_of_the_definition_in_any_pieces(
    seed: int, n: int, n_queries: int, n_bits: int, memory: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    database, queries = rng.random((n, n_bits)) < 0.5, rng.random((n_queries, n_bits)) < 0.5
    labels, asked = rng.integers(0, 3, n), rng.integers(0, 4, n_queries)
    tops = {"a": data.draw(st.integers(1, n)), "b": n}
    found = mean_average_precision(coded(database, labels), coded(queries, asked), tops, memory=memory)
    for name, top in tops.items():
        expected = reference.mean_average_precision(
            database.tolist(), labels.tolist(), queries.tolist(), asked.tolist(), top
        )
        for normalisation, value in expected.items():
            assert found[f"{name}/{normalisation}"] == pytest.approx(value, abs=1e-12)


@pytest.fixture
def random_collections() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.random((200, 40)) < 0.5, rng.integers(0, 5, 200), rng.random((30, 40)) < 0.5, rng.integers(0, 5, 30)


def test_neither_the_order_of_bits_nor_a_bit_flipped_in_all_codes_matters(random_collections: Any) -> None:
    database, labels, queries, asked = random_collections
    rng = np.random.default_rng(6)
    order, flipped = rng.permutation(40), rng.random(40) < 0.5
    tops = {"some": 20, "all": 200}
    plain = mean_average_precision(coded(database, labels), coded(queries, asked), tops)
    changed = mean_average_precision(
        coded(database[:, order] ^ flipped, labels), coded(queries[:, order] ^ flipped, asked), tops
    )
    assert plain == changed


def test_pieces_of_any_size_give_the_same_bit_by_bit(random_collections: Any) -> None:
    database, labels, queries, asked = random_collections
    tops = {"some": 20, "all": 200}
    whole = mean_average_precision(coded(database, labels), coded(queries, asked), tops)
    for memory, chunk in ((1, 7), (50_000, 64), (10**9, 10**6)):
        found = mean_average_precision(
            *(coded(database, labels), coded(queries, asked), tops),
            lambda *given, chunk=chunk: nearest(*given, chunk=chunk),
            memory,
        )
        assert found == whole


def test_a_code_that_says_the_class_is_worth_one_and_a_reversed_one_nothing() -> None:
    labels = np.repeat(np.arange(4), 25)
    words = np.eye(4, dtype=bool)[labels]
    tops = {"first": 10, "class": 25}
    perfect = mean_average_precision(coded(words, labels), coded(words[::5], labels[::5]), tops)
    assert set(perfect.values()) == {1.0}
    reversed_ = mean_average_precision(coded(words, labels), coded(~words[::5], labels[::5]), tops)
    assert set(reversed_.values()) == {0.0}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return build(LAYERS, (1, 8, 8), HebbianPCA())


def examples(n: int = 60) -> Examples:
    torch.manual_seed(1)
    return Examples(torch.randn(n, 1, 8, 8), torch.arange(n) % 3)


@pytest.mark.parametrize("head", ["tanh", "batch_norm"])
def test_a_code_is_which_units_are_above_zero(head: Any) -> None:
    """Codes are computed by hand from the features and the units' parameters."""
    features, images = network(), examples()
    model = coder(features, 6, 3, Retrieval(bits=20, head=head), 0.5)
    with torch.no_grad():
        model.train()
        model(images.images)  # running statistics of the units
    found = codes(model, images)
    np.testing.assert_array_equal(found.labels, images.labels)
    with torch.no_grad():
        linear = features.eval()(images.images) @ model[3][0].weight.t() + model[3][0].bias
        units = linear
        if head == "batch_norm":
            norm = model[3][2]
            units = (linear.clamp_min(0) - norm.running_mean) * norm.weight + norm.bias * (
                norm.running_var + 1e-5
            ).sqrt()
    bits = np.unpackbits(found.codes, axis=1)[:, :20]
    clear = units.abs().numpy() > 1e-5
    np.testing.assert_array_equal(bits[clear], (units > 0).numpy()[clear])
    assert 0 < bits.mean() < 1
    assert clear.mean() > 0.95


@pytest.mark.parametrize("train", ["network", "head"])
def test_the_head_alone_learns_or_the_whole_network(train: Any) -> None:
    features, images = network(), examples()
    before = {name: tensor.clone() for name, tensor in features.state_dict().items()}
    model = coder(features, 6, 3, Retrieval(bits=8, train=train), 0.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, weight_decay=0.1)
    model.train()
    first = model[3][0].weight.clone()
    nn.functional.cross_entropy(model(images.images), images.labels).backward()
    optimizer.step()
    same = [torch.equal(tensor, before[name]) for name, tensor in features.state_dict().items()]
    assert all(same) if train == "head" else not any(same[:1])
    assert not torch.equal(model[3][0].weight, first)


def test_the_queries_shown_are_of_all_classes() -> None:
    labels = np.array([2, 2, 0, 2, 1, 0])
    assert by_turns(labels).tolist() == [2, 4, 0, 5, 1, 3]


@dataclass(frozen=True)
class Torn:
    """Images of which some cannot be read, as `hebbian_dl.images.streaming.Streamed` gives them."""

    whole: Examples
    readable: np.ndarray

    @property
    def labels(self) -> Tensor:
        return self.whole.labels

    @property
    def shape(self) -> torch.Size:
        return self.whole.images.shape

    def __len__(self) -> int:
        return len(self.whole)

    def take(self, index: Tensor) -> "Torn":
        return Torn(self.whole.take(index), self.readable[index.numpy()])

    def batches(self, size: int, order: Tensor | None = None, draw: int | None = None) -> Iterator[Examples]:
        yield from self.whole.take(torch.from_numpy(np.flatnonzero(self.readable))).batches(size)


def test_the_images_shown_are_those_that_were_coded() -> None:
    """Image i is a grey i; every fourth cannot be read."""
    grey = torch.arange(40.0)[:, None, None, None].expand(40, 1, 2, 2)
    torn = Torn(Examples(grey, torch.arange(40) % 2), np.arange(40) % 4 > 0)
    place = np.flatnonzero(torn.readable)
    rng = np.random.default_rng(0)
    collection = Coded(packed(rng.random((len(place), 16)) < 0.5), place % 2, place)
    shown = retrieved(collection, collection, 3, nearest, lambda: Splits(torn, torn, torn))
    assert shown["index"][:, 0].tolist() == [2, 1, 6]  # themselves: the first readable ones of both classes in turn
    assert (shown["distance"][:, 0] == 0).all()
    np.testing.assert_array_equal(shown["label"], shown["index"] % 2)
    low, high = min(shown["index"].min(), 1), max(shown["index"].max(), 6)
    expected = np.round(255 * (shown["index"] - low) / (high - low))
    np.testing.assert_allclose(shown["image"][..., 0, 0, 0], expected, atol=1)
    np.testing.assert_array_equal(shown["query_image"], shown["image"][:, 0])


def test_images_in_files_that_cannot_be_read_have_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path))
    section = {"source": "synthetic", "corrupt": 3, "workers": 0, "n_classes": 3, "images": 5, "test_images": 2}
    data = SyntheticData.model_validate(section | {"validation": 3, "side": (9, 12), "size": (8, 8)})
    files = find_images(data)
    images = streamed(files, data, torch.device("cpu")).training
    torch.manual_seed(0)
    model = coder(build(LAYERS, (3, 8, 8), HebbianPCA()), 6, 3, Retrieval(bits=20), 0.5)
    found = codes(model, images)
    assert 0 < len(images) - len(found.labels) <= 3
    np.testing.assert_array_equal(found.labels, files.training.labels[found.place])
    for row, place in zip(found.codes, found.place, strict=True):  # one by one
        np.testing.assert_array_equal(codes(model, images.take(torch.tensor([place]))).codes[0], row)


def test_large_images_are_kept_small() -> None:
    images = Examples(torch.rand(4, 3, 130, 100), torch.tensor([0, 1, 0, 1]))
    collection = Coded(packed(np.eye(4, dtype=bool)), images.labels.numpy(), np.arange(4))
    shown = retrieved(collection, collection, 2, nearest, lambda: Splits(images, images, images))
    assert shown["image"].shape == (2, 4, 3, 64, 64)  # the database holds four
    assert shown["query_image"].shape == (2, 3, 64, 64)
    assert retrieved(collection, collection, 0, nearest, lambda: pytest.fail("nothing is to be shown")) == {}
