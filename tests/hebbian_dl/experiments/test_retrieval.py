"""Runs with retrieval: metrics against brute force, networks reused from another run, interruption, wrong input."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hebbian_dl.bench import retrieval
from hebbian_dl.experiments import few_labels, semi_supervised
from hebbian_dl.training import loop
from protocols.loading.loader import builtin
from protocols.spec.retrieval import NORMALISATIONS, chance
from tests.command import exit_code
from tests.hebbian_dl.test_run import arrays_of, command, metrics_of
from tests.reference import retrieval as reference

SMALL = """
name: small
title: codes that are learned in a second
citation: nobody
data: {source: digits, classes: [0, 1, 2], pool: 300, validation: 30, test: 40}
network:
  layers: [{conv: 5, kernel: 3}, {norm: plain}, {pool: 2}, {dense: 8}, {norm: relative}]
  methods:
    none: {pretraining: none}
    SWTA: {pretraining: hebbian, rule: {rule: swta}, learning_rate: 0.01, epochs: 2, batch: 16, whitening: 0.1}
  finetuning: {epochs: 3, batch: 16, learning_rate: 0.01, labels: stratified}
  regimes: [0.1, 1.0]
  retrieval: {bits: 12, at: [10, per_class], queries: 30, shown: 4}
seeds: 2
"""
METHODS, REGIMES = ("none", "SWTA"), ("10%", "100%")


pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.whole]


def run_in(out: Path) -> Path:
    (found,) = [path for path in (out / "small").iterdir() if path.is_dir()]
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("protocol") / "small.yaml"
    path.write_text(SMALL)
    return str(path)


@pytest.fixture(scope="module")
def finished(small: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A run, and the codes of database and queries in the order in which they were ranked."""
    out, ranked = tmp_path_factory.mktemp("runs"), []
    whole = few_labels.mean_average_precision

    def ranking(database: Any, queries: Any, *given: Any) -> Any:
        ranked.append((database, queries))
        return whole(database, queries, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few_labels, "mean_average_precision", ranking)
        assert command(small, "--out", str(out), "--jobs", "1") == 0
    return run_in(out), ranked


