"""Readout of label regions and metrics of a run, against loops, closed forms and invariances."""

import json
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.loading.published import Target
from protocols.results import learning, readout, statistics
from tests.protocols.spec.test_association import digits01

# regions and their responses


def test_a_neuron_belongs_to_the_region_that_holds_its_electrode() -> None:
    cell = np.array([3, 0, 9, 9, 4, 7, 0])
    regions = [[9, 1], [0, 4]]
    expected = []
    for electrode in cell:
        inside = [index for index, region in enumerate(regions) if electrode in region]
        expected.append(inside[0] if inside else -1)
    assert expected == [-1, 1, 0, 0, 1, -1, 1]
    np.testing.assert_array_equal(readout.region_of(cell, regions), expected)


def test_a_region_without_a_neuron_cannot_be_read() -> None:
    with pytest.raises(RuntimeError, match="label region 1 has no neuron nearby; allowed: more neurons or a larger"):
        readout.region_of(np.array([0, 0, 5]), [[0], [1, 2]])


@given(st.integers(1, 6), st.integers(2, 4), st.integers(0, 999))
def test_scores_are_spikes_per_neuron(n: int, n_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    region = rng.permutation(np.concatenate([np.arange(n_classes), rng.integers(-1, n_classes, 20)]))
    counts = rng.poisson(2, (n, len(region)))
    found = readout.scores(counts, region, n_classes)
    assert found.shape == (n, n_classes)
    for k, index in product(range(n), range(n_classes)):
        spikes, neurons = 0, 0
        for neuron, belongs_to in enumerate(region):
            if belongs_to == index:
                spikes, neurons = spikes + counts[k, neuron], neurons + 1
        assert found[k, index] == spikes / neurons


# answers


def literal_answer(scores: list[float]) -> list[float]:
    """The chance of each class: equal responses are drawn among."""
    largest = [k for k in range(len(scores)) if scores[k] == max(scores)]
    return [1 / len(largest) if k in largest else 0.0 for k in range(len(scores))]


#: few values, so that many are equal
tied = st.integers(2, 4).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.sampled_from([0.0, 0.5, 2.0]), min_size=n, max_size=n), min_size=1, max_size=12),
        st.lists(st.integers(0, n - 1), min_size=12, max_size=12),
    )
)


@given(tied)
def test_the_answer_is_the_largest_response_or_drawn_among_equals(case: tuple[list[list[float]], list[int]]) -> None:
    rows, truth = case[0], case[1][: len(case[0])]
    score, chances = np.array(rows), [literal_answer(row) for row in rows]
    np.testing.assert_array_equal(readout.answers(score), chances)
    right = [chance[label] for chance, label in zip(chances, truth, strict=True)]
    assert readout.accuracy(score, np.array(truth)) == pytest.approx(sum(right) / len(right))
    shared = [row.count(max(row)) > 1 for row in rows]
    assert readout.undecided(score) == pytest.approx(sum(shared) / len(shared))
    table = np.zeros((len(rows[0]),) * 2)
    for chance, label in zip(chances, truth, strict=True):
        for other, share in enumerate(chance):
            table[label, other] += share
    np.testing.assert_allclose(readout.confusion(score, np.array(truth)), table, rtol=1e-12)
    assert table.trace() / len(rows) == pytest.approx(readout.accuracy(score, np.array(truth)))


def test_every_evaluation_is_answered_on_its_own() -> None:
    score, truth = np.random.default_rng(0).integers(0, 3, (5, 8, 3)).astype(float), np.arange(8) % 3
    for measure in (lambda s: readout.accuracy(s, truth), readout.undecided):
        together = measure(score)
        assert together.shape == (5,)
        np.testing.assert_allclose(together, [measure(one) for one in score], rtol=1e-12)


def test_silent_regions_favour_no_class() -> None:
    """A culture that says nothing is at chance for every class, whatever the order of the classes."""
    silent = np.zeros((9, 3))
    for truth in range(3):
        assert readout.accuracy(silent, np.full(9, truth)) == pytest.approx(1 / 3)
    assert readout.undecided(silent) == 1


