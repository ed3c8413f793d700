"""The report of association runs against their metrics; published protocols are paired with ours."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from figures import report
from figures.runs.run import AssociationRun, read_run
from figures.tables import curves
from figures.tables.association import is_builtin
from protocols.loading.loader import load
from protocols.runs.run_directory import resolved
from protocols.spec.protocol import AssociationProtocol
from tests.figures.synthetic import make_run, seed_arrays, write_run


def association(path: Path) -> AssociationRun:
    run = read_run(path)
    assert isinstance(run, AssociationRun)
    return run


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("runs")
    return [
        make_run(out / "b2", name="lone", seeds=1),
        make_run(out / "a1", name="pair_published"),
        make_run(out / "c3", name="pair", first_seed=5),
    ]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def test_the_table_has_a_row_a_run_with_its_numbers(paths: list[Path], tmp_path: Path) -> None:
    assert report.main([*map(str, paths), "--out", str(tmp_path / "new" / "folder")]) == 0
    header, _, *rest = (tmp_path / "new" / "folder" / "association.md").read_text().splitlines()
    rows = [dict(zip(cells(header), cells(line), strict=True)) for line in rest[:3]]
    assert [row["protocol"] for row in rows] == ["lone", "pair_published", "pair"]
    assert rest[3] == ""
    for row, path in zip(rows, paths, strict=True):
        metrics = json.loads((path / "metrics.json").read_text())
        test, lowest = metrics["accuracy/test"], metrics["accuracy/lowest_after_first_third"]
        interval = f" [{test['ci95'][0]:.3f}, {test['ci95'][1]:.3f}]" if test["ci95"] else ""
        assert row["test images, last evaluations"] == f"{test['mean']:.3f}{interval} (3 evaluations)"
        assert row["lowest evaluation after the first third"].startswith(f"{lowest['mean']:.3f}")
        assert row["lowest evaluation after the first third"].endswith(f"({lowest['lowest']:.3f})")
        assert row["snapshot best on validation"].startswith(f"{metrics['accuracy/best_snapshot']['mean']:.3f}")
        assert row["ceiling: readout of all neurons"].startswith(f"{metrics['ceiling/activity']['mean']:.3f}")
        assert row["neurons"] == "60"
        assert row["seeds"] == str(test["n"])
        assert "best snapshot 0.880 (Somebody 2021)" in row["published"]
        assert "last evaluations 0.682 +- 0.094 (their program, n=1)" in row["published"]
        assert row["command"] == "not the built-in protocol"


def test_the_csv_holds_the_same_numbers_with_their_origin(paths: list[Path], tmp_path: Path) -> None:
    report.report(paths, tmp_path)
    with open(tmp_path / "association.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["run"], row["commit"], row["uncommitted_changes"]) for row in rows} == {
        (name, "c0ffee", "False") for name in ("a1", "b2", "c3")
    }
    for path in paths:
        metrics = json.loads((path / "metrics.json").read_text())
        mine = {r["quantity"]: r for r in rows if r["run"] == path.name and r["subject"] == "twin"}
        assert len(mine) == 5
        for quantity in set(mine) & set(metrics):
            value, row = metrics[quantity], mine[quantity]
            assert float(row["value"]) == value["mean"]
            assert int(row["n"]) == value["n"]
            assert [row["ci95_low"], row["ci95_high"]] == [str(bound) for bound in value["ci95"] or ["", ""]]
        lowest = mine["accuracy/lowest_after_first_third/of_all_seeds"]
        assert float(lowest["value"]) == metrics["accuracy/lowest_after_first_third"]["lowest"]
    others = [row for row in rows if row["run"] == "a1" and row["subject"] != "twin"]
    assert [(row["value"], row["sd"], row["n"]) for row in others] == [
        ("0.88", "", ""), ("0.8", "", "1"), ("0.682", "0.094", "1")
    ]  # fmt: skip


def named(runs: list[AssociationRun]) -> list[tuple[str | None, str | None]]:
    return [(p.ours and p.ours.path.name, p.published and p.published.path.name) for p in curves.panels(runs)]


def test_a_published_protocol_shares_the_panel_of_ours(paths: list[Path]) -> None:
    lone, published, ours = map(association, paths)
    assert named([lone, published, ours]) == [("b2", None), ("c3", "a1")]
    assert named([ours, lone, published]) == [("c3", "a1"), ("b2", None)]
    assert named([published, lone]) == [(None, "a1"), ("b2", None)]
    assert named([ours, published, published]) == [("c3", "a1"), (None, "a1")]
    assert named([ours, ours, published]) == [("c3", "a1"), ("c3", None)]


def test_the_curves_are_those_of_the_runs_on_one_scale(paths: list[Path]) -> None:
    runs = [association(path) for path in paths]
    first, second = curves.figure(runs).axes
    assert [first.get_title(loc="left"), second.get_title(loc="left")] == ["lone", "pair"]
    assert first.get_ylim() == second.get_ylim()
    drawn = {line.get_label(): line.get_ydata() for line in second.lines if line.get_linewidth() == 2}
    for label, run in (("published protocol, mean of 3 cultures", runs[1]), ("ours, mean of 3 cultures", runs[2])):
        right = [
            (run.arrays[f"seed_{s}/scores/test"].argmax(axis=2) == run.arrays[f"seed_{s}/labels/test"]).mean(axis=1)
            for s in run.seeds
        ]
        np.testing.assert_allclose(drawn[label], np.mean(right, axis=0))
    assert len(second.collections) == 2  # intervals
    assert not first.collections  # one culture has no interval


def test_only_an_unchanged_built_in_protocol_is_named_by_its_command(tmp_path: Path) -> None:
    for name, overrides, quick in (("as_is", [], False), ("set", ["seeds=1"], False), ("quick", [], True)):
        plan = load("mnist01", overrides, quick=quick)
        assert isinstance(plan, AssociationProtocol)
        path = write_run(tmp_path / name, plan, {seed: seed_arrays(plan, seed) for seed in plan.seed_list})
        assert is_builtin(association(path)) == (name == "as_is")
        report.report([path], tmp_path)
        command = cells((tmp_path / "association.md").read_text().splitlines()[2])[-1]
        assert command == ("`python -m culture_sim.run mnist01`" if name == "as_is" else "not the built-in protocol")


def test_what_is_no_finished_association_run_is_one_line(
    paths: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evoked = tmp_path / "evoked"
    evoked.mkdir()
    for name in ("metrics.json", "provenance.json"):
        (evoked / name).write_text("{}")
    (evoked / "protocol.yaml").write_text(resolved(load("ruaro2005")))
    np.savez(evoked / "arrays.npz")
    partial = tmp_path / "abc.partial"
    partial.mkdir()
    for wrong in (evoked, partial, tmp_path / "absent", paths[0] / "metrics.json"):
        assert report.main([str(paths[0]), str(wrong), "--out", str(tmp_path / "out")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {wrong}: ")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_line(
    paths: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert report.main([str(paths[0]), "--out", str(tmp_path / "file")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
