"""Large networks: published sizes of maps and weights, Xavier's weights, quick versions of their protocols."""

import csv
import json
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch import nn

from hebbian_dl.layers.hebbian import hebbian_layers
from hebbian_dl.networks import saved
from hebbian_dl.networks.build import build, n_features
from hebbian_dl.run import NetworkLearner, app
from protocols.loading.loader import load
from protocols.loading.published import read_targets
from protocols.runs import cli
from protocols.spec.nets.layers import Convolution, Dense, map_sizes
from protocols.spec.nets.pretraining import NoPretraining

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]
PROTOCOLS = (
    *("fasthebb_tiny_imagenet", "fasthebb_imagenet", "vgg11_imagenet"),
    *("retrieval_tiny_imagenet", "retrieval_imagenet"),
)


def maps_with_neurons(name: str) -> list[tuple[int, int, int]]:
    """Shape of the output of each layer with neurons, before pooling."""
    protocol = load(name)
    maps = map_sizes(protocol.network.layers, *protocol.data.shape)
    pairs = zip(protocol.network.layers, maps, strict=True)
    return [size for layer, size in pairs if isinstance(layer, Convolution | Dense)]


def test_the_10_layer_network_has_the_documented_maps() -> None:
    assert maps_with_neurons("fasthebb_imagenet") == [
        *((96, 204, 204), (128, 66, 66), (192, 64, 64), (192, 30, 30), (256, 28, 28), (256, 12, 12)),
        *((384, 10, 10), (512, 3, 3), (4096, 1, 1)),
    ]
    layers = load("fasthebb_imagenet").network.layers
    before_dense = next(i for i, layer in enumerate(layers) if isinstance(layer, Dense))
    assert n_features(layers[:before_dense], (3, 210, 210)) == 4608


def test_vgg_11_has_the_published_maps_and_weights() -> None:
    assert maps_with_neurons("vgg11_imagenet") == [
        *((64, 224, 224), (128, 112, 112), (256, 56, 56), (256, 56, 56)),
        *((512, 28, 28), (512, 28, 28), (512, 14, 14), (512, 14, 14)),
    ]
    network = load("vgg11_imagenet").network
    assert n_features(network.layers, (3, 224, 224)) == 512 * 7 * 7
    with torch.device("meta"):
        ours = build(network.layers, (3, 224, 224), None)
    convolutions = [module for module in ours.modules() if isinstance(module, nn.Conv2d)]
    assert sum(p.numel() for module in convolutions for p in module.parameters()) == 9_220_480  # torchvision's vgg11
    assert sum(module.weight.numel() for module in convolutions) == 9_220_480 - (64 + 128 + 2 * 256 + 4 * 512)
    norms = [module for module in ours.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [norm.num_features for norm in norms] == [64, 128, 256, 256, 512, 512, 512, 512]


def test_the_networks_of_the_methods_have_no_biases() -> None:
    protocol = load("vgg11_imagenet")
    with torch.random.fork_rng(), torch.device("meta"):
        for method in protocol.network.methods.values():
            layers = list(hebbian_layers(saved.draw(protocol, method, 0).features))
            assert len(layers) == 8
            assert sum(layer.weight.numel() for _, layer in layers) == 9_217_728
            assert all(layer.bias is None for _, layer in layers)


def small(weights: str | None) -> nn.Sequential:
    method = NoPretraining() if weights is None else NoPretraining.model_validate({"weights": weights})
    return saved.draw(load("fasthebb_cifar10"), method, 3).features


def test_xaviers_weights_are_uniform_between_their_published_bounds() -> None:
    sizes = [(3 * 25, 96 * 25), (96 * 9, 128 * 9), (128 * 9, 192 * 9), (192 * 9, 256 * 9), (2304, 4096)]
    for (_, layer), (fan_in, fan_out) in zip(hebbian_layers(small("xavier")), sizes, strict=True):
        share = layer.weight.detach().flatten().double() / (6 / (fan_in + fan_out)) ** 0.5
        assert share.abs().max() <= 1 + 1e-6
        assert stats.kstest(share[:100_000].numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_without_a_word_weights_are_drawn_as_for_every_method() -> None:
    silent, drawn, xavier, again = small(None), small("drawn"), small("xavier"), small("xavier")
    hpca = saved.draw(load("fasthebb_cifar10"), load("fasthebb_cifar10").network.methods["HPCA"], 3).features
    for name, weight in silent.named_parameters():
        assert torch.equal(weight, drawn.state_dict()[name])
        assert torch.equal(weight, hpca.state_dict()[name])
        if weight.dim() > 1:
            assert not torch.equal(weight, xavier.state_dict()[name])
        assert torch.equal(xavier.state_dict()[name], again.state_dict()[name])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_quick_versions_run_on_generated_images(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path_factory.getbasetemp() / "generated"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(NetworkLearner, "figures", lambda *_: None)
    options = ["--quick", "--jobs", "1", "--out", str(tmp_path), "--set", "network.regimes=[1.0]"]
    if name.startswith("retrieval"):  # of what is not run above
        options += ["--set", "network.methods={HPCA: {pretraining: none}}"]
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [name, *options])
    assert not exit_.value.code
    (run,) = (path for path in (tmp_path / name).iterdir() if path.is_dir())
    metrics = json.loads((run / "metrics.json").read_text())
    methods = ["HPCA"] if name.startswith("retrieval") else list(load(name).network.methods)
    assert {path for path in metrics if path.startswith("top5/")} == {f"top5/{method}/100%" for method in methods}
    published = {row["quantity"] for row in metrics["targets"]}
    assert published == {target.quantity for target in read_targets(run / load(name).targets)} & metrics.keys()
    kinds = {"vgg11_imagenet": {"top5", "map"}}.get(name, {"map" if name.startswith("retrieval") else "top5"})
    assert {quantity.split("/")[0] for quantity in published} == kinds


@pytest.mark.parametrize("name", PROTOCOLS)
def test_images_that_are_not_there_are_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [name, "--out", str(tmp_path / "runs")])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: data.folder: {tmp_path / load(name).data.folder}")
    assert "train/<class>" in line


def test_published_totals_are_epochs_of_the_published_durations() -> None:
    text = (ROOT / "protocols/targets/published_durations.csv").read_text()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert len(rows) == 24
    for row in rows:
        assert int(row["total_s"]) == pytest.approx(int(row["epochs"]) * int(row["epoch_s"]), rel=1e-3), row
    seconds = {(row["data"], row["network"], row["method"]): int(row["epoch_s"]) for row in rows}
    assert seconds["ImageNet", "10 layers", "SWTA"] == 3 * 3600 + 38 * 60 + 6  # facts: 3 h 38 min