@given(st.integers(0, 99), st.permutations(range(3)))
def test_the_names_of_the_classes_do_not_matter(seed: int, renamed: list[int]) -> None:
    rng = np.random.default_rng(seed)
    score, truth = rng.integers(0, 3, (20, 3)).astype(float), rng.integers(0, 3, 20)
    place = np.argsort(renamed)
    assert readout.accuracy(score[:, renamed], place[truth]) == pytest.approx(readout.accuracy(score, truth))
    expected = readout.confusion(score, truth)[np.ix_(renamed, renamed)]
    np.testing.assert_allclose(readout.confusion(score[:, renamed], place[truth]), expected)


# separation


@given(
    own=st.lists(st.integers(0, 6), min_size=1, max_size=25), other=st.lists(st.integers(0, 6), min_size=1, max_size=25)
)
def test_auc_counts_pairs_and_ties_half(own: list[int], other: list[int]) -> None:
    wins = 0.0
    for a, b in product(own, other):
        wins += 1 if a > b else 0.5 if a == b else 0
    score = np.zeros((len(own) + len(other), 2))
    score[:, 1] = [*own, *other]
    truth = np.array([1] * len(own) + [0] * len(other))
    found = readout.separation(score, truth, 1)
    assert found["auc"] == pytest.approx(wins / (len(own) * len(other)))
    swapped = readout.separation(score, 1 - truth, 1)
    assert swapped["auc"] == pytest.approx(1 - found["auc"])
    assert swapped["overlap"] == pytest.approx(found["overlap"])


@pytest.mark.parametrize(
    ("own", "other", "auc", "overlap"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3], 0.5, 1),  # the same distribution
        ([0, 1, 2, 3, 0, 1, 2, 3], [0, 1, 2, 3], 0.5, 1),  # of another number of images
        ([5, 6, 7], [0, 1, 2], 1, 0),
        ([0, 1, 2], [5, 6, 7], 0, 0),
        ([0, 0, 8, 8], [0, 0, 0, 0], 0.75, 0.5),  # half of one is all of the other
        ([0, 8, 8, 8], [8, 8, 8, 8], 0.375, 0.75),
        ([3, 3], [3, 3, 3], 0.5, 1),  # no range at all
        ([0], [0], 0.5, 1),
    ],
)
def test_overlap_is_the_shared_area(own: list[float], other: list[float], auc: float, overlap: float) -> None:
    score = np.array([*own, *other], float)[:, None]
    truth = np.array([0] * len(own) + [1] * len(other))
    assert readout.separation(score, truth, 0) == pytest.approx({"auc": auc, "overlap": overlap})
    assert readout.separation(3 * score + 7, truth, 0) == pytest.approx({"auc": auc, "overlap": overlap})


# decisions that are fitted


def unequal(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Responses of two regions of which the first fires twice as much whatever is shown."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    response = rng.normal(3.0, 0.2, (n, 2)) + 0.8 * (truth[:, None] == np.arange(2))
    return response * [2, 1], truth


def test_calibration_corrects_a_region_that_is_twice_as_excitable() -> None:
    (known, known_truth), (score, truth) = unequal(1), unequal(2)
    assert readout.accuracy(score, truth) < 0.6
    assert readout.accuracy(readout.calibrated(score, known, known_truth), truth) > 0.97


def test_calibration_is_the_regularised_logistic_regression() -> None:
    """Where |w|^2 / 2 + sum of log losses on standardised responses is least, its gradient is zero."""
    known, truth = unequal(3)
    known = np.random.default_rng(0).normal(known, 1.5)  # not separable
    probability = readout.calibrated(known, known, truth)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    x = (known - known.mean(axis=0)) / known.std(axis=0)
    logit = np.log(probability[:, 1] / probability[:, 0])
    (*w, b), residual, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), logit, rcond=None)
    assert residual < 1e-12  # linear
    wrong = probability[:, 1] - truth
    np.testing.assert_allclose(x.T @ wrong + w, 0, atol=0.05)
    np.testing.assert_allclose(wrong.sum(), 0, atol=0.05)
    assert 0.3 < np.linalg.norm(w) < 5
    assert abs(b) < 1


def test_calibration_knows_nothing_of_the_images_it_decides_on() -> None:
    """One at a time they are decided as all together: nothing of them is standardised or fitted."""
    (known, known_truth), (score, _) = unequal(1, 40), unequal(2, 12)
    together = readout.calibrated(score, known, known_truth)
    alone = [readout.calibrated(score[k : k + 1], known, known_truth)[0] for k in range(len(score))]
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    assert not np.allclose(together, readout.calibrated(score, known, 1 - known_truth))


