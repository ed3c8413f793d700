"""Closed loops as steps of a timeline."""

from pathlib import Path

import numpy as np
import pytest

from culture_sim.engines.compiled import compiler
from culture_sim.experiments import dish
from culture_sim.run import app
from protocols.loading.loader import load
from protocols.plan.dish import expand_dish
from protocols.runs.reporting import unheard
from protocols.runs.run_directory import Run
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol
from tests.command import exit_code
from tests.protocols.spec.test_dish import GOOD, written

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")

CLOSED = GOOD.replace("  - {rest: 2 s}", "  - {name: rest, loop: {controller: idle}, duration: 2 s, rate: 250 Hz}")


def arrays_of(folder: Path, text: str, seed: int = 1) -> dict[str, np.ndarray]:
    protocol = load(written(folder, text))
    assert isinstance(protocol, DishProtocol)
    run = Run(folder, protocol, "run")
    with run.writing(afresh=True):
        return dish.run_seed(protocol, "cpp", seed, run, unheard)


@needs_compiler
def test_a_step_whose_controller_does_nothing_is_a_rest_bit_for_bit(tmp_path: Path) -> None:
    opened, closed = (arrays_of(tmp_path, text + "record: {spikes: all}\n") for text in (GOOD, CLOSED))
    assert opened.keys() < closed.keys()
    for name, values in opened.items():
        np.testing.assert_array_equal(closed[name], values, err_msg=name)
    np.testing.assert_array_equal(closed["ticks/step"], np.arange(4, 2001, 4))
    assert len(closed["stimuli/step"]) == 0


def test_a_loop_is_planned_as_a_step(tmp_path: Path) -> None:
    protocol = load(written(tmp_path, CLOSED))
    assert isinstance(protocol, DishProtocol)
    plan = expand_dish(protocol)
    assert plan.names[0] == "rest"
    assert plan.steps["stop"][0] == 2000


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate: 250 Hz", "rate: 300 Hz", "timeline.rest.rate: 300 Hz, a tick: 3.33333 ms; allowed: a whole number of"),
        (
            "duration: 2 s",
            "duration: 2.001 s",
            "timeline.rest.duration: 2.001 s; allowed: whole ticks of 0.004",
        ),
        ("controller: idle", "controller: idel", "allowed: "),
        ("controller: idle", "controller: idle, gain: 3", "gain"),
        ("duration: 2 s, ", "", r"timeline.0.duration \(rest\): missing"),
    ],
)
def test_faults_are_said_in_one_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProtocolFault, match=message) as fault:
        load(written(tmp_path, CLOSED.replace(old, new)))
    assert len(fault.value.lines) == 1


def test_a_program_outside_of_the_protocol_cannot_be_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CLOSED.replace("controller: idle", "controller: live")
    assert exit_code(app, written(tmp_path, text), "--out", str(tmp_path)) == 2
    err = capsys.readouterr().err
    assert "timeline.rest.loop.controller: live" in err
    assert len(err.strip().splitlines()) == 1
