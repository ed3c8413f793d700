"""Runs of spiking networks: their figures, and one table with cultures and networks."""

from pathlib import Path

import numpy as np
import pytest

from figures import make, report
from figures.networks import receptive_fields
from figures.runs.run import AssociationRun, read_run
from figures.tables import association as table
from protocols.loading.overrides import check
from protocols.spec.protocol import SpikingAssociation
from tests.figures.culture.test_association_network import network_run
from tests.figures.synthetic import make_run, protocol, seed_arrays, write_run

N_NEURONS = 50


def spiking_run(folder: Path, classes: tuple[int, ...] = (0, 1), seeds: int = 2) -> Path:
    """A run whose neurons have the classes 0, 0, ..., 1, 1, ...; the last has none."""
    plan = check(
        {
            "name": "spiking",
            "title": "Small spiking",
            "citation": "nobody",
            "data": {"source": "mnist", "classes": classes, "validation": 20, "size": (6, 6)},
            "spiking_network": {"neurons": N_NEURONS},
            "association": {"training": {"presentations": 250}, "evaluation": {"every": 50, "averaged": 3}},
            "seeds": seeds,
        }
    )
    assert isinstance(plan, SpikingAssociation)
    arrays = {}
    for seed in plan.seed_list:
        kept = {
            k: v for k, v in seed_arrays(plan, seed).items() if k.startswith(("scores", "labels", "ceiling", "eval"))
        }
        assigned = np.sort(np.arange(N_NEURONS) % 2)
        assigned[-1] = -1
        filters = np.random.default_rng(seed).random((N_NEURONS, 36))
        arrays[seed] = kept | {"filters": filters, "assigned": assigned, "theta": np.zeros(N_NEURONS)}
    return write_run(folder, plan, arrays, learner="culture_sim")


def association(path: Path) -> AssociationRun:
    run = read_run(path)
    assert isinstance(run, AssociationRun)
    return run


@pytest.mark.parametrize("classes", [(0, 1), tuple(range(10))])
def test_receptive_fields_stand_with_their_class(classes: tuple[int, ...], tmp_path: Path) -> None:
    path = spiking_run(tmp_path / "run", classes)
    assert [figure.stem for figure in make.make(path)] == ["learning", "responses", "filters"]
    fig = receptive_fields.figure(association(path))
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    empty = [f"class {label}: 0 neurons" for label in classes[2:]]
    assert titles == ["class 0: 25 neurons", "class 1: 24 neurons", *empty]
    assert len({ax.get_images()[0].get_array().shape for ax in fig.axes}) == 1  # weights are as large in each
    assert "Without a class: 1." in fig.get_supxlabel()


def test_a_weight_is_as_black_as_its_share_of_the_largest(tmp_path: Path) -> None:
    path = spiking_run(tmp_path / "run", seeds=1)
    run = association(path)
    run.arrays["seed_0/filters"][0] = np.linspace(0, 5, 36)
    image = receptive_fields.figure(run).axes[0].get_images()[0].get_array()
    np.testing.assert_allclose(np.unique(image[3:27:4, 3:27:4])[[0, -1]], [0, 1])


def test_it_is_named_as_what_it_is(tmp_path: Path) -> None:
    run = association(spiking_run(tmp_path / "run"))
    assert (run.kind, run.label, run.neurons) == ("spiking network", "spiking (spiking network)", 50)
    assert run.learners == "mean of 2 spiking networks"
    assert run.response_unit == "spikes per neuron in 350 ms"
    with pytest.raises(TypeError, match="without a culture"):
        run.label_region(0)


def test_culture_spiking_network_and_network_stand_in_one_table(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "culture"), spiking_run(tmp_path / "spiking"), network_run(tmp_path / "n", protocol())]
    report.report(runs, tmp_path / "out")
    text = (tmp_path / "out" / "association.md").read_text()
    rows = [line.strip("| ").split(" | ")[:2] for line in text.splitlines()[2:5]]
    assert rows == [["small", "60"], ["spiking (spiking network)", "50"], ["small (network)", "52"]]
    assert table.SPIKING in text
    assert table.NETWORKS in text
    lines = (tmp_path / "out" / "association.csv").read_text().splitlines()
    subjects = {line.split(",")[0]: line.split(",")[6] for line in lines if "accuracy/test," in line}
    assert subjects["spiking"] == "spiking network"
    assert report.html(runs, tmp_path / "out").name == "comparison.html"
