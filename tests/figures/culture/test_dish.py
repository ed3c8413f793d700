"""Figures of living dishes against the arrays and metrics that they draw."""

import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from probeinterface import generate_linear_probe, write_probeinterface

from culture_sim.model.electrodes import electrode_positions
from figures.culture.dish import array, burst_frames, bursts, electrode_map, leaky, paired_pulse
from figures.culture.dish.burst_frames import N_FRAMES
from figures.culture.dish.spontaneous_step import SpontaneousStep, spontaneous_steps
from figures.runs.run import DishRun
from protocols.loading.loader import load
from protocols.plan.dish import expand_dish
from protocols.spec.array import LAYOUTS, Array
from protocols.spec.protocol import DishProtocol
from tests.protocols.spec.test_dish import GOOD, written

TARGETS = Path(__file__).parents[3] / "protocols" / "targets" / "ruaro2005_living.csv"


@pytest.fixture(autouse=True)
def closed() -> Any:
    yield
    plt.close("all")


def run_of(folder: Path, arrays: dict[str, np.ndarray], metrics: dict[str, Any], text: str = GOOD) -> DishRun:
    protocol = load(written(folder, text))
    assert isinstance(protocol, DishProtocol)
    return DishRun(folder, protocol, arrays, metrics, {})


def bursting(seed: int = 0) -> SpontaneousStep:
    """Spikes at random on 6 electrodes, and bursts that were found somewhere."""
    rng = np.random.default_rng(seed)
    start = np.array([0.005, 0.5, 0.9, 1.4, 1.98])
    duration = np.array([0.1, 0.3, 0.1, 0.02, 0.1])  # median 0.1: the first has no frame before it, the last none after
    time = np.sort(np.concatenate([rng.integers(0, 2000, 1500) / 1000, start]))
    return SpontaneousStep("activity", "rest", 0, 2.0, time, rng.integers(0, 6, len(time)), start, start + duration)


def test_frames_show_a_burst_of_median_duration_that_lies_within_the_step() -> None:
    step = bursting()
    assert burst_frames.typical_burst(step) == (2, 0.01)  # 7 frames of 10 ms show half of 100 ms
    none = SpontaneousStep("activity", "rest", 0, 2.0, step.time, step.electrode, step.start[:0], step.end[:0])
    assert burst_frames.typical_burst(none) is None


def test_frames_count_each_electrodes_spikes_from_the_onset() -> None:
    step = bursting()
    found = burst_frames.frame_rates(step, 2, 0.01, 6)
    for k in range(N_FRAMES):
        first = 900 + 10 * (k - 1)  # ms
        for electrode in range(6):
            inside = sum(
                first <= round(1000 * t) < first + 10 and e == electrode
                for t, e in zip(step.time.tolist(), step.electrode.tolist(), strict=True)
            )
            assert found[k, electrode] == pytest.approx(inside / 0.01)


def test_electrodes_are_drawn_where_they_are_and_hollow_without_a_value() -> None:
    places = np.array([[0, 0], [3, 0], [0, 2], [3, 4]]) * 1e-4  # a grid with holes
    ax = plt.subplots()[1]
    shown = electrode_map.draw(ax, places, np.array([1.0, np.nan, 3.0, 2.0]), (0, 4))
    hollow, filled = ax.collections
    assert filled is shown
    centres = [path.get_extents().get_points().mean(axis=0) for path in shown.get_paths()]
    np.testing.assert_allclose(centres, places[[0, 2, 3]], atol=1e-12)
    np.testing.assert_array_equal(shown.get_array(), [1, 3, 2])
    assert len(hollow.get_paths()) == 1
    assert hollow.get_facecolor().size == 0 or hollow.get_facecolor()[0, 3] == 0
    assert ax.yaxis_inverted()  # row 0 above
    width = np.ptp(shown.get_paths()[0].get_extents().get_points()[:, 0])
    assert 0 < width < 2e-4  # discs do not touch


def test_steps_and_bursts_are_those_of_the_run(tmp_path: Path) -> None:
    arrays = {}
    for seed in (0, 1):
        arrays |= {
            f"seed_{seed}/heard/step": np.array([5, 100, 1999, 2000, 2500], np.int32),
            f"seed_{seed}/heard/electrode": np.array([1, 2, 3, 4, 5], np.int16),
            f"seed_{seed}/network_bursts/activity/start": np.array([0.1, 1.0 + seed]),
            f"seed_{seed}/network_bursts/activity/end": np.array([0.3, 1.5 + seed]),
        }
    run = run_of(tmp_path, arrays, {}, GOOD + "seeds: 2\n")
    first, second = spontaneous_steps(run)
    assert (first.step, first.seed, first.duration, second.seed) == ("rest", 0, 2.0, 1)
    np.testing.assert_allclose(first.time, [0.005, 0.1, 1.999])  # the step is 2 s long
    np.testing.assert_array_equal(first.electrode, [1, 2, 3])
    ax = bursts.figure(run).axes[1]  # type: ignore[union-attr]
    assert ax.get_legend().get_texts()[0].get_text() == "twin, rest (n=2; 2 intervals)"
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), [0.9, 1.9])
    assert spontaneous_steps(run_of(tmp_path, arrays, {}, GOOD.replace("  activity: {panel: rest}\n", ""))) == []


