"""Figures of closed loops against the arrays and metrics that they draw."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from figures.culture.dish import closed_loop
from figures.html.runs.dish import recording
from figures.runs.run import DishRun
from protocols.loading.loader import load
from protocols.plan.dish import expand_dish
from protocols.spec.protocol import DishProtocol


@pytest.fixture(autouse=True)
def closed() -> Any:
    yield
    plt.close("all")


def run_of(name: str) -> DishRun:
    """A run of two cultures with spikes, pulses and balls at random."""
    protocol = load(name, quick=True)
    assert isinstance(protocol, DishProtocol)
    n_steps, arrays = expand_dish(protocol).n_steps, dict[str, np.ndarray]()
    for seed in protocol.seed_list:
        rng = np.random.default_rng(seed)
        balls = np.sort(rng.integers(10_000, n_steps, 40))
        arrays |= {
            f"seed_{seed}/electrodes": rng.random((64, 2)),
            f"seed_{seed}/heard/step": np.sort(rng.integers(0, n_steps, 3000)),
            f"seed_{seed}/heard/electrode": rng.integers(0, 64, 3000),
            f"seed_{seed}/stimuli/step": np.sort(rng.integers(n_steps - 20_000, n_steps, 500)),
            f"seed_{seed}/stimuli/electrode": rng.integers(0, 64, 500),
            f"seed_{seed}/stimuli/amplitude_A": np.full(500, 2e-5),
            f"seed_{seed}/stimuli/width_s": np.full(500, 2e-4),
            f"seed_{seed}/stimuli/label": rng.choice(["ball", "hit"], 500),
            f"seed_{seed}/events/step": balls,
            f"seed_{seed}/events/name": rng.choice(["hit", "miss"], 40),
            f"seed_{seed}/events/value": np.zeros(40),
        }
        for measure in ("rally/early", "rally/late", *(f"control/{p}{k}" for p in ("first", "second") for k in KINDS)):
            arrays[f"seed_{seed}/measured/{measure}"] = np.array(rng.random())
    return DishRun(Path("run"), protocol, arrays, {}, {})


KINDS = ("", " burstiness")


def test_the_raster_shows_the_end_of_every_loop() -> None:
    run = run_of("burst_suppression")
    fig = closed_loop.figure(run)
    assert fig is not None
    sham, _, during, _ = fig.axes
    assert [ax.get_title(loc="left") for ax in (sham, during)] == ["sham", "during"]
    plan = expand_dish(run.protocol)
    for ax, name in ((sham, "sham"), (during, "during")):
        _, stop, _ = plan.steps[plan.names.index(name)]
        pulses, spikes = ax.lines
        for line, kind in ((pulses, "stimuli"), (spikes, "heard")):
            at = run.array(0, f"{kind}/step")
            inside = (at >= stop - 20_000) & (at < stop)
            np.testing.assert_allclose(line.get_xdata(), (at[inside] - (stop - 20_000)) * 1e-3)
            np.testing.assert_array_equal(line.get_ydata(), run.array(0, f"{kind}/electrode")[inside])


def test_burst_control_joins_the_two_values_of_each_culture() -> None:
    run = run_of("burst_suppression")
    fig = closed_loop.burst_control(run)
    assert fig is not None
    for ax, kind in zip(fig.axes, KINDS, strict=True):
        for line, seed in zip(ax.lines, run.seeds, strict=False):
            expected = [float(run.array(seed, f"measured/control/{place}{kind}")) for place in ("first", "second")]
            np.testing.assert_allclose(line.get_ydata(), expected)


def test_rallies_count_the_balls_of_each_tenth_of_the_game() -> None:
    run = run_of("pong")
    fig = closed_loop.rallies(run)
    assert fig is not None
    course = fig.axes[0]
    for line, seed in zip(course.lines, run.seeds, strict=False):
        at, name = run.array(seed, "events/step"), run.array(seed, "events/name")
        for k, share in enumerate(line.get_ydata()):  # the game is 60 s long and begins at 10 s
            inside = (at >= 10_000 + 6000 * k) & (at < 10_000 + 6000 * (k + 1))
            if inside.any():
                assert share == pytest.approx((name[inside] == "hit").mean())
            else:
                assert np.isnan(share)


def test_a_dish_without_loops_has_no_such_figure() -> None:
    protocol = load("spontaneous")
    assert isinstance(protocol, DishProtocol)
    run = DishRun(Path("run"), protocol, {}, {}, {})
    assert closed_loop.figure(run) is None
    assert closed_loop.burst_control(run) is None
    assert closed_loop.rallies(run) is None


def test_the_page_marks_the_pulses_of_loops() -> None:
    run = run_of("pong")
    stimuli = {stimulus.name: stimulus for stimulus in recording(run, expand_dish(run.protocol), 1000).stimuli}
    at, label = run.array(0, "stimuli/step"), run.array(0, "stimuli/label")
    for name in ("ball", "hit"):
        shown = stimuli[f"{name}, game"]
        np.testing.assert_allclose(np.unique(shown.times), np.unique(at[label == name]) * 1e-3)
        np.testing.assert_array_equal(shown.electrodes, np.unique(run.array(0, "stimuli/electrode")[label == name]))
