"""Protocols with a timeline: what they hold, and one clear line for each mistake."""

from pathlib import Path

import pytest

from protocols.loading.loader import load
from protocols.loading.objectives import metric_names
from protocols.loading.published import read_targets
from protocols.spec.dish.timeline import Pair, Repeat, Rest, duration, unrolled
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol

GOOD = """\
name: mine
title: Two pathways
citation: none
culture:
  model: living
  neurons: {count: 100}
  plasticity: {}
  synapses: {delay: {}}
patterns:
  left:
    electrodes: [[0, 0], [1, 0]]
    amplitude: 30 uA
  right: {electrodes: [[0, 7]]}
timeline:
  - {rest: 2 s}
  - {name: before, probe: [left, right], repetitions: 3, every: 1 s}
  - {name: tetanus, train: left, pulses: 10, rate: 100 Hz, repetitions: 2, every: 5 s}
  - {name: after, probe: [left, right], repetitions: 3, every: 1 s}
  - {name: pairs, pair: left, interval: 50 ms, repetitions: 4, every: 2 s}
measure:
  activity: {panel: rest}
  response: {evoked: [before, after]}
  leaky: {course: [before, after]}
  ppr: {paired_pulse: pairs}
  growth: {growth: [before, after]}
  synchrony: {sttc: [rest, pairs], near: 250 um}
  change: {connectivity: [before, after], dt: 50 ms}
"""


def written(folder: Path, text: str) -> str:
    (folder / "mine.yaml").write_text(text)
    return str(folder / "mine.yaml")


def test_a_protocol_with_a_timeline_is_read(tmp_path: Path) -> None:
    protocol = load(written(tmp_path, GOOD))
    assert isinstance(protocol, DishProtocol)
    names = [name for name, _ in unrolled(protocol.timeline)]
    assert names == ["rest", "before", "tetanus", "after", "pairs"]
    assert [duration(step) for _, step in unrolled(protocol.timeline)] == [2, 6, 10, 6, 8]
    assert protocol.patterns["left"].amplitude == pytest.approx(30e-6)
    assert protocol.patterns["left"].electrodes == ((0, 0), (1, 0))
    assert [step.plastic for _, step in unrolled(protocol.timeline)] == [False, False, True, False, False]
    assert "growth/left" in metric_names(protocol)
    assert "response/before/right/late" in metric_names(protocol)
    of_course = [name for name in metric_names(protocol) if name.startswith("leaky/before/left/")]
    assert of_course == [f"leaky/before/left/{start}ms" for start in range(0, 100, 10)]


def test_published_courses_are_named_as_the_measure_names_them(tmp_path: Path) -> None:
    text = GOOD.replace("leaky: {course", "course: {course").replace("left", "L").replace("right", "inverted_L")
    published = read_targets(Path(__file__).parents[3] / "protocols" / "targets" / "ruaro2005_living.csv")
    assert len(published) == 40
    assert {target.quantity for target in published} <= set(metric_names(load(written(tmp_path, text))))