def test_a_linear_readout_finds_what_is_linear_and_only_that() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 5))
    linear = (features @ [1, -2, 0, 1, 0] > 0).astype(int)
    nonlinear = (np.abs(features[:, 0]) > 0.6745).astype(int)  # half of all
    split = slice(0, 2000), slice(2000, 4000)

    def accuracy(truth: np.ndarray, scale: Any = 1, shift: float = 0) -> float:
        x = features * scale + shift
        return readout.logistic_accuracy(x[split[0]], truth[split[0]], x[split[1]], truth[split[1]])

    assert accuracy(linear) > 0.96
    assert 0.4 < accuracy(nonlinear) < 0.6  # 0.5 +- 0.01 by chance
    assert accuracy(linear, [1e-6, 1, 1e4, 3, 7], 5) == accuracy(linear)  # features are standardised
    constant = np.column_stack([features, np.full(4000, 3.0)])
    arguments = constant[split[0]], linear[split[0]], constant[split[1]], linear[split[1]]
    assert readout.logistic_accuracy(*arguments) == accuracy(linear)  # a neuron that never fires
    wrong = readout.logistic_accuracy(*arguments[:3], 1 - linear[split[1]])
    assert wrong == pytest.approx(1 - accuracy(linear))


# the numbers of a run


def protocol(**changes: object) -> Any:
    """Evaluations after 0, 10, ... 60 presentations, of which the last three count."""
    sets = ["association.training.presentations=60", "association.evaluation={every: 10, averaged: 3}"]
    return digits01(*sets, *(f"association.{key}={value}" for key, value in changes.items()))


def part(seed: int, n_test: int = 12, n_validation: int = 8) -> dict[str, np.ndarray]:
    """Scores of seven evaluations with many equal responses."""
    rng = np.random.default_rng(seed)
    return {
        "evaluate_after": np.arange(0, 61, 10),
        "labels/test": rng.permutation(np.arange(n_test) % 2),
        "labels/validation": rng.permutation(np.arange(n_validation) % 2),
        "scores/test": rng.integers(0, 4, (7, n_test, 2)) / 2,
        "scores/validation": rng.integers(0, 4, (7, n_validation, 2)) / 2,
        "ceiling/pixels": np.array(rng.random()),
        "ceiling/activity": np.array(rng.random()),
    }


def literal_accuracy(scores: np.ndarray, truth: np.ndarray) -> float:
    return sum(literal_answer(row)[label] for row, label in zip(scores.tolist(), truth.tolist(), strict=True)) / len(
        truth
    )


def mean_sd(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5


def test_metrics_are_loops_over_seeds_and_evaluations() -> None:
    parts = [part(seed) for seed in range(4)]
    metrics = learning.summarise(protocol(), parts, [])
    curves = {
        split: [[literal_accuracy(s, p[f"labels/{split}"]) for s in p[f"scores/{split}"]] for p in parts]
        for split in ("test", "validation")
    }
    np.testing.assert_allclose(metrics["accuracy/curve"]["per_seed"], curves["test"])
    np.testing.assert_allclose(metrics["accuracy/curve"]["validation_per_seed"], curves["validation"])
    assert metrics["accuracy/curve"]["presentations"] == [0, 10, 20, 30, 40, 50, 60]
    snapshots, at = [], []
    for test, validation in zip(curves["test"], curves["validation"], strict=True):
        best = validation.index(max(validation))
        snapshots.append(test[best])
        at.append(10 * best)
    shared = [[np.mean([r[0] == r[1] for r in s.tolist()]) for s in p["scores/test"][-3:]] for p in parts]
    expected = {
        "accuracy/test": [sum(curve[-3:]) / 3 for curve in curves["test"]],
        "accuracy/validation": [sum(curve[-3:]) / 3 for curve in curves["validation"]],
        "accuracy/untrained": [curve[0] for curve in curves["test"]],
        "accuracy/best_snapshot": snapshots,
        "accuracy/lowest_after_first_third": [min(curve[3:]) for curve in curves["test"]],  # after 30, 40, 50, 60
        "accuracy/undecided": [sum(values) / 3 for values in shared],
        "ceiling/pixels": [float(p["ceiling/pixels"]) for p in parts],
        "ceiling/activity": [float(p["ceiling/activity"]) for p in parts],
    }
    for path, values in expected.items():
        assert metrics[path]["per_seed"] == pytest.approx(values), path
        assert (metrics[path]["mean"], metrics[path]["sd"]) == pytest.approx(mean_sd(values)), path
        assert metrics[path]["n"] == 4
        low, high = metrics[path]["ci95"]
        assert min(values) <= low <= metrics[path]["mean"] <= high <= max(values), path
    assert metrics["accuracy/best_snapshot"]["presentations"] == at
    assert metrics["accuracy/lowest_after_first_third"]["lowest"] == min(min(curve[3:]) for curve in curves["test"])
    assert (metrics["accuracy/test"]["evaluations"], metrics["accuracy/test"]["images"]) == (3, 12)
    table = np.zeros((2, 2))
    for p in parts:
        for row, label in zip(p["scores/test"][-1].tolist(), p["labels/test"].tolist(), strict=True):
            table[label] += literal_answer(row)
    assert metrics["confusion"]["classes"] == [0, 1]
    np.testing.assert_allclose(metrics["confusion"]["counts"], table)
    for label in (0, 1):
        aucs = []
        for p in parts:
            own, other = (p["scores/test"][-1][p["labels/test"] == k, label] for k in (label, 1 - label))
            aucs.append(np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(own, other)]))
        assert metrics[f"separation/{label}"]["auc"]["per_seed"] == pytest.approx(aucs)


