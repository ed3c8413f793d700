"""Saved networks: the loaded network is the one that the run fine-tuned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import hebbian_dl
from hebbian_dl.experiments import semi_supervised
from hebbian_dl.images.in_memory import Examples, normalised, whitened
from hebbian_dl.layers.hebbian import hebbian_layers
from hebbian_dl.networks import saved
from hebbian_dl.run import NetworkLearner, app
from hebbian_dl.training.checkpoint import CheckpointError
from hebbian_dl.training.loop import Training
from protocols.images.examples import load_images
from protocols.loading.loader import load
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault
from protocols.spec.network import Network
from protocols.spec.protocol import NetworkProtocol

PROTOCOL = """
name: tiny
title: a network that is trained in a second
citation: nobody
data: {source: digits, classes: [0, 1, 2], pool: 400, validation: 30, test: 60}
network:
  layers: [{conv: 5, kernel: 3}, {norm: plain}, {pool: 2}, {dense: 8}, {norm: relative}, {dense: 7}]
  depth: 2
  methods:
    none: {pretraining: none}
    HPCA: {pretraining: hebbian, rule: {rule: hpca}, learning_rate: 0.01, epochs: 3, selection: label_free}
    SWTA:
      pretraining: hebbian
      rule: {rule: swta}
      learning_rate: 0.01
      epochs: 3
      batch: 8
      whitening: 1.0
      selection: labelled
    VAE: {pretraining: vae, latents: 4, epochs: 2, features: latents, learning_rate: 0.01}
    VAE units: {pretraining: vae, latents: 4, epochs: 2, learning_rate: 0.01}
  finetuning: {epochs: 1, learning_rate: 0.1}
  regimes: [0.2, 1.0]
"""
PRETRAINED = ("HPCA", "SWTA", "VAE", "VAE units")
WIDTH = {"HPCA": 8, "SWTA": 8, "VAE": 4, "VAE units": 8}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray], dict[str, Any]]:
    """A run, the features of test images before its fine-tuning, and sums of features by class in each epoch."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "tiny.yaml").write_text(PROTOCOL)
    features: dict[str, np.ndarray] = {}
    learned: dict[str, Any] = {"SWTA": []}
    tuned, scored = semi_supervised.finetuned, Training._epoch

    def finetuned(state: Any, name: str, network: nn.Module, *given: Any) -> Any:
        with torch.no_grad():
            found = network.eval()(state.splits.test.images).numpy()
        np.testing.assert_array_equal(features.setdefault(name.partition("/")[0], found), found)  # in every regime
        return tuned(state, name, network, *given)

    def epoch(self: Training, *given: Any) -> float | None:
        """Record the last layer's outputs for each batch while it learns, over which class means are taken."""
        if self.name != "SWTA":
            return scored(self, *given)
        sums, step, last = np.zeros((3, 8)), self.step, {}
        layer = self.model.get_submodule(str(len(list(self.model.children())) - 1))
        handle = layer.register_forward_hook(lambda module, given, output: last.update(features=output.numpy().copy()))

        def adding(batch: Examples) -> Any:
            result = step(batch)
            for feature, label in zip(last["features"], batch.labels.tolist(), strict=True):
                sums[label] += feature
            return result

        self.step = adding
        try:
            return scored(self, *given)
        finally:
            handle.remove()
            self.step = step
            learned["SWTA"].append(sums)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(NetworkLearner, "figures", lambda *_: None)
        patch.setattr(semi_supervised, "finetuned", finetuned)
        patch.setattr(Training, "_epoch", epoch)
        with pytest.raises(SystemExit) as exit_:
            cli.main(app, [str(folder / "tiny.yaml"), "--out", str(folder), "--jobs", "1"])
        assert not exit_.value.code
    torch.set_num_threads(1)
    (run,) = [path for path in (folder / "tiny").iterdir() if path.is_dir()]
    return run, features, learned


def arrays_of(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "arrays.npz") as file:
        return dict(file)


def images(run: Path, method: str) -> Any:
    protocol = load(str(run / "protocol.yaml"))
    assert isinstance(protocol, NetworkProtocol)
    splits = normalised(load_images(protocol.data), torch.device("cpu"))
    return whitened(splits, 1.0) if method == "SWTA" else splits


@pytest.mark.parametrize("method", PRETRAINED)
def test_a_loaded_network_gives_the_features_that_were_fine_tuned(method: str, finished: Any) -> None:
    run, features, _ = finished
    network = hebbian_dl.load_network(run, method)
    assert not network.training
    with torch.no_grad():
        found = network(images(run, method).test.images).numpy()
    assert found.shape == (60, WIDTH[method])
    np.testing.assert_array_equal(found, features[method])
    protocol = load(str(run / "protocol.yaml"))
    assert isinstance(protocol, NetworkProtocol)
    untrained = saved.draw(protocol, protocol.network.methods[method], 0).features.eval()
    assert not np.allclose(untrained(images(run, method).test.images).detach(), found, atol=1e-3)


