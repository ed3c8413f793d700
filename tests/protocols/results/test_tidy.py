"""The tidy table holds the numbers of metrics.json, for every kind of run."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from culture_sim.analysis.summary import summarise
from protocols.loading.loader import load
from protocols.results import frame
from protocols.runs.run_directory import resolved
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import EvokedProtocol
from tests.figures.synthetic import make_run
from tests.figures.synthetic_networks import make_network_run

STATISTICS = ["mean", "sd", "n", "ci95_low", "ci95_high"]


def make_evoked_run(folder: Path) -> Path:
    """A run of two seeds, the second of which is silent."""
    plan = load("ruaro2005", ["seeds=2", "first_seed=7", "targets=null"])
    assert isinstance(plan, EvokedProtocol)
    keys = [("L", phase, window) for phase in ("before", "after") for window in ("before", "after")]
    leaky = [{key: scale * (np.arange(5.0) + len(key[1])) for key in keys} for scale in (1.0, 0.0)]
    folder.mkdir(parents=True)
    (folder / "protocol.yaml").write_text(resolved(plan))
    (folder / "metrics.json").write_text(json.dumps(summarise(plan, leaky, [])))
    return folder


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("runs")
    return {
        "evoked": make_evoked_run(out / "a1"),
        "association": make_run(out / "b2", first_seed=5),
        "network": make_network_run(out / "c3"),
    }


def metrics_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


@pytest.mark.parametrize("kind", ["evoked", "association", "network"])
def test_a_metric_has_a_row_for_each_seed_with_its_statistics(paths: dict[str, Path], kind: str) -> None:
    table, metrics = frame(paths[kind]), metrics_of(paths[kind])
    simple = {k: v for k, v in metrics.items() if isinstance(v, dict) and np.ndim(v.get("per_seed", [[]])) == 1}
    assert simple
    for metric, found in simple.items():
        rows = table[table.metric == metric]
        assert rows.value.tolist() == found["per_seed"]
        first = {"evoked": 7, "association": 5, "network": 0}[kind]
        assert rows.seed.tolist() == list(range(first, first + found["n"]))
        assert (rows.unit == found["unit"]).all()
        assert (rows["mean"] == found["mean"]).all()
        assert (rows.n == found["n"]).all()
        assert (rows.sd == found["sd"]).all()
        if kind == "evoked":
            assert rows[["ci95_low", "ci95_high"]].isna().all(axis=None)
        else:
            assert rows[["ci95_low", "ci95_high"]].drop_duplicates().to_numpy().tolist() == [found["ci95"]]
    assert not table.duplicated(["metric", "seed", "presentations"]).any()


def test_growth_is_a_ratio_and_whether_it_grows(paths: dict[str, Path]) -> None:
    rows = frame(paths["evoked"]).set_index("metric")
    (grown, silent), growth = rows.loc["growth/L/20ms/ratio"].value, metrics_of(paths["evoked"])["growth/L/20ms"]
    assert grown == growth["ratio_per_seed"][0]
    assert math.isnan(silent)
    assert rows.loc["growth/L/20ms/grows"].value.tolist() == growth["grows_per_seed"]
    assert rows.loc["growth/L/20ms/ratio", STATISTICS].isna().all(axis=None)


def test_a_learning_curve_has_a_row_for_each_evaluation(paths: dict[str, Path]) -> None:
    table, metrics = frame(paths["association"]), metrics_of(paths["association"])
    curve = metrics["accuracy/curve"]
    rows = table[table.metric == "accuracy/curve"]
    wide = rows.pivot(index="seed", columns="presentations", values="value")
    assert wide.columns.tolist() == curve["presentations"]
    assert wide.to_numpy().tolist() == curve["per_seed"]
    assert rows[rows.seed == 5]["mean"].tolist() == curve["mean"]
    assert rows[rows.seed == 5][["ci95_low", "ci95_high"]].to_numpy().tolist() == curve["ci95"]
    validation = table[table.metric == "accuracy/curve/validation"].pivot(index="seed", columns="presentations")
    assert validation["value"].to_numpy().tolist() == curve["validation_per_seed"]
    auc = table[table.metric == "separation/0/auc"]
    assert auc.value.tolist() == metrics["separation/0"]["auc"]["per_seed"]
    assert auc.unit.isna().all()  # a bare number


def test_further_lists_of_a_metric_have_names_of_their_own(paths: dict[str, Path]) -> None:
    table, metrics = frame(paths["network"]).set_index("metric"), metrics_of(paths["network"])
    assert table.loc["accuracy/HPCA/1%/epoch"].value.tolist() == metrics["accuracy/HPCA/1%"]["epoch_per_seed"]
    kept = metrics["pretraining/HPCA"]["kept_epoch_per_seed"]
    assert table.loc["pretraining/HPCA/kept_epoch"].value.tolist() == kept


def test_several_runs_follow_each_other(paths: dict[str, Path]) -> None:
    table = frame(*paths.values(), str(paths["evoked"]))
    assert table.groupby("run").protocol.unique().map(list).to_dict() == {
        "a1": ["ruaro2005"], "b2": ["small"], "c3": ["small_network"]
    }  # fmt: skip
    single = [frame(paths[kind]) for kind in (*paths, "evoked")]
    pd.testing.assert_frame_equal(table, pd.concat(single, ignore_index=True))
    pd.testing.assert_series_equal(frame().dtypes, table.dtypes)


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    table = frame(make_run(tmp_path / "one", seeds=1))
    rows = table[table.metric == "accuracy/test"]
    assert rows[["sd", "ci95_low", "ci95_high"]].isna().all(axis=None)
    assert rows.n.tolist() == [1]


def test_what_is_no_run_is_one_line(paths: dict[str, Path], tmp_path: Path) -> None:
    partial, damaged, short, other = (tmp_path / name for name in ("abc.partial", "damaged", "short", "other"))
    partial.mkdir()
    make_run(damaged)
    (damaged / "metrics.json").write_text('{"accuracy/')
    make_run(short)
    (short / "metrics.json").write_text('{"x": {"per_seed": [1.0]}}')
    make_run(other)
    (other / "protocol.yaml").write_text("name: nothing")
    for path, reason in (
        (tmp_path / "absent", "no such run directory"),
        (partial, "not a complete run: protocol.yaml is missing"),
        (paths["evoked"] / "metrics.json", "no such run directory"),
        (damaged, "damaged run"),
        (other, "damaged run: protocol.yaml: "),
        (short, "damaged run: x has 1 values in per_seed"),
    ):
        with pytest.raises(ProtocolFault, match=reason) as fault:
            frame(paths["evoked"], path)
        (line,) = fault.value.lines
        assert line.startswith(f"{path}: ")


def test_results_are_imported_without_pandas() -> None:
    code = "import sys, protocols.results; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
