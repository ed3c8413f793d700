"""Trials of a reservoir: balanced, in random order, at the right times, with the right currents."""

from pathlib import Path

import numpy as np
import pytest

from protocols.loading.loader import load
from protocols.plan.reservoir import disturbed, electrode_pulses, expand_reservoir, n_steps, n_trials
from protocols.spec.protocol import ReservoirProtocol
from tests.protocols.spec.test_reservoir import GOOD, written


def loaded(folder: Path, text: str) -> ReservoirProtocol:
    protocol = load(written(folder, text))
    assert isinstance(protocol, ReservoirProtocol)
    return protocol


def test_every_pattern_comes_equally_often_in_random_order(tmp_path: Path) -> None:
    protocol = loaded(tmp_path, GOOD)
    trials = expand_reservoir(protocol, 0)
    assert np.bincount(trials.pattern).tolist() == [6] * 4
    assert not np.array_equal(trials.pattern, np.sort(trials.pattern))
    assert not np.array_equal(trials.pattern, expand_reservoir(protocol, 1).pattern)
    assert np.array_equal(trials.pattern, expand_reservoir(protocol, 0).pattern)
    assert trials.at.tolist() == [1000 + 200 * k for k in range(24)]
    assert trials.n_steps == 1000 + 200 * 24
    assert trials.current.sum(axis=1).tolist() == [4.0] * 24


def test_sessions_have_a_pause_in_which_synapses_may_change(tmp_path: Path) -> None:
    text = GOOD.replace("count: 100}", "count: 100}\n  plasticity: {}")
    protocol = loaded(tmp_path, text + "  sessions: {count: 3, pause: 5 s, plastic: true}\n")
    trials = expand_reservoir(protocol, 0)
    starts = [trials.at[trials.session == k][0] for k in range(3)]
    ends = [trials.at[trials.session == k][-1] for k in range(3)]
    assert [starts[1] - ends[0], starts[2] - ends[1]] == [5000, 5000]
    assert (n_trials(protocol), n_steps(protocol)) == (len(trials), trials.n_steps)
    assert trials.plastic.tolist() == [[ends[0] + 200, starts[1]], [ends[1] + 200, starts[2]]]
    always = loaded(tmp_path, text + "  plastic: true\n")
    assert expand_reservoir(always, 0).plastic.tolist() == [[1000, 1000 + 24 * 200]]


def test_pulses_are_those_of_the_patterns(tmp_path: Path) -> None:
    text = GOOD + "  stimulus: {amplitude: 30 uA, pulses: 3, rate: 50 Hz}\n"
    protocol = loaded(tmp_path, text)
    trials = expand_reservoir(protocol, 0)
    pulses = electrode_pulses(protocol, trials)
    given = sorted(zip(pulses.step.tolist(), pulses.electrode.tolist(), strict=True))
    expected = sorted(
        (int(at) + 20 * turn, int(electrode))
        for at, current in zip(trials.at, trials.current, strict=True)
        for electrode in np.flatnonzero(current)
        for turn in range(3)
    )
    assert given == expected
    assert set(pulses.amplitude_A.tolist()) == {30e-6}


def test_noise_replaces_electrodes_and_keeps_their_mean_number() -> None:
    current = np.zeros((4000, 60), np.float32)
    current[:, :12] = 0.5
    found = disturbed(current, 0.25, np.random.default_rng(0))
    kept = (found[:, :12] > 0).mean()
    assert kept == pytest.approx(0.75, abs=0.01)
    assert (found > 0).sum(axis=1).mean() == pytest.approx(12, abs=0.1)
    assert set(np.unique(found[:, :12])) == {0.0, 0.5}
    assert disturbed(current, 0.0, np.random.default_rng(0)) is current


def test_images_are_shown_once_at_the_current_of_their_pixels(tmp_path: Path) -> None:
    data = "data: {source: digits, classes: [3, 7], pool: 300, validation: 20, test: 20, size: [8, 8]}\n"
    text = data + GOOD.replace("{bars: 4, length: 4}\n  trials: 6", "{images: grey}")
    trials = expand_reservoir(loaded(tmp_path, text), 0)
    from protocols.images.examples import load_splits

    protocol = loaded(tmp_path, text)
    assert protocol.data is not None
    splits = load_splits(protocol.data)
    assert len(trials) == len(splits.training) + len(splits.test) == n_trials(protocol)
    assert n_steps(protocol) == trials.n_steps
    tested = trials.current[trials.part == 2]
    bright = np.where(splits.test.images >= 0.1, splits.test.images, 0).reshape(len(splits.test), -1)
    assert sorted(map(tuple, tested.tolist())) == sorted(map(tuple, bright.astype(np.float32).tolist()))
    binary = expand_reservoir(loaded(tmp_path, text.replace("grey", "binary")), 0)
    assert set(np.unique(binary.current)) == {0.0, 1.0}
