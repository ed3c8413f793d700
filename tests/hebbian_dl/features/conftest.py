"""Small runs whose networks the tests of features use."""

from pathlib import Path

import pytest

from hebbian_dl.run import NetworkLearner, app
from protocols.runs import cli

FILE = """
base: digits_hebb
name: used
data: {classes: [0, 1, 2], validation: 60, test: 60}
network:
  layers: [{conv: 4, kernel: 3}, {norm: relative}, {pool: 2}, {norm: plain}, {dense: 6}, {norm: relative}]
  methods:
    none: {pretraining: none}
    HPCA: {pretraining: hebbian, rule: {rule: hpca}, learning_rate: 0.01, epochs: 1, batch: 20, whitening: 0.01}
    SWTA:
      pretraining: hebbian
      rule: {rule: swta}
      learning_rate: 0.1
      epochs: 1
      batch: 20
      whitening: 0.01
      whitening_patch: 3
    VAE: {pretraining: vae, latents: 5, epochs: 1, batch: 20, features: latents}
  finetuning: {epochs: 1, batch: 20}
  regimes: [0.5]
seeds: 1
"""
ARCHITECTURE = """
base: used.yaml
name: residual
network:
  layers: []
  architecture: {net: resnet18, width: 2}
  methods:
    HPCA: {whitening: null}
    SWTA: {pretraining: none}
    VAE: {pretraining: none}
"""
TRIANGLE = """
base: softhebb_digits
name: triangle
data: {classes: [0, 1, 2], validation: 60, test: 60}
network:
  methods:
    HPCA: {pretraining: none}
    SWTA: {pretraining: none}
  finetuning: {epochs: 1}
  regimes: [0.5]
seeds: 1
"""


def ran(folder: Path, name: str) -> Path:
    """The directory of a run of a protocol in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkLearner, "figures", lambda *_: None)
        patch.setenv("OMP_NUM_THREADS", "1")
        assert cli.outcome(app, [str(folder / f"{name}.yaml"), "--jobs", "1", "--out", str(folder)]) == (0, [])
    return next((folder / name).glob("*/metrics.json")).parent


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("used")
    (found / "used.yaml").write_text(FILE)
    (found / "residual.yaml").write_text(ARCHITECTURE)
    (found / "triangle.yaml").write_text(TRIANGLE)
    return found


@pytest.fixture(scope="session")
def run(folder: Path) -> Path:
    return ran(folder, "used")


@pytest.fixture(scope="session")
def residual(folder: Path) -> Path:
    return ran(folder, "residual")


@pytest.fixture(scope="session")
def triangle(folder: Path) -> Path:
    return ran(folder, "triangle")
