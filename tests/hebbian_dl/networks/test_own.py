"""Networks of one's own in the command: they learn, or one line says why not."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from hebbian_dl.layers.hebbian import hebbian_layers
from hebbian_dl.networks import own, saved
from hebbian_dl.run import app
from protocols.loading.loader import load
from protocols.spec.faults import ProtocolFault
from tests.command import exit_code

SOURCE = """
from torch import nn

def build(width=4):
    convolution = nn.Conv2d(1, width, 3)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten(), nn.Linear(36 * width, 6))

def raises():
    raise RuntimeError("two\\nlines")

def mapping():
    return {}

def colour():
    return nn.Sequential(nn.Conv2d(3, 4, 3))

class Pair(nn.Linear):
    def forward(self, images):
        return images, images

def pair():
    return Pair(2, 2)

def without_rule():
    return nn.Sequential(nn.Flatten(), nn.ReLU())

here = 1
"""
FILE = """
base: digits_hebb
name: own
data: {classes: [0, 1, 2], validation: 60, test: 60}
network:
  layers: []
  module: own_net:build
  methods:
    none: {pretraining: none}
    HPCA: {pretraining: hebbian, rule: {rule: hpca}, learning_rate: 0.01, epochs: 1, batch: 20}
    apart:
      pretraining: hebbian
      rule: {rule: hpca}
      plan: {"4": null}
      layers: one_by_one
      learning_rate: 0.01
      epochs: 1
      batch: 20
  finetuning: {epochs: 1, batch: 20}
  regimes: [0.5]
seeds: 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[str]:
    before = list(sys.path)
    (tmp_path / "own_net.py").write_text(SOURCE)
    (tmp_path / "own.yaml").write_text(FILE)
    yield str(tmp_path / "own.yaml")
    sys.path[:] = before
    sys.modules.pop("own_net", None)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("network.module=own_net:nothing", "own_net:nothing: no function 'nothing' in it; allowed: build, raises"),
        ("network.module=own_net:here", "own_net:here: no function 'here' in it; allowed: build, raises"),
        ("network.module=own_net.deep:build", "own_net.deep:build: cannot be imported: ModuleNotFoundError: "),
        ("network.module=own_net:raises", "own_net:raises: raised RuntimeError: two lines"),
        ("network.module_arguments={depth: 3}", "own_net:build: raised TypeError: build() got an unexpected keyword"),
        ("network.module=own_net:mapping", "own_net:mapping: returned a dict; allowed: a torch.nn.Module"),
        ("network.module=own_net:colour", "own_net:colour: images of shape (2, 1, 8, 8): RuntimeError: "),
        ("network.module=own_net:pair", "own_net:pair: "),
    ],
)
@pytest.mark.parametrize("option", ["--dry-run", "--json"])
def test_a_module_that_makes_no_network_is_one_line(
    file: str, override: str, line: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--allow-code", "--set", "network.methods={none: {pretraining: none}}", "--set", override, option]
    assert exit_code(app, file, *options, "--out", str(tmp_path / "runs")) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: network.module: {line}")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("network.module=own_net:without_rule", "no linear or convolutional layer below the network itself"),
        ("network.methods.apart.plan={head: null}", "plan: 'head' names no layer; allowed: 0, 4"),
    ],
)
def test_a_network_or_a_plan_in_which_nothing_learns_is_one_line(file: str, override: str, line: str) -> None:
    with pytest.raises(ProtocolFault) as fault:
        own.check(load(file, [override], allow_code=True))
    assert fault.value.lines[0].startswith("network.methods.")
    assert line in fault.value.lines[0]


def test_what_the_plan_of_a_run_says_is_true(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(app, file, "--allow-code", "--dry-run") == 0
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    start = said.index("layers of apart:")
    assert said[start + 1 : start + 4] == [
        "layer kind weights state rule reason",
        "0 Conv2d 4 x 1 x 3 x 3 learns hpca",
        "4 Linear 6 x 144 stays",
    ]
    protocol = load(file, allow_code=True)
    drawn = saved.draw(protocol, protocol.network.methods["apart"], 0)
    assert [name for name, _ in hebbian_layers(drawn.features)] == ["0.0"]
    flop = 2 * (4 * 9 * 36 + 144 * 6)
    assert own.forward_flop(protocol.network, protocol.data.shape) == flop
    assert own.n_neurons(protocol.network, protocol.data.shape) == 4 + 6
    assert own.n_features(protocol.network, protocol.data.shape) == 6


def test_all_methods_start_from_the_same_weights(file: str) -> None:
    protocol = load(file, ["network.module_arguments={width: 5}"], allow_code=True)
    networks = [saved.draw(protocol, method, 3).features for method in protocol.network.methods.values()]
    first, *others = (list(network.parameters()) for network in networks)
    assert first[0].shape == (5, 1, 3, 3)
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


def test_a_network_of_ones_own_runs_and_its_networks_load(
    file: str, tmp_path: Path, alone: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(app, file, "--allow-code", "--json", "--jobs", "1", "--out", str(tmp_path / "runs")) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert {"accuracy/none/50%", "accuracy/HPCA/50%", "accuracy/apart/50%"} <= metrics.keys()
    (run,) = (tmp_path / "runs" / "own").glob("*/metrics.json")
    assert json.loads((run.parent / "provenance.json").read_text())["neurons"] == 10
    with pytest.raises(ProtocolFault, match="code that the file names"):
        saved.load_network(run.parent, "HPCA")
    protocol = load(file, allow_code=True)
    start = dict(saved.draw(protocol, protocol.network.methods["HPCA"], 0).features.named_parameters())
    changed = {}
    for method in ("HPCA", "apart"):
        network = saved.load_network(run.parent, method, allow_code=True)
        changed[method] = {name for name, p in network.named_parameters() if not torch.equal(p, start[name])}
    assert changed == {"HPCA": {"0.0.weight", "0.4.weight"}, "apart": {"0.0.weight"}}


@pytest.mark.parametrize("network", [nn.Identity(), nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (1, -1)))])
def test_features_that_are_no_rows_are_refused(file: str, network: nn.Module) -> None:
    spec = load(file, allow_code=True).network
    assert own.width_of(spec, (1, 8, 8), nn.Flatten()) == 64
    with pytest.raises(ProtocolFault, match="allowed: a tensor with one row per image"):
        own.width_of(spec, (1, 8, 8), network)
