"""A network instead of the culture: the same learning curve and report, labelled as a network."""

import csv
from pathlib import Path
from typing import Any

import pytest

from figures import make, report
from figures.culture import learning
from figures.runs.run import AssociationRun, read_run
from figures.tables import curves
from protocols.loading.loader import load
from protocols.spec.protocol import AssociationProtocol
from tests.figures.synthetic import make_run, protocol, seed_arrays, write_run

LEARNER: dict[str, Any] = {"learner": "hebbian_dl", "neurons": 52}
CULTURE_ONLY = ("probe/", "weights/")


def network_run(folder: Path, plan: AssociationProtocol, **facts: Any) -> Path:
    arrays = {
        seed: {k: v for k, v in seed_arrays(plan, seed).items() if not k.startswith(CULTURE_ONLY)}
        for seed in plan.seed_list
    }
    return write_run(folder, plan, arrays, **(LEARNER | facts))


def association(path: Path) -> AssociationRun:
    run = read_run(path)
    assert isinstance(run, AssociationRun)
    return run


def test_only_its_learning_is_drawn_and_of_networks(tmp_path: Path) -> None:
    path = network_run(tmp_path / "run", protocol())
    assert [figure.stem for figure in make.make(path)] == ["learning"]
    ax = learning.figure(association(path)).axes[0]
    assert ax.get_title(loc="left") == "Small small (network)"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "mean of 3 networks, 95 % interval" in labels
    one = network_run(tmp_path / "one", protocol(seeds=1))
    assert "one network" in [t.get_text() for t in learning.figure(association(one)).axes[0].get_legend().get_texts()]


def test_a_culture_says_so_or_nothing(tmp_path: Path) -> None:
    plan = protocol(seeds=1)
    said = write_run(tmp_path / "said", plan, {0: seed_arrays(plan, 0)}, learner="culture_sim")
    for path in (said, make_run(tmp_path / "silent", seeds=1)):
        run = association(path)
        assert (run.kind, run.label, run.learners, run.neurons) == ("culture", "small", "one culture", 60)


def test_the_report_tells_network_from_culture(tmp_path: Path) -> None:
    plan = load("mnist01")
    assert isinstance(plan, AssociationProtocol)
    culture = write_run(tmp_path / "culture", plan, {seed: seed_arrays(plan, seed) for seed in plan.seed_list})
    report.report([culture, network_run(tmp_path / "network", plan)], tmp_path)
    rows = [line.strip("|").split(" | ") for line in (tmp_path / "association.md").read_text().splitlines()[2:4]]
    first, second = ([cell.strip() for cell in row] for row in rows)
    assert first[0] == "mnist01"
    assert first[-1] == "`python -m culture_sim.run mnist01`"
    assert second[:2] == ["mnist01 (network)", "52"]
    assert second[-1] == "`python -m hebbian_dl.run mnist01`"
    with open(tmp_path / "association.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    subjects = {(line["run"], line["subject"], line["neurons"]) for line in lines}
    assert ("network", "network", "52") in subjects
    assert ("culture", "twin", str(plan.culture.neurons.count)) in subjects
    assert not {("network", "twin", "52"), ("culture", "network", "52")} & subjects


def test_networks_share_panels_with_networks_alone(tmp_path: Path) -> None:
    plans = [protocol("pair", seeds=1), protocol("pair_published", seeds=1)]
    networks = [association(network_run(tmp_path / f"n{i}", plan)) for i, plan in enumerate(plans)]
    cultures = [association(make_run(tmp_path / f"c{i}", name=plan.name, seeds=1)) for i, plan in enumerate(plans)]
    named = [
        (p.ours and p.ours.path.name, p.published and p.published.path.name)
        for p in curves.panels([*cultures, *networks])
    ]
    assert named == [("c0", "c1"), ("n0", "n1")]
    fig = curves.figure([*cultures, *networks])
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["pair", "pair (network)"]
    labels = [text.get_text() for text in fig.axes[1].get_legend().get_texts()]
    assert labels == ["published protocol, one network", "ours, one network"]


@pytest.mark.parametrize("neurons", [None, "many"])
def test_a_network_whose_neurons_are_not_said_is_one_line(
    tmp_path: Path, neurons: object, capsys: pytest.CaptureFixture[str]
) -> None:
    path = network_run(tmp_path / "run", protocol(seeds=1), neurons=neurons)
    assert make.main([str(path)]) == 2
    assert capsys.readouterr().err == f"error: {path}: damaged run: provenance.json: no number of neurons\n"