def scores_of(accuracies: list[float], truth: np.ndarray) -> np.ndarray:
    """Scores of evaluations of which each gives the first so many per cent of the images their own class."""
    right = np.arange(len(truth)) < np.round(np.array(accuracies)[:, None] * len(truth))
    return (np.where(right, truth, 1 - truth)[..., None] == np.arange(2)).astype(float)


def test_the_best_snapshot_is_chosen_on_validation_images_only() -> None:
    one = part(0, 20, 10)
    one["scores/test"] = scores_of([0.5, 0.6, 0.1, 0.9, 1.0, 0.8, 0.7], one["labels/test"])
    one["scores/validation"] = scores_of([0.5, 0.6, 0.9, 0.8, 0.3, 0.9, 0.8], one["labels/validation"])
    metrics = learning.summarise(protocol(), [one], [])
    assert metrics["accuracy/best_snapshot"]["per_seed"] == [pytest.approx(0.1)]  # the first of the best, after 20
    assert metrics["accuracy/best_snapshot"]["presentations"] == [20]
    assert metrics["accuracy/best_snapshot"]["chosen_on"] == "validation"
    assert metrics["accuracy/lowest_after_first_third"]["lowest"] == pytest.approx(0.7)  # the 0.1 lies before
    assert metrics["accuracy/test"]["mean"] == pytest.approx((1.0 + 0.8 + 0.7) / 3)


def test_the_untrained_culture_is_never_averaged_in() -> None:
    one = part(0, 20)
    one["scores/test"] = scores_of([0.0, 1, 1, 1, 1, 1, 1], one["labels/test"])
    for averaged, expected in ((6, 6), (7, 6), (1000, 6), (1, 1)):
        metrics = learning.summarise(protocol(**{"evaluation.averaged": averaged}), [one], [])
        assert metrics["accuracy/test"]["evaluations"] == expected
        assert metrics["accuracy/test"]["mean"] == 1


def test_a_calibrated_run_is_fitted_at_every_evaluation_on_validation_images() -> None:
    one = part(0, 200, 200)
    for split, seed in (("test", 1), ("validation", 2)):
        found = [unequal(seed + 10 * k) for k in range(7)]
        one[f"scores/{split}"] = np.stack([score for score, _ in found])
        one[f"labels/{split}"] = found[0][1]
    for k in range(7):  # the more excitable region changes from one evaluation to the next
        if k % 2:
            for split in ("test", "validation"):
                one[f"scores/{split}"][k] *= [0.25, 1]
    plain, calibrated = (
        learning.summarise(protocol(decision=decision), [one], []) for decision in ("largest_response", "calibrated")
    )
    assert max(plain["accuracy/curve"]["mean"]) < 0.6
    assert min(calibrated["accuracy/curve"]["mean"]) > 0.97
    assert calibrated["separation/0"] == plain["separation/0"]  # of the responses themselves
    assert np.trace(calibrated["confusion"]["counts"]) > 194
    other = dict(one, **{"labels/test": np.random.default_rng(0).permutation(one["labels/test"])})
    changed = learning.summarise(protocol(decision="calibrated"), [other], [])
    for path in ("accuracy/validation", "accuracy/undecided"):
        assert changed[path] == calibrated[path]
    for key in ("presentations", "chosen_on"):
        assert changed["accuracy/best_snapshot"][key] == calibrated["accuracy/best_snapshot"][key]
    answered = [np.sum(m["confusion"]["counts"], axis=0) for m in (changed, calibrated)]
    np.testing.assert_array_equal(*answered)  # the labels of test images change no answer


