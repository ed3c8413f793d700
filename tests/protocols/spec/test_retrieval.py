"""The retrieval section: one error line for each mistake; chance precision against an enumeration of all rankings."""

import itertools
from fractions import Fraction

import pytest

from protocols.loading.loader import builtin, load
from protocols.loading.published import read_targets
from protocols.spec.faults import ProtocolFault
from protocols.spec.retrieval import NORMALISATIONS, Retrieval, chance
from tests.reference import retrieval as reference


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("network.retrieval.bits=0", "network.retrieval.bits: 0 is not allowed: input should be greater than or equal"),
        ("network.retrieval.bits=8.5", "network.retrieval.bits: 8.5 is not allowed: "),
        ("network.retrieval.bit=8", "network.retrieval.bit: no 'bit'; did you mean 'bits'?"),
        ("network.retrieval={bit: 8}", "network.retrieval.bit: unknown key; did you mean 'bits'?"),
        ("network.retrieval.head=relu", "network.retrieval.head: 'relu' is not allowed: "),
        ("network.retrieval.train=nothing", "network.retrieval.train: 'nothing' is not allowed: "),
        ("network.retrieval.backend=annoy", "network.retrieval.backend: 'annoy' is not allowed: "),
        ("network.retrieval.at=[]", "network.retrieval.at: is not allowed: "),
        (
            "network.retrieval.at=[100, 0]",
            "network.retrieval.at.1: 0 is no number of images; allowed: 1 or more, or per_class",
        ),
        (
            "network.retrieval.at=[all]",
            "network.retrieval.at.0: 'all' is no number of images; allowed: 1 or more, or per_class",
        ),
        ("network.retrieval.at=[true]", "network.retrieval.at.0: True is no number of images; "),
        ("network.retrieval.at=[5, 5]", "network.retrieval.at: a number is listed twice"),
        ("network.retrieval.queries=0", "network.retrieval.queries: 0 is not allowed: "),
        ("network.retrieval.shown=-1", "network.retrieval.shown: -1 is not allowed: "),
        ("network.pretrained=", "network.pretrained: "),
    ],
)
def test_a_mistake_is_one_line(override: str, expected: str) -> None:
    if override == "network.pretrained=":
        override += "''"
    with pytest.raises(ProtocolFault) as fault:
        load("retrieval_digits", [override])
    (line,) = fault.value.lines
    assert line.startswith(expected)


@pytest.mark.parametrize("key", ["batch", "at_a_time"])
def test_single_images_have_no_statistics_for_the_units(key: str) -> None:
    layers = "network.layers=[{conv: 4, kernel: 3}, {dense: 8}]"
    sets = [layers, f"network.finetuning.{key}=1"]
    assert load("retrieval_digits", sets).network.retrieval.head == "tanh"
    with pytest.raises(ProtocolFault, match=r"^network\.retrieval\.head: 'batch_norm' in batches of 1"):
        load("retrieval_digits", [*sets, "network.retrieval.head=batch_norm"])


def test_how_many_images_count_by_their_name() -> None:
    assert Retrieval(at=("per_class", 7)).tops(1242, 10) == {"at_per_class": 124, "at_7": 7}


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_published_values_are_metrics_of_their_protocol(name: str) -> None:
    protocol = load(f"retrieval_{name}")
    paths = {
        f"map/{method}/{100 * regime:g}%/{top}/found"
        for method in ("VAE", "SWTA", "HPCA")
        for regime in protocol.network.regimes
        for top in protocol.network.retrieval.tops(40_000, 10)
    }
    targets = read_targets(builtin()[f"retrieval_{name}"].parent / protocol.targets)
    assert {target.quantity for target in targets} == paths
    value = {"cifar10": 0.4999, "cifar100": 0.1842}[name]  # HPCA at 10 %, table 3
    assert {t.value for t in targets if t.quantity.startswith("map/HPCA/10%/")} == {value}


@pytest.mark.parametrize(("n", "n_relevant"), [(6, 2), (7, 3), (5, 1), (4, 4), (5, 0)])
def test_chance_is_the_mean_over_all_rankings(n: int, n_relevant: int) -> None:
    for k, normalisation in itertools.product(range(1, n + 1), NORMALISATIONS):
        rankings = list(itertools.combinations(range(n), n_relevant))
        values = [
            reference.average_precision([place in ranking for place in range(n)], k, n_relevant)[normalisation]
            for ranking in rankings
        ]
        expected = sum(values, Fraction(0)) / len(rankings)
        assert chance(k, n_relevant, n, normalisation) == pytest.approx(float(expected), abs=1e-12)


def test_no_more_of_a_ranking_counts_than_there_are_images() -> None:
    """The database may be smaller than expected: unreadable images are found only while it is built."""
    assert Retrieval(at=(100, "per_class")).tops(97, 3) == {"at_100": 97, "at_per_class": 32}
    assert Retrieval(at=("per_class",)).tops(2, 3) == {"at_per_class": 1}