def test_the_effective_rank_of_the_kept_epoch_is_that_of_the_loaded_network(finished: Any) -> None:
    """By the definition (Garrido et al. 2023, equation 1), from a singular value decomposition."""
    run, _, _ = finished
    arrays = arrays_of(run)
    course, kept = arrays["seed_0/HPCA/pretraining/effective_rank"], int(arrays["seed_0/HPCA/pretraining/epoch"])
    assert kept == int(np.argmax(course))
    with torch.no_grad():
        features = hebbian_dl.load_network(run, "HPCA")(images(run, "HPCA").validation.images).double().numpy()
    singular = np.linalg.svd(features, compute_uv=False)
    share = singular / singular.sum()
    assert course[kept] == pytest.approx(np.exp(-sum(p * np.log(p) for p in share if p > 0)), rel=1e-3)


def test_the_accuracy_of_class_means_is_that_of_the_loaded_network(finished: Any) -> None:
    """Class means of the last layer's outputs while it learned; the nearest mean (cosine) classifies an image."""
    run, _, learned = finished
    arrays = arrays_of(run)
    course, kept = arrays["seed_0/SWTA/pretraining/class_mean_accuracy"], int(arrays["seed_0/SWTA/pretraining/epoch"])
    validation = images(run, "SWTA").validation
    with torch.no_grad():
        features = hebbian_dl.load_network(run, "SWTA")(validation.images).numpy()
    right = 0
    for feature, label in zip(features, validation.labels.tolist(), strict=True):
        cosines = [feature @ mean / np.linalg.norm(mean) for mean in learned["SWTA"][kept]]
        right += int(np.argmax(cosines)) == label
    assert course[kept] == pytest.approx(right / len(features))
    assert course[kept] == max(course) > 0.5


def test_loading_draws_nothing_from_the_caller_s_randomness(finished: Any) -> None:
    torch.manual_seed(7)
    expected = torch.randn(3)
    torch.manual_seed(7)
    hebbian_dl.load_network(finished[0], "VAE")
    assert torch.equal(torch.randn(3), expected)


def test_what_is_not_there_is_said(finished: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ProtocolFault, match=r"seed_0_none\.safetensors: no such network; allowed: seed_0_HPCA, seed_0_"
    ):
        hebbian_dl.load_network(finished[0], "none")
    with pytest.raises(ProtocolFault, match=r"seed_1_HPCA\.safetensors: no such network"):
        hebbian_dl.load_network(finished[0], "HPCA", seed=1)
    with pytest.raises(ProtocolFault, match="none is there"):
        hebbian_dl.load_network(tmp_path, "HPCA")


def test_a_damaged_or_a_mistaken_network_is_refused(finished: Any, tmp_path: Path) -> None:
    run, _, _ = finished
    (tmp_path / "networks").mkdir()
    (tmp_path / "protocol.yaml").write_bytes((run / "protocol.yaml").read_bytes())
    path = saved.path_of(tmp_path, "HPCA", 0)
    path.write_bytes(saved.path_of(run, "HPCA", 0).read_bytes()[:-50])
    with pytest.raises(CheckpointError, match=f"^{path}: damaged checkpoint"):
        hebbian_dl.load_network(tmp_path, "HPCA")
    path.write_bytes(saved.path_of(run, "SWTA", 0).read_bytes())
    with pytest.raises(CheckpointError, match=f"^{path}: checkpoint of method SWTA; allowed: HPCA"):
        hebbian_dl.load_network(tmp_path, "HPCA")
    path.write_bytes(saved.path_of(run, "HPCA", 0).read_bytes())
    narrow = (run / "protocol.yaml").read_text().replace("dense: 8", "dense: 9")
    (tmp_path / "protocol.yaml").write_text(narrow)
    with pytest.raises(CheckpointError, match=f"^{path}: checkpoint of another network"):
        hebbian_dl.load_network(tmp_path, "HPCA")


def test_methods_without_biases_start_from_the_same_weights(finished: Any) -> None:
    protocol = load(str(finished[0] / "protocol.yaml"))
    assert isinstance(protocol, NetworkProtocol)
    methods = protocol.network.methods
    drawn = {name: saved.draw(protocol, methods[name], 3).features.state_dict() for name in ("none", "HPCA", "SWTA")}
    for name in ("HPCA", "SWTA"):
        assert all(torch.equal(tensor, drawn["none"][key]) for key, tensor in drawn[name].items())
    other = saved.draw(protocol, methods["none"], 4).features.state_dict()
    assert not torch.equal(other["0.weight"], drawn["none"]["0.weight"])


@pytest.mark.parametrize("pretraining", ["none", "hebbian"])
def test_initial_norm_is_about_the_norm_of_each_neuron_s_weights(pretraining: str) -> None:
    """Squared norms of M draws from N(0, c^2 / M) are c^2 chi^2_M / M: mean c^2, sd c^2 sqrt(2 / M)."""
    protocol = load("softhebb_digits")
    learns = {"rule": {"rule": "softhebb"}, "learning_rate": 0.1} if pretraining == "hebbian" else {}
    method = {"pretraining": pretraining, "initial_norm": 25.0} | learns
    network = Network.model_validate(protocol.network.model_dump() | {"methods": {"a": method}})
    drawn = saved.draw(protocol.model_copy(update={"network": network}), network.methods["a"], 0)
    for _, layer in hebbian_layers(drawn.features):
        rows = layer.weight.detach().flatten(1)
        squared, n_weights = rows.square().sum(1).double(), rows.shape[1]
        error = 625 * (2 / n_weights / len(rows)) ** 0.5
        assert abs(squared.mean().item() - 625) < 4 * error
        assert 0.6 < squared.std().item() / (625 * (2 / n_weights) ** 0.5) < 1.6