# intervals


def test_a_single_seed_has_no_interval() -> None:
    metrics = learning.summarise(protocol(), [part(0)], [])
    for path, value in metrics.items():
        if path.startswith(("accuracy/", "ceiling/")) and "per_seed" in value and path != "accuracy/curve":
            assert (value["sd"], value["ci95"], value["n"]) == (None, None, 1)
    assert metrics["accuracy/curve"]["ci95"] == [None] * 7


@given(st.floats(0, 1), st.integers(2, 6))
def test_equal_seeds_have_an_interval_of_no_width(value: float, n: int) -> None:
    assert statistics.interval(np.full(n, value)) == [value, value]


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_interval_of_two_seeds_is_known(a: float, b: float) -> None:
    """Resampled means are a, (a + b) / 2 or b, with chances 1/4, 1/2, 1/4: a and b bound 95 % of them."""
    assert statistics.interval(np.array([a, b])) == pytest.approx(sorted([a, b]), abs=1e-12)


def test_intervals_follow_the_spread_and_tend_to_the_normal_ones() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.05, 60)
    low, high = statistics.interval(values) or []
    half = 1.96 * values.std() / len(values) ** 0.5
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)
    narrow = statistics.interval(values.mean() + (values - values.mean()) / 10)
    assert narrow == pytest.approx([values.mean() + (end - values.mean()) / 10 for end in (low, high)])


# published values


def target(quantity: str, value: float, sd: float | None, unit: str = learning.UNIT) -> Target:
    return Target(quantity, None, value, sd, 1, unit, None, "their program", "somebody", "")


def test_published_values_are_held_against_the_mean_over_seeds() -> None:
    parts = [part(seed) for seed in range(3)]
    mean = learning.summarise(protocol(), parts, [])["accuracy/test"]["mean"]
    targets = [
        target("accuracy/test", mean + 0.09, 0.1),
        target("accuracy/test", mean - 0.11, 0.1),
        target("accuracy/best_snapshot", 0.88, None),
        target("accuracy/test", mean, 0.1, unit="per cent"),  # not to be compared
        target("accuracy/nonsense", mean, 0.1),
    ]
    metrics = learning.summarise(protocol(), parts, targets)
    rows = metrics["targets"]
    assert [(row["quantity"], row["verdict"]) for row in rows] == [
        ("accuracy/test", "agrees"),
        ("accuracy/test", "differs"),
        ("accuracy/best_snapshot", "no sd published"),
    ]
    assert rows[2]["published"] == {"mean": 0.88, "sd": None, "n": 1}
    assert {row["subject"] for row in rows} == {"their program"}
    for row in rows:
        assert row["measured"] == {key: metrics[row["quantity"]][key] for key in ("mean", "sd", "n")}


@pytest.mark.parametrize("decision", ["largest_response", "calibrated"])
@pytest.mark.parametrize("n", [1, 3])
def test_metrics_are_plain_json(decision: str, n: int) -> None:
    metrics = learning.summarise(
        protocol(decision=decision), [part(seed) for seed in range(n)], [target("accuracy/best_snapshot", 0.8, None)]
    )
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_silent_cultures_give_plain_numbers() -> None:
    """Nothing fires, in any evaluation of any seed: chance everywhere, no warning, no NaN."""
    parts = [part(seed) for seed in range(2)]
    for one in parts:
        one["scores/test"][:] = one["scores/validation"][:] = 0
    for decision in ("largest_response", "calibrated"):
        metrics = learning.summarise(protocol(decision=decision), parts, [])
        json.dumps(metrics, allow_nan=False)
        assert metrics["accuracy/test"]["mean"] == pytest.approx(0.5)
        assert metrics["separation/0"]["auc"]["mean"] == 0.5
        assert metrics["separation/0"]["overlap"]["mean"] == 1
    assert metrics["confusion"]["counts"] == [[6.0, 6.0], [6.0, 6.0]]
