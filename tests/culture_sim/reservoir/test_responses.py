"""Features of responses equal a literal count, spike by spike."""

from pathlib import Path

import numpy as np
import pytest

from culture_sim.analysis.stimulation import Heard
from culture_sim.reservoir.responses import features
from protocols.loading.loader import load
from protocols.plan.reservoir import expand_reservoir
from protocols.spec.protocol import ReservoirProtocol
from tests.protocols.spec.test_reservoir import GOOD, written

WINDOWS = {"a": (2, 10), "b": (5, 40)}  # ms; they overlap


def literal(kind: str, at: int, heard: Heard, electrode: int, first: int, last: int) -> float:
    spikes = [
        int(step) - at
        for step, own, direct in zip(*heard, strict=True)
        if own == electrode and not direct and first <= step - at < last
    ]
    match kind:
        case "counts":
            return len(spikes)
        case "latency":
            return (min(spikes, default=last) - first) * 1e-3
    return sum(np.exp(-(last - step) / 20) for step in spikes)


@pytest.mark.parametrize("kind", ["counts", "latency", "trace"])
@pytest.mark.parametrize("before", [False, True])
def test_features_are_those_of_the_spikes_in_each_window(kind: str, before: bool, tmp_path: Path) -> None:
    text = GOOD + f"  response: {{features: {kind}, windows: {{a: [2 ms, 10 ms], b: [5 ms, 40 ms]}}}}\n"
    protocol = load(written(tmp_path, text))
    assert isinstance(protocol, ReservoirProtocol)
    trials, rng = expand_reservoir(protocol, 0), np.random.default_rng(0)
    step = np.sort(rng.integers(trials.n_steps, size=20_000))
    heard = Heard(step, rng.integers(64, size=len(step)), rng.random(len(step)) < 0.3)
    found = features(protocol, trials.at, heard, before=before)
    assert found.shape == (24, 2, 64)
    for trial in (0, 7, 23):
        for window, (first, last) in enumerate(WINDOWS.values()):
            shift = 40 if before else 0
            for electrode in (0, 31, 63):
                expected = literal(kind, int(trials.at[trial]), heard, electrode, first - shift, last - shift)
                assert found[trial, window, electrode] == pytest.approx(expected, rel=1e-5, abs=1e-7)
