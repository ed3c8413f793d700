"""Controllers: feedback on the rate, the game of pong, and one of the user's own."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from culture_sim.closed_loop.controllers import built
from culture_sim.closed_loop.controllers.pong import Game, PongController
from culture_sim.closed_loop.controllers.rate_control import RateController
from culture_sim.closed_loop.dish import Dish
from culture_sim.closed_loop.engine import opened
from culture_sim.engines.compiled import compiler
from culture_sim.experiments import dish as dish_experiment
from culture_sim.living import LivingCulture, LivingState
from protocols.loading.loader import load
from protocols.runs.reporting import unheard
from protocols.runs.run_directory import Run
from protocols.spec.dish.loops import BurstSuppression, Pong, RateClamp
from protocols.spec.dish.timeline import Loop
from protocols.spec.protocol import DishProtocol

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


def protocol_of(name: str, *changes: str) -> DishProtocol:
    found = load(name, changes)
    assert isinstance(found, DishProtocol)
    return found


def played(spec: object, protocol: DishProtocol, seconds: float, seed: int = 0) -> tuple[Dish, object]:
    """A dish on which a controller was let loose for some seconds, and the controller."""
    culture = LivingCulture.grow(protocol.culture, seed)
    with opened(culture, LivingState.at_rest(culture), "cpp") as engine:
        dish = Dish(culture, engine, 0, protocol.record.within, np.zeros((0, 2), np.int64), seed)
        controller = built(spec, dish, protocol)  # type: ignore[arg-type]
        for tick in dish.loop(100, seconds):
            controller.tick(tick)
    return dish, controller


@needs_compiler
def test_a_rate_clamp_holds_the_rate_at_its_set_point() -> None:
    protocol = protocol_of("burst_suppression")
    spec = RateClamp.model_validate({"controller": "rate_clamp", "pattern": "every", "target": "8 Hz"})
    dish, controller = played(spec, protocol, 30)
    assert isinstance(controller, RateController)
    neuron, step, _ = dish.record.all_spikes(0, dish.step)
    heard = dish._reached[:, neuron[step >= 10_000]].sum()
    assert heard / 64 / 20 == pytest.approx(8, rel=0.1)
    assert {name for _, name, _ in dish.record.events} == {"electrodes a tick"}
    assert len(dish.record.events) == 31  # the first tick's, and one a second


@needs_compiler
def test_burst_suppression_holds_down_the_spikes_outside_of_its_pulses() -> None:
    protocol = protocol_of("burst_suppression")
    rates = {}
    for pattern in ("sham", "every"):
        spec = BurstSuppression.model_validate({"controller": "burst_suppression", "pattern": pattern})
        dish, _ = played(spec, protocol, 20, seed=100)
        neuron, step, direct = dish.record.all_spikes(0, dish.step)
        outside = ~np.isin(step, [pulse.step for pulse in dish.record.pulses]) & (step > 5000)
        rates[pattern] = dish._reached[:, neuron[outside]].sum() / 64 / 15
        assert direct.any() == (pattern == "every")
    assert rates["every"] < 0.25 * rates["sham"]


@needs_compiler
def test_every_electrode_has_its_turn_before_one_has_a_second() -> None:
    protocol = protocol_of("burst_suppression")
    spec = BurstSuppression.model_validate(
        {"controller": "burst_suppression", "pattern": "sham", "start": 8, "least": 8, "most": 8}
    )
    dish, _ = played(spec, protocol, 0.5)
    electrodes = np.array([pulse.electrode for pulse in dish.record.pulses])
    for turn in np.split(electrodes[: 64 * (len(electrodes) // 64)], len(electrodes) // 64):
        np.testing.assert_array_equal(np.sort(turn), np.arange(64))


def test_the_ball_moves_on_straight_lines_and_bounces() -> None:
    """Against the exact course: of the unfolded square the ball's height is a triangle wave."""
    game = Game(0.5, 1.0, 1.0, np.random.default_rng(3))
    game.y, game.velocity = 0.2, (-0.3, 0.4)
    t, hits = 0.0, 0
    for _ in range(3000):
        hits += game.move(0.01, 0) == "hit"
        t += 0.01
        folded = (0.2 + 0.4 * t) % 2
        assert game.y == pytest.approx(min(folded, 2 - folded), abs=1e-9)
        across = (1 - 0.3 * t) % 2
        assert game.x == pytest.approx(min(across, 2 - across), abs=1e-9)
    assert hits == int((0.3 * t + 1) // 2)


def test_the_paddle_stays_inside_and_decides_between_hit_and_miss() -> None:
    game = Game(1.0, 0.2, 1.0, np.random.default_rng(0))
    for _ in range(100):
        game.x, game.velocity = 1.0, (0.0, 0.0)
        game.move(0.01, 1)
    assert game.place == pytest.approx(0.9)
    for y, outcome in ((0.81, "hit"), (0.79, "miss")):
        game.x, game.y, game.velocity = 0.005, y, (-1.0, 0.0)
        assert game.move(0.01, 0) == outcome


@needs_compiler
@pytest.mark.parametrize("feedback", ["stimulus", "none", "shuffled"])
def test_pong_gives_its_stimuli_and_notes_every_ball(feedback: str) -> None:
    protocol = protocol_of("pong", f"timeline.game.loop.feedback={feedback}")
    step = protocol.timeline[1]
    assert isinstance(step, Loop)
    assert isinstance(step.loop, Pong)
    dish, controller = played(step.loop, protocol, 90, seed=2)
    assert isinstance(controller, PongController)
    events = dish.record.events
    assert {name for _, name, _ in events} == {"hit", "miss"}
    rally = 0
    for _, name, value in events:  # a miss tells the hits since the one before
        rally = rally + 1 if name == "hit" else rally
        assert value == rally
        rally = 0 if name == "miss" else rally
    labels = {pulse.label for pulse in dish.record.pulses} - {"predictable" if feedback == "shuffled" else ""}
    expected = {"stimulus": {"ball", "predictable", "unpredictable"}, "none": {"ball"}}
    assert labels == expected.get(feedback, {"ball", "unpredictable"})
    assert {pulse.electrode for pulse in dish.record.pulses} <= set(range(8, 16))
    pauses = [later - at for (at, name, _), (later, *_) in itertools.pairwise(events) if name == "miss"]
    assert min(pauses) >= (4000 if feedback != "shuffled" else 100)
    if feedback == "stimulus":
        train = [p.step for p in dish.record.pulses if p.label == "predictable" and p.electrode == 8]
        np.testing.assert_array_equal(np.diff(train[:10]), 10)
        hits = sum(name == "hit" for _, name, _ in events)
        assert len(train) == 10 * hits or len(train) == 10 * hits - len(dish.schedule.coming) // 8


OWN = """
class Answers:
    def __init__(self, dish, most):
        self.dish, self.most = dish, most

    def tick(self, tick):
        if len(tick.spikes.time) > self.most:
            self.dish.stimulate(3)
            self.dish.note("answered")
        if {fails} and tick.index == 70:
            raise KeyError("lost")
"""
WITH_OWN = """
base: spontaneous
name: own
targets: null
timeline:
  - {{name: settling, rest: 1 s}}
  - {{name: played, loop: {{controller: code, module: {module}:Answers, arguments: {{most: 2}}}}, duration: 2 s}}
measure: {{activity: {{panel: played}}}}
quick: {{}}
"""


def own(folder: Path, module: str, fails: bool) -> tuple[DishProtocol, Run]:
    (folder / f"{module}.py").write_text(OWN.format(fails=fails))
    (folder / "own.yaml").write_text(WITH_OWN.format(module=module))
    protocol = load(str(folder / "own.yaml"), allow_code=True)
    assert isinstance(protocol, DishProtocol)
    return protocol, Run(folder, protocol, "run")


@needs_compiler
def test_a_controller_of_ones_own_plays(tmp_path: Path) -> None:
    protocol, run = own(tmp_path, "loop_that_answers", False)
    with run.writing(afresh=True):
        arrays = dish_experiment.run_seed(protocol, "cpp", 0, run, unheard)
    assert len(arrays["stimuli/step"]) == len(arrays["events/step"]) > 3
    assert set(arrays["stimuli/electrode"]) == {3}
    assert arrays["stimuli/step"].min() >= 1000


@needs_compiler
def test_one_that_fails_ends_the_run_in_one_line_and_what_it_did_is_kept(tmp_path: Path) -> None:
    protocol, run = own(tmp_path, "loop_that_fails", True)
    with run.writing(afresh=True), pytest.raises(RuntimeError) as error:
        dish_experiment.run_seed(protocol, "cpp", 0, run, unheard)
    said = str(error.value)
    assert said.startswith("timeline.played: the controller failed at 1.71 s (loop_that_fails.py:11): KeyError: 'lost'")
    assert "\n" not in said
    kept = run.load_part("seed_0_ended_played")
    assert kept is not None
    assert "seed_0_ended_played" in said
    assert kept["ticks/step"].tolist() == list(range(1010, 1720, 10))
    assert kept["spikes/step"].max() < 710
    assert run.load_part("seed_0_stretch_0") is not None  # the same command goes on from the start of the loop