def test_repeated_steps_are_numbered() -> None:
    pair = Pair(pair="a", interval="50 ms", every="1 s")  # type: ignore[arg-type]
    timeline = [Repeat(repeat=2, steps=(Rest(rest="1 s", name="pause"), pair))]  # type: ignore[arg-type]
    assert [name for name, _ in unrolled(timeline)] == ["pause_1", "pair_1", "pause_2", "pair_2"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("evoked: [before, after]", "evoked: [befor]", "measure.response: no step 'befor'; allowed: rest, before"),
        ("[[0, 0], [1, 0]]", "[[0, 0], [8, 0]]", "patterns.left.electrodes: (8, 0) lies outside the array"),
        (
            "{electrodes: [[0, 7]]}",
            '{electrodes: "##. ..#"}',
            "patterns.right.electrodes: a drawing of 2 x 3; allowed: 8 x 8, the array",
        ),
        ("rest: 2 s", "rest: -2 s", "timeline.0.rest"),
        ("rest: 2 s", "rest: 2", "timeline.0.rest: 2 has no unit"),
        (
            "rest: 2 s",
            "rest: 0 s",
            "timeline.0.rest: '0 s' is not allowed: input should be greater than or equal to 1 us",
        ),
        ("rest: 2 s", "rest: 0.5 ms", "timeline.rest.rest: 0.5 ms; allowed: a whole number of steps of 1 ms"),
        ("rest: 2 s", "rest: 3600000 s", "timeline.0.rest: '3600000 s' is not allowed: input should be less than"),
        ("every: 1 s", "every: 0 s", "timeline.1.every (before): '0 s' is not allowed"),
        (
            "interval: 50 ms",
            "interval: -50 ms",
            "(pairs): '-50 ms' is not allowed: input should be greater than or equal",
        ),
        ("amplitude: 30 uA", "amplitude: 5 A", "'5 A' is not allowed: input should be less than or equal to 10 mA"),
        ("repetitions: 3", "repetitions: 0", "timeline.1.repetitions (before): 0 is not allowed"),
        ("amplitude: 30 uA", "amplitude: -3 uA", "patterns.left.amplitude: '-3 uA' is not allowed"),
        ("[[0, 0], [1, 0]]", "[]", "patterns.left.electrodes: is not allowed"),
        ("{panel: rest}", "{}", "measure.activity: no measure; allowed: a mapping with one of panel"),
        ("amplitude: 30 uA", "amplitude: 30", "patterns.left.amplitude: 30 has no unit"),
        ("delay: {}", "delay: {least: 0.5 ms}", "synapses.delay.least must be a whole number of simulation.dt"),
        ("interval: 50 ms", "interval: 3 s", "timeline.pairs.interval: 3000 ms; allowed: less than every"),
        ("interval: 50 ms", "interval: 20 ms", "measure.ppr.window: ends at 30 ms; allowed: at most the interval"),
        ("name: after", "name: before", "timeline: two steps are called 'before'"),
        ("train: left", "train: middle", "timeline.tetanus: no pattern 'middle'; allowed: left, right"),
        ("rate: 100 Hz", "rate: 3000 Hz", "timeline.tetanus.rate: 3000 Hz; allowed: at most one pulse a step"),
        ("pulses: 10", "pulses: 1000", "timeline.tetanus.every: 5 s; allowed: longer than the train, 9.99 s"),
        ("every: 2 s", "every: 2.0005 s", "timeline.pairs.every: 2000.5 ms; allowed: a whole number of steps"),
        ("paired_pulse: pairs", "paired_pulse: before", "step 'before' has no pairs of pulses"),
        ("course: [before, after]", "course: pairs", "measure.leaky: step 'pairs' has no probes; allowed: a step with"),
        (
            "{course: [before, after]}",
            "{course: before, window: 95 ms}",
            "measure.leaky.window: 95 ms; allowed: a whole number of bins of 10 ms",
        ),
        (
            "{course: [before, after]}",
            "{course: before, bin: 1.5 ms}",
            "measure.leaky.bin: 1.5 ms; allowed: a whole number of steps of 1 ms",
        ),
        (
            "{course: [before, after]}",
            "{course: before, window: 1010 ms}",
            "measure.leaky.window: 1010 ms; allowed: at most every, 1000 ms, of its steps",
        ),
        ("evoked: [before, after]", "evoked: before, windows: {direct: [1 ms, 9 ms]}", "windows.direct: is measured"),
        ("sttc: [rest, pairs]", "sttc: [rest, pears]", "measure.synchrony: no step 'pears'; allowed: rest, before"),
        ("near: 250 um", "near: 250 ms", "measure.synchrony.near: '250 ms' has the wrong unit 'ms'"),
        ("connectivity: [before, after]", "connectivity: [before]", "measure.change.connectivity"),
        ("growth: [before, after]", "growth: [before, pairs]", "step 'pairs' has no probes"),
        (
            "repetitions: 4",
            "repetitoins: 4",
            "timeline.4.repetitoins (pairs): unknown key; did you mean 'repetitions'?",
        ),
        ("{rest: 2 s}", "{wait: 2 s}", "timeline.0: keys wait; allowed: a mapping with one of rest, probe, train"),
        ("{panel: rest}", "{pannel: rest}", "measure.activity: keys pannel; allowed: a mapping with one of panel"),
        ("count: 100", "count: 10", "synapses.fan_in must not exceed the 9 possible inputs"),
        ("rest: 2 s", "rest: 900000 s", "time steps in all; allowed"),
        ("model: living", "model: lively", "culture"),
        ("plasticity: {}", "stimulation: null", "stimulates; allowed: only with culture.stimulation"),
    ],
)
def test_a_mistake_is_one_clear_line(old: str, new: str, expected: str, tmp_path: Path) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if "900000" in new:  # five times over
        text = text.replace("  - {rest: 900000 s}\n", "  - {repeat: 5, steps: [{rest: 900000 s}]}\n")
        text = text.replace("panel: rest", "panel: rest_1").replace("[rest, pairs]", "[rest_1, pairs]")
    with pytest.raises(ProtocolFault) as fault:
        load(written(tmp_path, text))
    (line,) = fault.value.lines
    assert expected in line, line
    assert "\n" not in line


def test_a_step_that_no_measure_uses_is_fine(tmp_path: Path) -> None:
    assert load(written(tmp_path, GOOD.replace("  activity: {panel: rest}\n", "")))
    assert load(written(tmp_path, GOOD[: GOOD.index("measure:")]))


def test_the_built_in_protocols_of_dishes_load() -> None:
    for name in ("spontaneous", "paired_pulse", "ltp_pathway"):
        assert isinstance(load(name), DishProtocol)
        assert load(name, quick=True) != load(name)
