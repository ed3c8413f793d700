"""The surrogate against functions whose optimum and variances are known."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from protocols.search.answer import gaussian, surrogate
from protocols.search.answer.encoding import Coding, place, value_at

pytestmark = pytest.mark.whole

STRENGTH: dict[str, Any] = {
    "path": "strength",
    "kind": "float",
    "low": 10.0,
    "high": 1000.0,
    "scale": "log",
    "choices": None,
}
COUNT: dict[str, Any] = {"path": "count", "kind": "int", "low": 100, "high": 500, "scale": "linear", "choices": None}
LEAK: dict[str, Any] = {"path": "leak", "kind": "float", "low": -1.0, "high": 1.0, "scale": "linear", "choices": None}
ORDER: dict[str, Any] = {
    "path": "order",
    "kind": "choice",
    "low": None,
    "high": None,
    "scale": None,
    "choices": ["even", "random"],
}
NUMBERS = [STRENGTH, COUNT, LEAK]


def hill(values: dict[str, Any]) -> float:
    """Highest, 0.9, at a strength of 60 and a count of 400; the leak does nothing."""
    away = math.log10(values["strength"] / 60)
    return 0.9 - 0.4 * away**2 - 0.2 * ((values["count"] - 400) / 200) ** 2


def trials_of(
    function: Callable[[dict[str, Any]], float], parameters: list[dict[str, Any]], n: int = 60, noise: float = 0.01
) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    found = []
    for number in range(n):
        values: dict[str, Any] = {}
        for p in parameters:
            values[p["path"]] = rng.choice(p["choices"]).item() if p["choices"] else value_at(p, rng.random())
            if p["kind"] == "int":
                values[p["path"]] = round(values[p["path"]])
        found.append({"number": number, "state": "complete", "values": values})
        found[-1]["means"] = [0.0, function(values) + noise * rng.standard_normal()]
    return found


def width(parameter: dict[str, Any], region: dict[str, Any]) -> float:
    """Share of its range, in the scale it is searched on."""
    return place(parameter, region[parameter["path"]]["high"]) - place(parameter, region[parameter["path"]]["low"])


@pytest.fixture(scope="module")
def trials() -> list[dict[str, Any]]:
    return trials_of(hill, NUMBERS)


@pytest.fixture(scope="module")
def fitted(trials: list[dict[str, Any]]) -> surrogate.Surrogate:
    found = surrogate.fit(NUMBERS, trials, 1)
    assert found is not None
    return found


def test_importance_is_the_share_of_the_variance_that_a_sum_of_quadratics_has(trials: list[dict[str, Any]]) -> None:
    shares = surrogate.importance(NUMBERS, trials, 1)
    # an additive function: each share is the variance of its own term, here by a fine grid
    u = np.linspace(0, 1, 100_001)
    terms = [np.var(0.4 * np.log10(10 * 100**u / 60) ** 2), np.var(0.2 * ((100 + 400 * u - 400) / 200) ** 2)]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["leak"] < 0.01
    assert shares["strength"] == pytest.approx(terms[0] / sum(terms), abs=0.05)
    assert shares == surrogate.importance(NUMBERS, trials, 1)


def test_the_surrogate_predicts_what_it_has_not_seen_and_knows_how_well(fitted: surrogate.Surrogate) -> None:
    fresh = trials_of(hill, NUMBERS, n=200, noise=0)[60:]
    mean, sd = fitted.predict(fitted.coding.encode([trial["values"] for trial in fresh]))
    wrong = np.abs(mean - [trial["means"][1] for trial in fresh])
    assert wrong.mean() < 0.01
    assert np.mean(wrong < 2 * sd) > 0.8


def test_the_noise_of_the_trials_is_learned(fitted: surrogate.Surrogate) -> None:
    assert fitted.noise == pytest.approx(0.01, rel=0.3)


def test_the_region_holds_the_optimum_and_is_narrow_only_where_it_matters(fitted: surrogate.Surrogate) -> None:
    region = surrogate.region(fitted, NUMBERS, np.random.default_rng(1))
    assert region["strength"]["low"] < 60 < region["strength"]["high"]
    assert region["count"]["low"] < 400 < region["count"]["high"]
    assert width(STRENGTH, region) < 0.25
    assert width(COUNT, region) < 0.4
    assert width(LEAK, region) == pytest.approx(0.8, abs=0.1)
    assert all(isinstance(end, int) for end in region["count"].values())
    assert region == surrogate.region(fitted, NUMBERS, np.random.default_rng(1))


def test_a_metric_to_minimise_has_its_optimum_where_its_negative_has() -> None:
    trials = trials_of(lambda values: 5 - hill(values), NUMBERS)
    found = surrogate.fit(NUMBERS, trials, 1, "minimise")
    region = surrogate.region(found, NUMBERS, np.random.default_rng(1))
    assert region["strength"]["low"] < 60 < region["strength"]["high"]
    assert width(STRENGTH, region) < 0.25
    (surface, *_) = surrogate.surfaces(found, NUMBERS, {"strength": 1.0}, {"strength": 60.0, "count": 400}, "loss")
    assert np.min(surface["mean"]) == pytest.approx(4.1, abs=0.02)  # in the metric's own unit


def test_surfaces_are_slices_through_the_best_point(fitted: surrogate.Surrogate) -> None:
    best = {"strength": 55.0, "count": 390, "leak": 0.3}
    shares = {"strength": 0.2, "count": 0.8, "leak": 0.0}
    found = surrogate.surfaces(fitted, NUMBERS, shares, best, "accuracy", points=21)
    assert [(s["x"], s["y"]) for s in found] == [("count", "strength"), ("count", "leak"), ("strength", "leak")]
    surface = found[0]
    mean = np.array(surface["mean"])
    assert mean.shape == (21, 21)
    row, column = np.unravel_index(mean.argmax(), mean.shape)
    assert surface["x_values"][column] == pytest.approx(400, abs=40)
    assert surface["y_values"][row] == pytest.approx(60, rel=0.35)
    ratios = np.divide(surface["y_values"][1:], surface["y_values"][:-1])
    np.testing.assert_allclose(ratios, ratios[0])  # logarithmic
    values = {"count": surface["x_values"][4], "strength": surface["y_values"][7], "leak": 0.3}
    expected, sd = fitted.predict(fitted.coding.encode([values]))
    assert mean[7, 4] == pytest.approx(expected[0])
    assert surface["sd"][7][4] == pytest.approx(sd[0], rel=1e-4)
    assert expected[0] == pytest.approx(hill(values), abs=0.02)


def test_a_choice_that_matters_is_important_and_its_better_option_is_told() -> None:
    parameters = [STRENGTH, ORDER]
    trials = trials_of(lambda v: 0.3 * (v["order"] == "even") + 0.02 * math.log10(v["strength"]), parameters)
    shares = surrogate.importance(parameters, trials, 1)
    assert shares["order"] > 0.9
    found = surrogate.fit(parameters, trials, 1)
    region = surrogate.region(found, parameters, np.random.default_rng(0))
    assert region["order"]["choices"]["even"] > 0.99
    assert sum(region["order"]["choices"].values()) == pytest.approx(1)
    assert surrogate.surfaces(found, parameters, shares, {"strength": 20.0, "order": "even"}, "accuracy") == []


def test_a_parameter_inactive_in_some_trials_is_fitted_and_not_paired_where_the_best_lacks_it() -> None:
    trials = trials_of(hill, NUMBERS)
    for trial in trials[::2]:
        del trial["values"]["leak"]
    found = surrogate.fit(NUMBERS, trials, 1)
    assert surrogate.importance(NUMBERS, trials, 1)["leak"] < 0.02
    (surface,) = surrogate.surfaces(found, NUMBERS, {"leak": 1.0}, {"strength": 60.0, "count": 400}, "accuracy")
    assert {surface["x"], surface["y"]} == {"strength", "count"}


def test_coding_says_where_each_kind_of_value_stands() -> None:
    coding = Coding([STRENGTH, ORDER, COUNT])
    encoded = coding.encode([{"strength": 100.0, "order": "random", "count": 200}, {}])
    np.testing.assert_allclose(encoded, [[0.5, 0, 1, 0.25], [0.5, 0.5, 0.5, 0.5]])
    assert value_at(STRENGTH, 0.5) == pytest.approx(100)
    np.testing.assert_allclose(coding.encode([{}]), [[0.5, 0.5, 0.5, 0.5]])
    np.testing.assert_allclose(
        coding.spread(np.array([[0.2, 0.3, 0.1], [0.9, 0.5, 0.4]])), [[0.2, 1, 0, 0.1], [0.9, 0, 1, 0.4]]
    )
    for parameter in (STRENGTH, COUNT):
        assert [place(parameter, value_at(parameter, u)) for u in (0, 0.3, 1)] == pytest.approx([0, 0.3, 1])
        assert (value_at(parameter, -1), value_at(parameter, 2)) == (parameter["low"], parameter["high"])


def test_few_trials_say_nothing() -> None:
    trials = trials_of(hill, NUMBERS, n=7) + [{"state": "pruned", "values": {}, "means": None}] * 20
    assert surrogate.fit(NUMBERS, trials, 1) is None
    assert surrogate.fit([], trials_of(hill, NUMBERS), 1) is None
    assert surrogate.importance(NUMBERS, trials, 1) == {}
    assert surrogate.region(None, NUMBERS, np.random.default_rng(0)) == {}
    assert surrogate.surfaces(None, NUMBERS, {}, {"strength": 60.0, "count": 400}, "accuracy") == []


def test_pure_noise_leaves_the_optimum_open() -> None:
    noise = trials_of(lambda _: 0.5, NUMBERS, noise=0.1)
    region = surrogate.region(surrogate.fit(NUMBERS, noise, 1), NUMBERS, np.random.default_rng(0))
    assert min(width(parameter, region) for parameter in NUMBERS) > 0.6


def test_a_constant_says_nothing() -> None:
    assert surrogate.fit(NUMBERS, trials_of(lambda _: 0.5, NUMBERS, noise=0.0), 1) is None


def test_without_noise_the_region_is_where_the_function_is_highest() -> None:
    trials = trials_of(lambda values: values["leak"], NUMBERS, noise=0.0)
    region = surrogate.region(surrogate.fit(NUMBERS, trials, 1), NUMBERS, np.random.default_rng(0))
    best = max(trial["values"]["leak"] for trial in trials)
    assert best - 0.01 < region["leak"]["low"] < region["leak"]["high"] < best + 0.1  # no trial came near 1
    assert width(COUNT, region) > 0.5


def test_of_many_trials_some_fit_the_kernel_and_all_predict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian, "MOST", 40)
    found = surrogate.fit(NUMBERS, trials_of(hill, NUMBERS, n=200), 1)
    assert found is not None
    assert len(found.model.X_train_) == 200
    fresh = trials_of(hill, NUMBERS, n=300, noise=0)[200:]
    wrong = found.mean(found.coding.encode([t["values"] for t in fresh])) - [t["means"][1] for t in fresh]
    assert np.abs(wrong).mean() < 0.005


def test_two_trials_a_parameter_of_ten_parameters_find_the_one_that_matters() -> None:
    many = [LEAK | {"path": f"p{k}"} for k in range(10)]
    assert surrogate.fit(many, trials_of(lambda values: values["p4"], many, n=19), 1) is None
    trials = trials_of(lambda values: values["p4"], many, n=20, noise=0.02)
    shares = surrogate.importance(many, trials, 1)
    assert max(shares, key=lambda path: shares[path]) == "p4"
    assert shares["p4"] > 0.6


def test_a_corner_that_no_trial_came_near_is_not_recommended() -> None:
    """A slope that goes on beyond the trials; a Gaussian process follows it above everything seen."""
    trials = [trial for trial in trials_of(hill, NUMBERS, n=150) if trial["values"]["count"] < 350]
    region = surrogate.region(surrogate.fit(NUMBERS, trials, 1), NUMBERS, np.random.default_rng(0))
    assert 300 < region["count"]["low"] < region["count"]["high"] < 400
    assert region["strength"]["low"] < 60 < region["strength"]["high"]


def test_the_noise_of_good_trials_is_that_of_their_seeds() -> None:
    """The bad ones differ more; what differs by chance near the top is what counts."""
    trials = trials_of(hill, NUMBERS, noise=0.05)
    for trial in trials:
        trial["per_seed"] = [[], [trial["means"][1] - 0.01, trial["means"][1] + 0.01]]
    found = surrogate.fit(NUMBERS, trials, 1)
    assert found is not None
    assert found.noise == pytest.approx(0.01)  # sd of 0.0141 over the root of two seeds