def test_distributions_are_the_mean_of_those_of_the_recordings() -> None:
    a = (np.array([0.0, 1.0, 3.0]), np.array([0.2, 1.4, 3.1]))
    b = (np.array([0.0, 4.0]), np.array([0.4, 4.1]))
    quiet = (np.zeros(0), np.zeros(0))
    fig = bursts.distributions({"twin": [a, b, quiet]})
    durations, intervals = (ax.lines[-1] for ax in fig.axes)
    at, share = durations.get_data()
    for x, y in zip(at, share, strict=True):
        each = [np.mean(end - start <= x) for start, end in (a, b)]
        assert y == pytest.approx(np.mean(each))
    np.testing.assert_allclose(intervals.get_xdata(), [1, 2, 4])
    np.testing.assert_allclose(intervals.get_ydata(), [0.25, 0.5, 1])
    assert "n=2; 5 bursts" in durations.get_label()


def test_leaky_courses_stand_beside_the_published_ones(tmp_path: Path) -> None:
    text = GOOD.replace("leaky: {course", "course: {course").replace("left", "L").replace("right", "inverted_L")
    shutil.copy(TARGETS, tmp_path / "ruaro2005_living.csv")
    run = run_of(tmp_path, {}, {}, text + "targets: ruaro2005_living.csv\n")
    course = run.protocol.measure["course"]
    for k, step in enumerate(("before", "after")):
        for pattern in ("L", "inverted_L"):
            for b, key in enumerate(course.bins):  # type: ignore[union-attr]
                run.metrics[f"course/{step}/{pattern}/{key}"] = {"mean": k + 0.1 * b, "sd": 0.05, "n": 3}
    ax = leaky.figure(run).axes[2]  # type: ignore[union-attr]
    assert ax.get_title(loc="left") == "L, after"
    band, mean = (patch.get_data() for patch in ax.patches)
    np.testing.assert_allclose(mean.values, 1 + 0.1 * np.arange(10))
    np.testing.assert_allclose(mean.edges, np.arange(0, 101, 10))
    np.testing.assert_allclose(band.values - mean.values, 0.05)
    np.testing.assert_allclose(mean.values - band.baseline, 0.05)
    line = next(c.lines[0] for c in ax.containers if c.get_label() == "Ruaro 2005 (n=4)")
    time, published = np.transpose(line.get_xydata())
    np.testing.assert_allclose(time, np.arange(5, 100, 10))
    np.testing.assert_allclose(published, [0.7, 1.1, 0.8, 0.6, 0.5, 0.4, 0.4, 0.3, 0.3, 0.2])
    assert leaky.figure(run_of(tmp_path, {}, {}, GOOD.replace("  leaky: {course: [before, after]}\n", ""))) is None