def assert_same_arrays(run: Path, expected: Path) -> None:
    found, known = arrays_of(run), arrays_of(expected)
    assert found.keys() == known.keys()
    for name, array in known.items():
        if not name.endswith("wall_s"):
            np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_the_metrics_are_those_of_the_codes_by_brute_force(finished: Any) -> None:
    run, ranked = finished
    metrics, tasks = metrics_of(run), [(s, m, r) for s in (0, 1) for m in METHODS for r in REGIMES]
    assert len(ranked) == len(tasks)
    n = len(ranked[0][0].labels)
    for (seed, method, regime), (database, queries) in zip(tasks, ranked, strict=True):
        held, asked = (np.unpackbits(part.codes, axis=1).tolist() for part in (database, queries))
        assert len(asked) == 30
        for top, k in (("at_10", 10), ("at_per_class", n // 3)):
            expected = reference.mean_average_precision(
                held, database.labels.tolist(), asked, queries.labels.tolist(), k
            )
            for normalisation, value in expected.items():
                found = metrics[f"map/{method}/{regime}/{top}/{normalisation}"]
                assert found["per_seed"][seed] == pytest.approx(value, abs=1e-12)
                assert found["mean"] == pytest.approx(sum(found["per_seed"]) / 2)
                assert (found["k"], found["bits"], found["database"], found["queries"]) == (k, 12, n, 30)
                assert found["chance"] == chance(k, n // 3, n, normalisation)
                if (method, regime) == ("none", "100%"):
                    assert value > 1.5 * found["chance"]  # it learns


def test_what_is_kept_for_the_figure_are_the_first_of_the_rankings(finished: Any) -> None:
    run, ranked = finished
    arrays = arrays_of(run)
    for task, (database, queries) in enumerate(ranked):
        seed, method, regime = task // 4, METHODS[task // 2 % 2], task % 2
        kept = {
            key: arrays[f"seed_{seed}/{method}/retrieved/{key}"][regime]
            for key in ("query_label", "label", "index", "distance", "image", "query_image")
        }
        held, asked = (np.unpackbits(part.codes, axis=1).tolist() for part in (database, queries))
        shown = [int(np.flatnonzero(queries.labels == label)[turn]) for label, turn in ((0, 0), (1, 0), (2, 0), (0, 1))]
        assert kept["query_label"].tolist() == [0, 1, 2, 0]
        for row, query in enumerate(shown):
            expected = reference.ranking(held, asked[query])[:10]
            assert list(zip(kept["distance"][row], kept["index"][row], strict=True)) == expected
        np.testing.assert_array_equal(kept["label"], database.labels[kept["index"]])
        assert kept["image"].shape == (4, 10, 1, 8, 8)
        assert (kept["image"].min(), kept["image"].max()) == (0, 255)


def test_the_images_kept_are_not_whitened(finished: Any) -> None:
    arrays = arrays_of(finished[0])
    plain, whitened = (arrays[f"seed_0/{method}/retrieved/query_image"] for method in METHODS)
    np.testing.assert_array_equal(plain, whitened)


def test_retrieval_does_not_change_the_accuracies(small: str, finished: Any, tmp_path: Path) -> None:
    assert command(small, "--set", "network.retrieval=null", "--out", str(tmp_path), "--jobs", "1") == 0
    found, known = arrays_of(run_in(tmp_path)), arrays_of(finished[0])
    assert {name for name in known if not any(word in name for word in ("/map/", "/retriev"))} == set(found)
    for name, array in found.items():
        if not name.endswith("wall_s"):
            np.testing.assert_array_equal(array, known[name], err_msg=name)


def test_the_table_names_k_and_divisor(small: str, finished: Any, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert command(small, "--out", str(finished[0].parents[1])) == 0
    lines, metrics = capsys.readouterr().out.splitlines(), metrics_of(finished[0])
    for top in ("at_10", "at_per_class"):
        for normalisation, words in zip(NORMALISATIONS, ("relevant found", "min(K, relevant)"), strict=True):
            for regime in REGIMES:
                values = [metrics[f"map/{method}/{regime}/{top}/{normalisation}"] for method in METHODS]
                (line,) = [
                    x for x in lines if x.split()[:1] == [str(values[0]["k"])] and words in x and f" {regime} " in x
                ]
                assert all(f"{100 * value['mean']:.2f}" in line for value in values)
    assert f"30 test images sought in {values[0]['database']} training images by codes of 12 bits" in lines


@pytest.fixture(scope="module")
def pretrained(small: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without retrieval, of fewer regimes, whose protocol lacks keys that have defaults."""
    out = tmp_path_factory.mktemp("earlier")
    sets = ("--set", "network.retrieval=null", "--set", "network.regimes=[0.1]", "--set", "data.test=30")
    assert command(small, *sets, "--out", str(out), "--jobs", "1") == 0
    run = run_in(out)
    text = (run / "protocol.yaml").read_text()
    earlier = "".join(x for x in text.splitlines(True) if x.split(":")[0].strip() not in ("pretrained", "at_a_time"))
    assert earlier != text
    (run / "protocol.yaml").write_text(earlier)
    return run


def test_networks_of_another_run_give_the_same_bit_by_bit(
    small: str, finished: Any, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semi_supervised, "hebbian_training", lambda *_: pytest.fail("is pre-trained already"))
    assert command(small, "--set", f"network.pretrained={pretrained}", "--out", str(tmp_path), "--jobs", "1") == 0
    run = run_in(tmp_path)
    assert_same_arrays(run, finished[0])
    facts = json.loads((run / "provenance.json").read_text())["pretrained"]
    assert facts["run"] == str(pretrained)
    for seed in (0, 1):
        name = f"seed_{seed}_SWTA.safetensors"
        content = (pretrained / "networks" / name).read_bytes()
        assert facts["sha256"][name] == hashlib.sha256(content).hexdigest()
        assert (run / "networks" / name).read_bytes() == content  # complete without the other run


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("network.layers.0.conv=6", "network.layers.0.conv: 5; needed: 6"),
        ("network.layers.1.norm=relative", "network.layers.1.norm: plain; needed: relative"),
        ("network.batch_norm_momentum=0.2", "network.batch_norm_momentum: 0.1; needed: 0.2"),
        ("data.pool=400", "data.pool: 300; needed: 400"),
        ("data.classes=[0, 1, 3]", "data.classes.2: 2; needed: 3"),
        ("network.methods.SWTA.epochs=3", "network.methods.SWTA.epochs: 2; needed: 3"),
        ("network.methods.SWTA.rule.temperature=0.5", "network.methods.SWTA.rule.temperature: 0.02; needed: 0.5"),
        ("network.methods.SWTA.whitening=null", "network.methods.SWTA.whitening: 0.1; needed: none"),
        (
            "network.methods={HPCA: {pretraining: hebbian, rule: {rule: hpca}, learning_rate: 0.1}}",
            "network.methods.HPCA: none; needed: {pretraining: hebbian, ",
        ),
        ("seeds=3", "no seed_2_SWTA.safetensors; needed: SWTA in seeds 0 to 2"),
    ],
)
def test_other_networks_are_refused_in_one_line(
    setting: str, said: str, small: str, pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(small, pretrained, tmp_path, capsys, setting)
    assert line.startswith(f"error: network.pretrained: {pretrained}: {said}")


def refused(small: str, run: Path, out: Path, capsys: pytest.CaptureFixture[str], *settings: str) -> str:
    """The one line of the refusal; nothing is written."""
    capsys.readouterr()
    sets = [word for setting in settings for word in ("--set", setting)]
    assert command(small, *sets, "--set", f"network.pretrained={run}", "--out", str(out / "runs")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not (out / "runs").exists()
    return line


def test_what_is_no_run_of_these_data_is_refused(
    small: str, pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nowhere"
    assert refused(small, nowhere, tmp_path, capsys) == (
        f"error: network.pretrained: {nowhere}: not a finished run; allowed: the directory of a run of hebbian_dl.run"
    )
    other = tmp_path / "other"
    shutil.copytree(pretrained, other)
    facts = json.loads((other / "provenance.json").read_text())
    (other / "provenance.json").write_text(json.dumps(facts | {"data": {"sklearn digits": "123"}}))
    line = refused(small, other, tmp_path, capsys)
    assert line.startswith(f"error: network.pretrained: {other}: data: sklearn digits with checksum 123; needed: ")
    (other / "provenance.json").write_text("{")
    assert refused(small, other, tmp_path, capsys).endswith(": provenance.json: damaged")
    (other / "protocol.yaml").write_text("name: [")
    assert refused(small, other, tmp_path, capsys).startswith(
        f"error: network.pretrained: {other}/protocol.yaml line 1"
    )
    (other / "protocol.yaml").write_text(builtin()["ruaro2005"].read_text().replace("targets:", "# targets:"))
    assert "a run of 'ruaro2005'" in refused(small, other, tmp_path, capsys)


def test_a_damaged_network_is_one_line(
    small: str, pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(pretrained, other)
    path = other / "networks" / "seed_0_SWTA.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    line = (small, "--set", f"network.pretrained={other}", "--out", str(tmp_path), "--jobs", "1")
    assert command(*line) == 1
    assert "damaged checkpoint" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("after", [2, 4, 5])
def test_an_interrupted_run_goes_on_to_the_same_result(
    after: int, small: str, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the fine-tuning, in the training of the units, and as the codes are ranked."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    with monkeypatch.context() as patch:
        stop(patch, after)
        assert command(small, "--out", str(tmp_path), "--jobs", "1") == 130
    (partial,) = (tmp_path / "small").glob("*.partial")
    assert (partial / "seed_0_none_10%.npz").exists() == (after > 3)
    logged = len((partial / "log_seed_0.jsonl").read_text().splitlines())
    assert logged == {2: 2, 4: 4, 5: 6}[after]
    assert command(small, "--out", str(tmp_path), "--jobs", "1") == 0
    run = run_in(tmp_path)
    assert_same_arrays(run, finished[0])
    assert {path.name for path in run.iterdir()} == {path.name for path in finished[0].iterdir()}
    names = [json.loads(line)["training"] for line in (run / "log_seed_0.jsonl").read_text().splitlines()]
    assert names.count("none/10%") == names.count("none/10%/retrieval") == 3  # no epoch twice


def stop(patch: pytest.MonkeyPatch, after: int) -> None:
    """Interrupt the run after `after` epochs; for 5, when the first ranking begins."""
    whole, done = loop.Training._epoch, 0

    def epoch(self: loop.Training, *given: Any) -> float | None:
        nonlocal done
        if done == after and after < 5:
            raise KeyboardInterrupt
        done += 1
        return whole(self, *given)

    def ranking(*given: Any) -> Any:
        raise KeyboardInterrupt

    patch.setattr(loop.Training, "_epoch", epoch)
    patch.setattr(few_labels, "mean_average_precision", ranking)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("network.retrieval.at=[9999]",), "network.retrieval.at.0: 9999; allowed: at most the "),
        (("network.retrieval.queries=41",), "network.retrieval.queries: 41; allowed: at most the 40 test images"),
        (("network.retrieval.backend=faiss",), "network.retrieval.backend: 'faiss' is not installed"),
    ],
)
def test_more_than_there_is_is_one_line(
    settings: tuple[str, ...], said: str, small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    sets = [word for setting in settings for word in ("--set", setting)]
    assert command(small, *sets, "--out", str(tmp_path / "runs")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}")
    assert not (tmp_path / "runs").exists()


def test_dry_run_says_what_retrieval_costs(small: str, pretrained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(small, "--dry-run", "--set", f"network.pretrained={pretrained}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"pre-training SWTA: taken from {pretrained}" in lines
    assert any(line.startswith("retrieval, each method: ") and "12 bits" in line for line in lines)
    assert any(line.strip().startswith("30 queries against ") and ", 2 times: " in line for line in lines)


def test_the_bench_prints_every_way_beside_the_floor(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ("--queries", "5", "--database", "300", "--bits", "70", "--at", "10", "--at", "200", "--rounds", "1")
    assert exit_code(retrieval.app, *sizes) == 0
    printed = capsys.readouterr().out
    for words in ("exact, K = 10 ", "exact, K = 200 ", "exact, K = 10 and 200 ", "reading ", "as a product of +-1"):
        assert words in printed
    assert exit_code(retrieval.app, "--database", "10", "--at", "11") == 2
    assert capsys.readouterr().err == "error: --at 11: allowed: at most the 10 codes of the database\n"
