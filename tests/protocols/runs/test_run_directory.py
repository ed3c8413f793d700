"""Run directories: hashes, and no unfinished run that looks complete."""

import json
import os
import re
import signal
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from protocols.loading.loader import load
from protocols.loading.published import Target, compare, read_targets
from protocols.runs import interruption, run_directory

PACKAGES = ("culture_sim", "protocols")


def key(*overrides: str, inputs: dict[str, bytes] | None = None) -> str:
    return run_directory.run_hash(load("ruaro2005", overrides), inputs or {}, PACKAGES)


def test_hash_follows_the_resolved_protocol_the_inputs_and_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    base = key()
    assert re.fullmatch(r"[0-9a-f]{12}", base)
    assert key("culture.array.pitch=0.5 mm") == base  # the same quantity, spelt differently
    assert key("culture.array.pitch=501 um") != base
    assert key("stimulus_seed=1") != base
    assert key(inputs={"targets": b"x"}) != base
    monkeypatch.setattr(run_directory, "code_hash", lambda *packages: "other code")
    assert key() != base


def test_a_run_is_complete_only_after_finish(tmp_path: Path) -> None:
    run = run_directory.Run(tmp_path, load("ruaro2005"), "abc")
    with run.writing():
        run.save_part("seed_0", {"x": np.arange(3)})
        assert not run.complete
        assert not run.path.exists()
        with pytest.raises(run_directory.RunInUse), run.writing():
            pass
    assert run.load_part("seed_0") is not None
    assert run.load_part("seed_1") is None
    with run.writing():
        run.finish({"a": 1.0}, {"b": 2}, {"x": np.arange(3)})
    assert run.complete
    assert not run.partial.exists()
    assert sorted(p.name for p in run.path.iterdir()) == [
        "arrays.npz", "metrics.json", "protocol.yaml", "provenance.json"
    ]  # fmt: skip
    assert json.loads((run.path / "metrics.json").read_text()) == {"a": 1.0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_waits_until_a_part_is_whole(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, compressor = run_directory.Run(tmp_path, load("ruaro2005"), "abc"), zipfile._get_compressor  # type: ignore[attr-defined]

    def interrupted(*arguments: object) -> object:
        os.kill(os.getpid(), number)  # an exception here leaves a ZIP file that cannot even be closed
        return compressor(*arguments)

    monkeypatch.setattr(zipfile, "_get_compressor", interrupted)
    with run.writing(), pytest.raises(KeyboardInterrupt), interruption.noted():
        run.save_part("seed_0", {"x": np.arange(3), "y": np.arange(4)})
    assert interruption.terminated() == (number == signal.SIGTERM)
    found = run.load_part("seed_0")
    assert found is not None
    assert found["y"].tolist() == [0, 1, 2, 3]


def test_not_a_number_never_reaches_the_metrics(tmp_path: Path) -> None:
    run = run_directory.Run(tmp_path, load("ruaro2005"), "abc")
    with pytest.raises(ValueError, match="not JSON compliant"), run.writing():
        run.finish({"a": float("nan")}, {}, {})
    assert not run.complete


def test_provenance_names_code_versions_and_machine() -> None:
    facts = run_directory.provenance(PACKAGES, seeds=[1])
    assert facts["code"]["hash"] == run_directory.code_hash(*PACKAGES)
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["seeds"] == [1]


def git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=n", "-c", "user.email=e")
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


def test_provenance_says_whether_the_code_differs_from_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(run_directory.resources, "files", lambda name: package)

    def code() -> tuple[str | None, bool | None]:
        facts = run_directory.provenance(("package",))["code"]
        return facts["commit"], facts["dirty"]

    assert code() == (None, None)
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    commit, dirty = code()
    assert re.fullmatch(r"[0-9a-f]{40}", str(commit))
    assert dirty is False
    (package / "__init__.py").write_text("changed = True")
    assert code() == (commit, True)
    installed = tmp_path / "environment" / "package"  # installed below another project's checkout
    installed.mkdir(parents=True)
    monkeypatch.setattr(run_directory.resources, "files", lambda name: installed)
    assert code() == (None, None)
    monkeypatch.setenv("PATH", "")
    assert code() == (None, None)


def target(value: float, sd: float, subject: str = "culture") -> Target:
    return Target("q", None, value, sd, 4, "u", 20, subject, "source", "figure")


def test_comparison_is_within_the_published_sd() -> None:
    metrics = {"q": {"mean": 5.0, "sd": 0.1, "n": 3, "unit": "u", "window_ms": [0, 20]}}
    targets = [target(5.5, 0.5), target(5.51, 0.5), target(9, 1, "authors' simulation")]
    assert [row["verdict"] for row in compare(metrics, targets, None)] == ["agrees", "differs", "differs"]
    assert [row["verdict"] for row in compare(metrics, targets, "q")] == ["calibrated", "calibrated", "differs"]
    assert compare({}, targets, None) == []


def test_published_values_are_those_of_the_paper() -> None:
    from importlib import resources

    targets = read_targets(Path(str(resources.files("protocols"))) / "targets/ruaro2005.csv")
    single = {(t.quantity, t.subject): (t.value, t.sd) for t in targets if t.bin_ms is None}
    assert single["evoked/L/before", "culture"] == (5.6, 0.8)
    assert single["evoked/L/after", "culture"] == (6.4, 0.7)
    assert single["evoked/inverted_L/before", "culture"] == (4.7, 0.8)
    assert single["evoked/inverted_L/after", "culture"] == (4.1, 0.5)
    courses = {t.quantity for t in targets if t.bin_ms is not None}
    assert len(courses) == 4
    assert all(t.source and t.unit and t.n for t in targets)