def test_the_culture_is_drawn_with_its_electrodes_where_they_are(tmp_path: Path) -> None:
    text = GOOD.replace("  neurons:", "  array: mcs_8x8\n  neurons:").replace("[[0, 0], [1, 0]]", "[[0, 1], [3, 4]]")
    places = electrode_positions(Array.model_validate(LAYOUTS["mcs_8x8"]))
    heard = np.repeat(np.arange(60), np.arange(60))
    arrays = {
        "seed_0/electrodes": places,
        "seed_0/positions": places[5:] + np.array([0, 50e-6]),
        "seed_0/excitatory": np.arange(55) < 40,
        "seed_0/heard/electrode": heard,
    }
    run = run_of(tmp_path, arrays, {}, text.replace("[[0, 7]]", "[[7, 6]]"))
    rates = array.heard_rates(run, 0)
    assert np.isnan(rates[:5]).all()
    np.testing.assert_allclose(rates[5:] * run.duration_s, np.arange(5, 60))
    left, right, *_ = array.figure(run).axes
    (rings, *stimulated), (hollow, filled) = left.collections, right.collections

    def centres(collection: Any) -> np.ndarray:
        extents = [path.get_extents() for path in collection.get_paths()]
        return np.array([((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in extents])

    np.testing.assert_allclose(centres(rings), places, atol=1e-9)
    np.testing.assert_allclose(np.vstack([centres(hollow), centres(filled)]), places, atol=1e-9)
    expected = [[(1.5, 0.5), (4.5, 3.5)], [(6.5, 7.5)]]
    for collection, pairs in zip(stimulated, expected, strict=True):
        np.testing.assert_allclose(centres(collection), np.array(pairs) * 200e-6, atol=1e-9)
    assert left.get_ylim()[0] > left.get_ylim()[1]  # rows go down
    assert (left.get_xlim(), left.get_ylim()) == (right.get_xlim(), right.get_ylim())  # to the same scale
    names = [text.get_text() for text in array.figure(run).legends[0].get_texts()]
    assert names == [
        "excitatory",
        "inhibitory",
        "electrode, hears 60 um (ring)",
        "stimulated: left",
        "stimulated: right",
    ]


def test_a_probe_is_drawn_with_y_up(tmp_path: Path) -> None:
    write_probeinterface(tmp_path / "my.json", generate_linear_probe(4, 100))
    text = GOOD.replace("  neurons: {count: 100}", "  array: {probe: my.json}\n  neurons: {count: 100}")
    run = run_of(tmp_path, {}, {}, text.replace("[[0, 0], [1, 0]]", "[0]").replace("[[0, 7]]", "[3]"))
    assert electrode_map.points_up(run)
    _, ax = plt.subplots()
    electrode_map.draw(ax, electrode_positions(run.protocol.culture.array), np.arange(4.0), (0, 3), up=True)
    assert ax.get_ylim()[0] < ax.get_ylim()[1]


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    places = electrode_positions(Array())
    fig, ax = plt.subplots()
    electrode_map.draw(ax, places, np.ones(len(places)), (0, 1))
    electrode_map.scale_bar(ax, places)
    bar, text = ax.lines[-1], ax.texts[-1].get_text()
    pitch = float(np.unique(np.diff(np.unique(places[:, 0])))[0])
    assert np.ptp(np.asarray(bar.get_xdata())) == pytest.approx(float(text.removesuffix(" mm")) * 1e-3)
    fig.canvas.draw()
    assert bar.get_solid_capstyle() == "butt"  # another one adds the width of the line at both ends
    assert float(text.removesuffix(" mm")) * 1e-3 >= pitch


def test_paired_pulses_show_both_responses_and_their_ratio(tmp_path: Path) -> None:
    text = GOOD.replace(
        "measure:", "  - {name: far, pair: [left, right], interval: 1 s, repetitions: 2, every: 2 s}\nmeasure:"
    )
    text = text.replace("  ppr:", "  apart: {paired_pulse: far}\n  ppr:") + "seeds: 2\n"
    protocol = load(written(tmp_path, text))
    assert isinstance(protocol, DishProtocol)
    plan, rng, arrays = expand_dish(protocol), np.random.default_rng(0), {}
    n = protocol.culture.array.n_electrodes
    for seed in (0, 1):
        steps = np.sort(rng.integers(0, plan.n_steps, 30_000)).astype(np.int32)
        arrays |= {
            f"seed_{seed}/heard/step": steps,
            f"seed_{seed}/heard/direct": rng.random(len(steps)) < 0.2,
            f"seed_{seed}/electrodes": np.zeros((n, 2)),
        }
    metrics = {"ppr/ratio": {"per_seed": [0.5, None]}, "apart/ratio": {"per_seed": [0.8, 1.0]}}
    run = DishRun(tmp_path, protocol, arrays, metrics, {})
    near, far = paired_pulse.paired(run)
    assert (near.name, far.name) == ("ppr", "apart")
    assert (near.edges[-1], far.edges[-1]) == pytest.approx((0.05, 0.1))  # up to the second pulse
    for k, pattern in enumerate(("left", "right")):
        pulses = plan.pulses_of("far", pattern, k).tolist()
        heard = arrays["seed_1/heard/step"][~arrays["seed_1/heard/direct"]].tolist()
        for b in range(len(far.edges) - 1):
            count = sum(5 * b <= step - pulse < 5 * (b + 1) for pulse in pulses for step in heard)
            assert far.rates[k, 1, b] == pytest.approx(count / len(pulses) / n / 0.005)
    fig = paired_pulse.figure(run)
    assert fig is not None
    *responses, ratio = fig.axes
    assert [ax.get_title(loc="left") for ax in responses] == ["50 ms apart", "1 s apart"]
    np.testing.assert_allclose(ratio.lines[0].get_xydata(), [(50, 0.5), (1000, 0.8)])
    means = next(container for container in ratio.containers if container.get_label() == "mean +- sd (n=2)")
    np.testing.assert_allclose(np.asarray(means.lines[0].get_ydata(), float), [0.5, 0.9])  # type: ignore[attr-defined]
    none = GOOD.replace("  ppr: {paired_pulse: pairs}\n", "")
    assert paired_pulse.figure(run_of(tmp_path, {}, {}, none)) is None
