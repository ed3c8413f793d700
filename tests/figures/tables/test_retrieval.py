"""The report of retrieval: mean average precisions, published values, differences."""

import csv
import json
from pathlib import Path

import pytest

from figures import report
from tests.figures.networks.test_retrieval import METHODS, VALUES, spec
from tests.figures.synthetic_networks import make_network_run

REGIMES, TOPS, DIVISORS = ("1%", "10%", "100%"), {"at_100": "100", "at_per_class": "200"}, ("found", "possible")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("runs")
    run = make_network_run(folder / "abc", VALUES, network=spec())
    plain = make_network_run(folder / "def", name="without", targets=None)
    assert report.main([str(run), str(plain), "--out", str(folder / "out")]) == 0
    return folder / "out", json.loads((run / "metrics.json").read_text())


def test_the_csv_has_a_line_for_everything_that_was_measured(written: tuple[Path, dict]) -> None:
    out, metrics = written
    with open(out / "networks_retrieval.csv", newline="") as file:
        lines = {(r["method"], r["regime"], r["k"], r["divided_by"]): r for r in csv.DictReader(file)}
    assert len(lines) == len(METHODS) * len(REGIMES) * len(TOPS) * len(DIVISORS)
    for (method, regime, k, divided_by), line in lines.items():
        top = next(name for name, size in TOPS.items() if size == k)
        value = metrics[f"map/{method}/{regime}/{top}/{divided_by}"]
        assert float(line["map"]) == value["mean"]
        assert float(line["chance"]) == value["chance"]
        assert [float(line["map_ci95_low"]), float(line["map_ci95_high"])] == value["ci95"]
        assert (line["protocol"], line["run"]) == ("small_network", "abc")
    known = {key: line for key, line in lines.items() if line["published"]}
    assert {key: float(line["published"]) for key, line in known.items()} == {
        ("HPCA", "1%", "100", "found"): 0.37,
        ("HPCA", "10%", "100", "found"): 0.5,
    }
    line = known["HPCA", "1%", "100", "found"]
    assert float(line["difference"]) == pytest.approx(metrics["map/HPCA/1%/at_100/found"]["mean"] - 0.37)


def test_the_table_spells_them_in_per_cent(written: tuple[Path, dict]) -> None:
    out, metrics = written
    text = (out / "networks_retrieval.md").read_text()
    assert text.count("## ") == 1  # only the run with retrieval
    value = metrics["map/HPCA/10%/at_100/found"]
    low, high = (100 * bound for bound in value["ci95"])
    (row,) = [line.split(" | ") for line in text.splitlines() if line.startswith("| HPCA | 10%") and " 50.00 " in line]
    assert row[3:6] == ["100", "relevant found", f"{100 * value['mean']:.2f} [{low:.2f}, {high:.2f}]"]
    assert row[-1].rstrip(" |") == f"{100 * value['mean'] - 50:+.2f}"


def test_without_retrieval_there_is_no_such_file(tmp_path: Path) -> None:
    run = make_network_run(tmp_path / "def", name="without", targets=None)
    assert report.main([str(run), "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.glob("networks*")) == ["networks.csv", "networks.md", "networks.png"]
