"""Image files that change between two calls of the command: no result of other images is shown or continued."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from hebbian_dl.run import app
from protocols.runs import run_directory
from tests.command import exit_code
from tests.protocols.images.files import TREE, put

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.whole]

PROTOCOL = """
name: folders
title: a network that is trained on a dozen images
citation: nobody
data: {source: image_folder, folder: images, n_classes: 2, validation: 2, size: [8, 8], workers: 0}
network:
  layers: [{conv: 2, kernel: 3}]
  methods: {none: {pretraining: none}}
  finetuning: {epochs: 1, batch: 2, learning_rate: 0.01, labels: stratified}
  regimes: [1.0]
"""
command = partial(exit_code, app)


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path))
    put(tmp_path / "images", TREE)
    (tmp_path / "folders.yaml").write_text(PROTOCOL)
    return [str(tmp_path / "folders.yaml"), "--out", str(tmp_path / "runs"), "--jobs", "1"]


def change(tmp_path: Path) -> None:
    file = tmp_path / "images" / TREE[0]
    file.write_bytes(file.read_bytes() + b"more")


def assert_refused(message: str, tmp_path: Path, run: str) -> None:
    assert message.startswith(f"error: data.folder: the images in {tmp_path / 'images'} are not those of {tmp_path}")
    assert run in message
    assert "--force" in message
    assert message.count("\n") == 1


def test_a_finished_run_is_reused_only_for_the_same_images(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 0
    assert command(*arguments) == 0
    assert "Reusing the finished run" in capsys.readouterr().err
    change(tmp_path)
    assert command(*arguments) == 2
    (run,) = (tmp_path / "runs/folders").glob("*/")
    assert {path.name for path in run.iterdir()} >= {*run_directory.FILES}
    assert not (run / run_directory.DATA).exists()
    assert_refused(capsys.readouterr().err, tmp_path, run.name)
    assert command(*arguments, "--force") == 0
    assert command(*arguments) == 0
    shutil.rmtree(tmp_path / "images")  # images that are not there cannot be compared
    capsys.readouterr()
    assert command(*arguments) == 0
    assert "Reusing the finished run" in capsys.readouterr().err


def test_an_unfinished_run_goes_on_only_with_the_same_images(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run_directory.Run, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert command(*arguments) == 130
    capsys.readouterr()
    change(tmp_path)
    assert command(*arguments) == 2
    assert_refused(capsys.readouterr().err, tmp_path, ".partial")
    assert command(*arguments, "--force") == 0
