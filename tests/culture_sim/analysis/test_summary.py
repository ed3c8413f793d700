"""Metrics of evoked responses from the trials: scale, windows, growth, published values, for several plans."""

import numpy as np
import pytest

from culture_sim.analysis.summary import summarise
from protocols.loading.loader import load
from protocols.loading.published import Target
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import Protocol

#: one published value, which sets the scale
CALIBRATED = ["evoked.scale=1", "evoked.calibrate_on=evoked/L/before"]
FREE = ["evoked.scale=1"]

Leaky = dict[tuple[str, str, str], np.ndarray]


def seed(before: float, after: float, n_before: int = 5, n_after: int = 5) -> Leaky:
    found = {}
    for window, factor in (("before", 1.0), ("after", 0.5)):
        for stimulus in ("L", "inverted_L"):
            found[stimulus, "before", window] = np.full(n_before, before * factor)
            found[stimulus, "after", window] = np.full(n_after, after * factor)
    return found


def target(quantity: str, value: float, window_ms: float) -> Target:
    return Target(quantity, None, value, 1.0, 4, "units", window_ms, "culture", "source", "figure")


def protocol(**changes: object) -> Protocol:
    return load("ruaro2005", CALIBRATED).model_copy(update=changes)


def test_scale_moments_and_growth() -> None:
    targets = [target("evoked/L/before", 6.0, 20), target("evoked/L/after", 9.0, 50)]
    metrics = summarise(protocol(), [seed(1, 4), seed(2, 6), seed(3, 2)], targets)
    assert metrics["calibration"]["gain"] == pytest.approx(3.0)
    assert metrics["evoked/L/before"]["mean"] == pytest.approx(6.0)
    assert metrics["evoked/L/before"]["sd"] == pytest.approx(3.0)
    assert metrics["evoked/L/before"]["window_ms"] == [0, 20]
    assert metrics["evoked/L/after"]["per_seed"] == pytest.approx([6.0, 9.0, 3.0])  # 50 ms: half
    assert metrics["evoked/L/after/20ms"]["mean"] == pytest.approx(12.0)
    assert metrics["growth/L/20ms"]["ratio_per_seed"] == pytest.approx([4.0, 3.0, 2 / 3])
    assert metrics["growth/L/20ms"]["grows_per_seed"] == [True, True, False]
    assert [row["verdict"] for row in metrics["targets"]] == ["calibrated", "differs"]


def test_a_given_scale_needs_no_published_value() -> None:
    unit = "10 x leaky spikes per neuron"
    published = Target("evoked/L/before", None, 12.0, 3.0, 4, unit, 20, "culture", "source", "figure")
    metrics = summarise(load("ruaro2005"), [seed(1, 4), seed(2, 6)], [published])
    assert metrics["evoked/L/before"]["per_seed"] == pytest.approx([10.0, 20.0])
    assert metrics["leaky/L/before"]["per_seed"] == pytest.approx([1.0, 2.0])
    assert "calibration" not in metrics
    assert [row["verdict"] for row in metrics["targets"]] == ["agrees"]


def test_a_scale_is_given_or_calibrated_not_both() -> None:
    with pytest.raises(ProtocolFault, match=r"evoked\.calibrate_on"):
        load("ruaro2005", ["evoked.calibrate_on=evoked/L/before"])


def test_a_published_value_of_another_window_or_unit_is_not_compared() -> None:
    targets = [target("evoked/L/before", 6.0, 20), target("evoked/L/after", 9.0, 100)]
    metrics = summarise(protocol(), [seed(1, 4)], targets)
    assert [row["quantity"] for row in metrics["targets"]] == ["evoked/L/before"]
    free = load("ruaro2005", FREE)
    assert summarise(free, [seed(1, 4)], targets)["targets"] == []


def test_one_seed_has_no_spread_and_a_silent_culture_no_scale() -> None:
    metrics = summarise(protocol(), [seed(1, 4)], [target("evoked/L/before", 6.0, 20)])
    assert metrics["evoked/L/before"]["sd"] is None
    with pytest.raises(RuntimeError, match="no response was measured"):
        summarise(protocol(), [seed(0, 0)], [target("evoked/L/before", 6.0, 20)])


def test_growth_pairs_the_trials_both_phases_have_and_follows_their_order() -> None:
    uneven = summarise(load("ruaro2005", FREE), [seed(1, 4, 3, 8)], [])
    assert uneven["growth/L/20ms"]["ratio_per_seed"] == pytest.approx([4.0])
    turned = load("ruaro2005", [*FREE, "evoked.windows={after: 50 ms, before: 20 ms}"])
    assert summarise(turned, [seed(1, 4)], [])["growth/L/20ms"]["from"] == "before"
    partly = {key: value for key, value in seed(1, 4).items() if key[:2] != ("inverted_L", "after")}
    assert "growth/inverted_L/20ms" not in summarise(turned, [partly], [])
    assert summarise(load("ruaro2005", ["evoked={windows: {}}"]), [{}], []) == {"targets": []}
