"""Nearest codes against all distances counted bit by bit, with many ties, for any size of chunk."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hebbian_dl.retrieval import hamming
from hebbian_dl.retrieval.hamming import faiss_nearest, nearest, packed
from protocols.spec.faults import ProtocolFault
from tests.reference import retrieval as reference


def random_bits(seed: int, n: int, n_bits: int) -> np.ndarray:
    return np.random.default_rng(seed).random((n, n_bits)) < 0.5


@given(
    seed=st.integers(0, 10**6), n=st.integers(1, 40), n_bits=st.sampled_from([1, 2, 5, 63, 64, 65, 130]), data=st.data()
)
def test_the_nearest_codes_are_those_of_all_distances(seed: int, n: int, n_bits: int, data: st.DataObject) -> None:
    """Few bits: most distances are ties, which the index decides."""
    database, queries = random_bits(seed, n, n_bits), random_bits(seed + 1, 3, n_bits)
    k, chunk = data.draw(st.integers(1, n)), data.draw(st.integers(1, n + 1))
    index, distance = nearest(packed(database), packed(queries), k, chunk)
    for query, places, distances in zip(queries, index, distance, strict=True):
        expected = reference.ranking(database.tolist(), query.tolist())[:k]
        assert list(zip(distances.tolist(), places.tolist(), strict=True)) == expected


def test_numbers_of_64_bits_rank_as_those_of_32(monkeypatch: pytest.MonkeyPatch) -> None:
    database, queries = packed(random_bits(0, 500, 20)), packed(random_bits(1, 7, 20))
    narrow = nearest(database, queries, 123)
    monkeypatch.setattr(hamming, "LARGEST", 0)
    wide = nearest(database, queries, 123)
    assert (narrow[0].dtype, wide[0].dtype) == (np.int32, np.int64)
    np.testing.assert_array_equal(narrow, wide)


def test_equal_codes_come_in_the_order_of_the_database() -> None:
    codes = packed(np.zeros((70_000, 8), bool))  # more than one chunk
    index, distance = nearest(codes, packed(np.ones((1, 8), bool)), 70_000)
    np.testing.assert_array_equal(index[0], np.arange(70_000))
    assert (distance == 8).all()


@pytest.mark.parametrize("n_bits", [1, 7, 8, 9, 64, 65])
def test_codes_are_filled_up_with_zeros(n_bits: int) -> None:
    bits = random_bits(2, 11, n_bits)
    codes = packed(bits)
    assert codes.shape == (11, 8 * -(-n_bits // 64))
    unpacked = np.unpackbits(codes, axis=1)
    np.testing.assert_array_equal(unpacked[:, :n_bits], bits)
    assert not unpacked[:, n_bits:].any()


def test_faiss_finds_codes_at_the_same_distances() -> None:
    pytest.importorskip("faiss")
    database, queries = packed(random_bits(3, 300, 30)), packed(random_bits(4, 20, 30))
    index, distance = nearest(database, queries, 50)
    found, apart = faiss_nearest(database, queries, 50)
    np.testing.assert_array_equal(apart, distance)
    certain = distance < distance[:, -1:]  # nearer than the last: no choice
    np.testing.assert_array_equal(found[certain], index[certain])


def test_without_faiss_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ProtocolFault) as fault:
        hamming.check_faiss()
    assert fault.value.lines == [
        "network.retrieval.backend: 'faiss' is not installed (pip install -c constraints.txt -e '.[faiss]'); "
        "allowed: exact"
    ]
