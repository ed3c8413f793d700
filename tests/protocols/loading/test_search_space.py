"""Search space: units, the protocol at a point of the space, one error line for each mistake."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.loading.loader import builtin, load
from protocols.loading.objectives import held_out, metric_names, worth
from protocols.loading.search_space import Dimension, at_point, dimensions
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import AssociationProtocol, Protocol
from protocols.spec.search import Search
from tests.protocols.search import toy


def searched(folder: Path, space: str, more: str = "", base: str = "mnist01") -> Protocol:
    (folder / "base.yaml").write_text(builtin()[base].read_text().replace("targets: ", "# targets: "))
    content = "base: base.yaml\nname: x\n" + ("" if "search:" in more else "search:\n") + more
    if "objectives" not in more:
        content += "  objectives: {accuracy/validation: maximise}\n"
    if "budget" not in more:
        content += "  budget: {trials: 3}\n"
    path = folder / "x.yaml"
    path.write_text(content + "  space:\n" + "".join(f"    {line}\n" for line in space.splitlines()))
    return load(str(path))


def test_a_point_stands_for_a_protocol_with_its_values_in_si(tmp_path: Path) -> None:
    protocol = load(str(toy.write(tmp_path)))
    values = {"culture.excitatory.strength": 37.42, "culture.excitatory.sigma": 0.75}
    made = at_point(protocol, values, seeds=range(7, 9), trial=True)
    assert isinstance(made, AssociationProtocol)
    assert made.culture.excitatory.strength == 0.03742
    assert made.culture.excitatory.sigma == 0.75e-3
    assert list(made.seed_list) == [7, 8]
    assert made.search is None


def test_bounds_of_one_unit_in_different_prefixes(tmp_path: Path) -> None:
    strength, sigma = dimensions(load(str(toy.write(tmp_path))))
    assert (strength.unit, strength.low, strength.high, strength.log, strength.start) == ("mV", 10, 1000, True, 40)
    assert (sigma.unit, sigma.low, sigma.high, sigma.log, sigma.start) == ("mm", 0.5, 2, False, 1.2)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(0, 1))
def test_a_rounded_value_stays_inside_and_is_spelled_exactly(a: float, b: float, share: float) -> None:
    if a == b:
        return
    dimension = Dimension("p", "float", "mV", min(a, b), max(a, b))
    value = dimension.rounded(dimension.low + share * (dimension.high - dimension.low))
    assert dimension.low <= value <= dimension.high  # type: ignore[operator]
    assert float(dimension.spelled(value).removesuffix(" mV")) == value


def test_what_a_trial_does_otherwise_and_conditions(tmp_path: Path) -> None:
    protocol = searched(
        tmp_path,
        "association.training.order: {choices: [interleaved, shuffled]}\n"
        "association.training.learning_rate.schedule: {choices: [linear, constant]}\n"
        "association.training.learning_rate.factor:"
        " {low: 0.01, high: 1.0, scale: log, when: {association.training.learning_rate.schedule: linear}}",
        "search:\n  trial: {data.test: 20}\n",
    )
    order, schedule, factor = dimensions(protocol)
    assert (order.kind, order.start) == ("choice", "interleaved")
    assert factor.exists({schedule.path: "linear"})
    assert not factor.exists({schedule.path: "constant"})
    values = {order.path: "shuffled", schedule.path: "constant"}
    trial, whole = (at_point(protocol, values, trial=trial) for trial in (True, False))
    assert isinstance(trial, AssociationProtocol)
    assert isinstance(whole, AssociationProtocol)
    assert (trial.data.test, whole.data.test) == (20, None)
    assert trial.association.training.order == whole.association.training.order == "shuffled"
    assert whole.association.training.learning_rate.factor == 0.05  # the protocol's own


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("culture.neurons.cuont: {low: 10, high: 20}", "search.space.culture.neurons.cuont: no 'cuont'; did you mean"),
        ("culture.neurons.count: {low: 20, high: 20}", "an empty range, low 20, high 20"),
        ("culture.neurons.count: {low: 30, high: 20}", "an empty range, low 30, high 20"),
        (
            "culture.excitatory.strength: {low: 1 mm, high: 2 mm}",
            "search.space.culture.excitatory.strength.low: '1 mm' has the wrong unit 'mm'; allowed: a quantity in V",
        ),
        ("culture.excitatory.strength: {low: 1 mV, high: 2 mm}", "strength.high: '2 mm'; allowed: a number in mV"),
        ("culture.excitatory.strength: {low: 1, high: 2}", "strength.low: 1 has no unit"),
        ("culture.excitatory.strength: {low: a lot, high: 2 mV}", "'a lot' is no number"),
        ("culture.excitatory.strength: {low: 0 mV, high: 2 mV, scale: log}", "allowed: above 0 on a log scale"),
        ("culture.neurons.count: {low: 1, high: 20, step: 40}", "step: 40; allowed: above 0, at most high - low"),
        ("culture.neurons.count: {low: 0, high: 20}", "search.space.culture.neurons.count.low: 0 is not allowed"),
        ("culture.neurons.count: {low: 1, hihg: 20}", "hihg: unknown key; did you mean 'high'?"),
        ("association.training.order: {choices: [shufled]}", "order.choices.0: 'shufled' is not allowed"),
        ("association.training.order: {choices: [shuffled, shuffled]}", "choices: a value is listed twice"),
        (
            "culture.neurons.count: {low: 1, high: 20, when: {association.training.order: shuffled}}",
            "when.association.training.order: allowed: a parameter with choices, listed before it",
        ),
    ],
)
def test_a_wrong_space_is_one_clear_line(tmp_path: Path, space: str, said: str) -> None:
    with pytest.raises(ProtocolFault) as fault:
        searched(tmp_path, space)
    assert said in fault.value.lines[0]
    assert len(fault.value.lines) == (2 if "mm, high: 2 mm" in space or "{low: 1, high: 2}" in space else 1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("objectives: {accuracy/validatoin: maximise}", "objectives.accuracy/validatoin: is measured on test"),
        (
            "objectives: {accuracy/test: maximise}",
            "measured on test images, which must not be optimised; allowed: acc",
        ),
        (
            "objectives: {evoked/L: maximise}",
            "objectives.evoked/L: no such metric; allowed: accuracy/validation",
        ),
        ("objectives: {accuracy/validation: maximize}", "'maximize' is not allowed"),
        ("objectives: {culture.neurons.count: minimise}", "a parameter comes first; allowed: one of accuracy/val"),
        ("budget: {}", "search.budget: has no end; allowed: trials, time, or both"),
        ("budget: {time: 20 mV}", "search.budget.time: '20 mV' is not a duration; allowed: h, min or s"),
        ("sampler: {sampler: annealing}", "search.sampler: sampler 'annealing'; allowed: "),
        ("trial: {data.tset: 3}", "search.trial.data.tset: no 'tset'; did you mean 'test'?"),
        (
            "objectives: {accuracy/validation: maximise, culture.neurons.count: minimise}\n  pruning: {}",
            "pruning: several objectives; allowed: with a single one",
        ),
    ],
)
def test_a_wrong_search_is_one_clear_line(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(ProtocolFault) as fault:
        searched(tmp_path, "culture.neurons.count: {low: 10, high: 20}", f"search:\n  {more}\n")
    assert said in "\n".join(fault.value.lines)
    assert len(fault.value.lines) == 1


def test_evolution_strategies_know_no_choices(tmp_path: Path) -> None:
    with pytest.raises(ProtocolFault, match="cma_es; allowed: with ranges only"):
        searched(
            tmp_path, "association.training.order: {choices: [shuffled]}", "search:\n  sampler: {sampler: cma_es}\n"
        )


@pytest.mark.parametrize("name", ["ruaro2005", "digits_hebb", "mnist01"])
def test_every_kind_of_protocol_says_what_can_be_sought(name: str) -> None:
    names = metric_names(load(name))
    assert names
    expected = {"ruaro2005": "growth/L/20ms", "digits_hebb": "validation/HPCA/1%", "mnist01": "accuracy/validation"}
    assert expected[name] in names


def test_the_same_metric_of_test_images() -> None:
    assert held_out("accuracy/validation") == "accuracy/test"
    assert held_out("validation/HPCA/1%") == "accuracy/HPCA/1%"
    assert held_out("growth/L/20ms") == "growth/L/20ms"


def test_the_score_is_students_one_sided_bound_towards_worse(tmp_path: Path) -> None:
    """Student's t quantile (0.9, 3 degrees of freedom) = 1.637744, from a printed table."""
    given = {"accuracy/validation": {"per_seed": [1.0, 2.0, 3.0, 4.0], "unit": "u"}}
    for way, sign in (("maximise", -1), ("minimise", 1)):
        search = Search.model_validate(
            {
                "space": {"a.b": {"low": 1, "high": 2}},
                "objectives": {"accuracy/validation": way},
                "budget": {"trials": 1},
                "confidence": 0.9,
            }
        )
        found = worth("accuracy/validation", search, [], given, {})
        assert found.mean == 2.5
        assert found.score == pytest.approx(2.5 + sign * 1.637744 * (5 / 3) ** 0.5 / 2, rel=1e-6)
        single = worth("accuracy/validation", search, [], {"accuracy/validation": {"per_seed": [2.0]}}, {})
        assert single.mean == single.score == 2.0
    with pytest.raises(RuntimeError, match="no finite value in some seed"):
        worth("accuracy/validation", search, [], {"accuracy/validation": {"per_seed": [1.0, None]}}, {})
