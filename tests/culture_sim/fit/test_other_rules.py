"""Fits under several definitions of network bursts."""

from pathlib import Path

import numpy as np
import pytest

from culture_sim.analysis.panel import panel
from culture_sim.fit import train, twin
from culture_sim.fit.amortised.trained import read_trained
from culture_sim.fit.amortised.training import FIRST_CULTURE, point
from culture_sim.fit.command import app
from culture_sim.fit.measured import on_scale, recorded
from culture_sim.fit.simulated import heard, with_parameters
from culture_sim.fit.space import Space, as_dish
from culture_sim.living import prepare
from protocols.loading.loader import load
from protocols.runs.run_directory import read_json
from protocols.spec.dish.measures import PANEL, Measures, Pooled
from protocols.spec.faults import ProtocolFault
from tests.command import exit_code, finished_run
from tests.culture_sim.fit import tiny

pytestmark = pytest.mark.whole

RULES = ("--set", "fit.measures=[rate, ISI CV, spikes in network bursts]", "--set", "fit.other_rules=[pooled]")


@pytest.fixture(scope="module")
def by_rules(protocol: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A posterior that was learned under two rules."""
    return finished_run(train.app, tmp_path_factory.mktemp("rules"), str(protocol), *RULES, "--jobs", "1")


def test_every_recording_is_measured_by_each_rule(protocol: Path, by_rules: Path) -> None:
    fitted = read_trained(by_rules).protocol
    space = Space(fitted)
    one = with_parameters(as_dish(fitted), space.spelled(point(space, 30)))
    trains = heard(one, prepare("auto"), FIRST_CULTURE + 30)
    assert trains is not None
    with np.load(by_rules / "arrays.npz") as arrays:
        for name, of in (("panel", Measures()), ("panel/pooled", Measures(network_bursts=Pooled()))):
            expected = [measure.value for measure in panel(trains, of).values()]
            np.testing.assert_array_equal(arrays[name][30], expected)
        share = PANEL.index("spikes in network bursts")
        same = np.delete(np.arange(len(PANEL)), [*(PANEL.index(n) for n in PANEL if "network" in n or n == "IBI CV")])
        np.testing.assert_array_equal(arrays["panel"][:, same], arrays["panel/pooled"][:, same])
        assert not np.array_equal(arrays["panel"][:, share], arrays["panel/pooled"][:, share], equal_nan=True)


def test_each_rule_has_its_own_posterior_and_gain(by_rules: Path) -> None:
    found = read_trained(by_rules)
    (rule,) = found.others
    assert rule == "pooled"
    with np.load(by_rules / "arrays.npz") as arrays:
        unit, panels = arrays["unit"], arrays["panel/pooled"]
    x = on_scale(panels, found.protocol.fit.measures)
    held = np.isfinite(x).all(axis=1) & (np.arange(len(x)) >= 60)
    samples = found.others[rule].sample(x[held], 1000, found.protocol.first_seed)
    error = np.sqrt(((samples.mean(axis=1) - unit[held]) ** 2).mean(axis=0))
    gains = np.sqrt(((0.5 - unit[held]) ** 2).mean(axis=0)) / error
    said = [row["gain"] for row in found.calibration["other_rules"][rule]["parameters"]]
    np.testing.assert_allclose(said, gains, atol=1e-3)
    assert said != [row["gain"] for row in found.calibration["parameters"]]


def test_a_fit_says_what_depends_on_the_rule(
    protocol: Path, by_rules: Path, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twin, "PREDICTED", 4)
    dish = recordings / "div21/dish_21_1.h5"
    line = [str(dish), "--protocol", str(protocol), *RULES, "--trained", str(by_rules), "--jobs", "1"]
    assert exit_code(app, *line, "--out", str(tmp_path)) == 0
    folder = tmp_path / "twin_dish_21_1/fit"
    content, found = read_json(folder / "fit.json"), read_trained(by_rules)
    assert content["other_rules"] == ["pooled"]
    (one,) = recorded(dish, found.protocol, ("pooled",))
    samples = found.others["pooled"].sample(on_scale(one.by_rule["pooled"], found.protocol.fit.measures), 4000, 0)
    low, middle, high = np.quantile(Space(found.protocol).values(samples), (0.05, 0.5, 0.95), axis=0)
    for k, row in enumerate(content["parameters"]):
        of = row["by_rule"]["pooled"]
        np.testing.assert_allclose([of["low"], of["median"], of["high"]], [low[k], middle[k], high[k]], rtol=1e-3)
        depends = not (row["low"] <= of["median"] <= row["high"] and of["low"] <= row["median"] <= of["high"])
        assert depends == any(sentence.startswith(row["label"]) for sentence in content["depends"])
    assert ("no median leaves an interval" in " ".join(content["said"])) == (not content["depends"])
    assert ">by pooled</th>" in (folder / "fit.html").read_text()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("fit.other_rules=[coincidence]", "fit.other_rules: coincidence is the panel's own; allowed: others"),
        ("fit.other_rules=[pooled, pooled]", "other_rules: one is listed twice"),
        ("fit.other_rules=[poled]", "fit.other_rules.0: "),
    ],
)
def test_rules_that_tell_nothing_are_refused(override: str, expected: str) -> None:
    with pytest.raises(ProtocolFault) as caught:
        load("spontaneous_fit", [override])
    assert expected in caught.value.lines[0]


def test_rules_need_a_measure_that_depends_on_them(tmp_path: Path) -> None:
    with pytest.raises(
        ProtocolFault, match="other_rules: allowed with a measure of network bursts: network burst rate"
    ):
        tiny.loaded(tmp_path, "fit.other_rules=[pooled]")


def test_null_leaves_out_a_parameter_that_the_base_searches() -> None:
    with_nmda, without = load("spontaneous_fit"), load("spontaneous_fit_no_nmda")
    assert with_nmda.search is not None
    assert without.search is not None
    left = set(with_nmda.search.space) - set(without.search.space)
    assert left == {"culture.synapses.nmda.share"}
    assert without.model_dump()["culture"]["synapses"]["nmda"] is None
