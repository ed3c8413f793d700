"""The report of pre-trained networks: metrics, published values, differences."""

import csv
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from figures import report
from figures.runs.run import NetworkRun, read_run
from figures.tables.networks import command
from protocols.loading.loader import load
from protocols.spec.protocol import NetworkProtocol
from tests.figures.synthetic import make_run, write_run
from tests.figures.synthetic_networks import PUBLISHED, make_network_run, network_arrays

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("runs")
    published = PUBLISHED.replace("accuracy/", "top5/")
    return [
        make_network_run(out / "a1"),
        make_network_run(out / "b2", published, name="hundred", source="cifar100", seeds=1),
        make_network_run(out / "c3", name="alone", targets=None, seeds=2),
    ]


def rows(lines: list[str]) -> dict[tuple[str, str], list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {(cell[0], cell[1]): cell[2:] for cell in cells[1:]}


def sections(path: Path) -> list[list[str]]:
    return [section.splitlines() for section in path.read_text().split("## ")[1:]]


def test_the_table_has_a_row_a_method_and_fraction(paths: list[Path], tmp_path: Path) -> None:
    assert report.main([*map(str, paths), "--out", str(tmp_path)]) == 0
    found = sections(tmp_path / "networks.md")
    assert [section[0] for section in found] == ["small_network", "hundred", "alone"]
    for section, path, measure in zip(found, paths, ("accuracy", "top5", "accuracy"), strict=True):
        metrics = json.loads((path / "metrics.json").read_text())
        table = rows(section)
        assert len(table) == 12
        for (method, regime), (images, ours, _, _) in table.items():
            value = metrics[f"{measure}/{method}/{regime}"]
            low_high = value["ci95"]
            interval = f" [{100 * low_high[0]:.2f}, {100 * low_high[1]:.2f}]" if low_high else ""
            assert ours == f"{100 * value['mean']:.2f}{interval}"
            assert images == str(metrics[f"accuracy/{method}/{regime}"]["labels"])
    first, hundred, alone = ("\n".join(section) for section in found)
    assert "top-1 accuracy on test images, %; 3 seeds; run a1; not the built-in protocol" in first
    assert "top-5 accuracy on test images, %; 1 seed; run b2" in hundred
    assert "- published: Lagani 2024 (n=5): Neurocomputing, table 2" in first
    assert "published:" not in alone


def test_differences_are_ours_less_published_in_points(paths: list[Path], tmp_path: Path) -> None:
    report.report(paths, tmp_path)
    table = rows(sections(tmp_path / "networks.md")[0])
    with np.load(paths[0] / "arrays.npz") as arrays:
        mean = 100 * np.mean([arrays[f"seed_{seed}/HPCA/top1"] for seed in (0, 1, 2)], axis=0)
    assert table["HPCA", "1%"][2:] == ["31.00", f"{mean[0] - 31:+.2f}"]
    published, differences = table["HPCA", "10%"][2:]
    assert published == "52.00 (Lagani 2024); 50.00 (their program)"
    assert [float(d) for d in differences.split("; ")] == pytest.approx([mean[1] - 52, mean[1] - 50], abs=0.0051)
    assert table["none", "10%"][2:] == ["", ""]
    assert table["HPCA", "100%"][2:] == ["", ""]


def test_the_csv_is_long_and_says_where_numbers_come_from(paths: list[Path], tmp_path: Path) -> None:
    report.report(paths, tmp_path)
    with open(tmp_path / "networks.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 13 + 13 + 12  # HPCA with 10 % has two published values
    for path in paths:
        metrics = json.loads((path / "metrics.json").read_text())
        mine = [line for line in lines if line["run"] == path.name]
        assert {line["commit"] for line in mine} == {"c0ffee"}
        for line in mine:
            where = f"{line['method']}/{line['regime']}"
            top1, top5 = metrics[f"accuracy/{where}"], metrics[f"top5/{where}"]
            assert (float(line["top1"]), float(line["top5"])) == (top1["mean"], top5["mean"])
            assert (int(line["labels"]), int(line["seeds"])) == (top1["labels"], top1["n"])
            assert [line["top1_ci95_low"], line["top1_ci95_high"]] == [str(b) for b in top1["ci95"] or ["", ""]]
            assert line["top1_sd"] == ("" if top1["sd"] is None else str(top1["sd"]))
            assert float(line["validation"]) == pytest.approx(np.mean(top1["validation_per_seed"]))
            if line["published"]:
                ours = {"accuracy": top1, "top5": top5}[line["published_quantity"]]["mean"]
                assert float(line["difference"]) == pytest.approx(ours - float(line["published"]))
    vae = next(x for x in lines if (x["run"], x["method"], x["regime"]) == ("a1", "VAE", "10%"))
    assert [vae[k] for k in ("published", "published_sd", "published_n", "subject")] == [
        "0.45",
        "0.02",
        "5",
        "Lagani 2024",
    ]
    assert {line["published_quantity"] for line in lines if line["run"] == "b2"} == {"top5", ""}


def test_the_figure_has_a_panel_a_run(paths: list[Path], tmp_path: Path) -> None:
    written = report.report(paths, tmp_path)
    assert [path.name for path in written] == ["networks.md", "networks.csv", "networks.png"]
    height, width = plt.imread(tmp_path / "networks.png").shape[:2]
    assert (width, height) == (1440, 2400)


@pytest.mark.parametrize(
    ("overrides", "quick", "expected"),
    [
        ([], False, "`python -m hebbian_dl.run fasthebb_cifar10`"),
        (["seeds=2"], False, "`python -m hebbian_dl.run fasthebb_cifar10 --seeds 2`"),
        ([], True, "`python -m hebbian_dl.run fasthebb_cifar10 --quick`"),
        (["network.depth=1"], False, "not the built-in protocol"),
    ],
)
def test_the_command_is_that_of_the_built_in_protocol(
    tmp_path: Path, overrides: list[str], quick: bool, expected: str
) -> None:
    plan = load("fasthebb_cifar10", overrides, quick=quick)
    assert isinstance(plan, NetworkProtocol)
    path = write_run(tmp_path / "run", plan, {seed: network_arrays(plan, seed) for seed in plan.seed_list}, PUBLISHED)
    run = read_run(path)
    assert isinstance(run, NetworkRun)
    assert command(run) == expected


def test_networks_and_associations_do_not_mix(
    paths: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    association = make_run(tmp_path / "association", seeds=1)
    for given in ([association, paths[0]], [paths[0], association]):
        assert report.main([*map(str, given), "--out", str(tmp_path / "out")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line == (
            f"error: {paths[0]}: a run of networks, {association} of an association; allowed: one kind in a report"
        )
    assert not (tmp_path / "out").exists()
