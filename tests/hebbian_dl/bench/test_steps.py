"""Benchmark of steps: peers learn the same updates as the package, counts of operations, the complete table."""

import copy
import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from hebbian_dl.bench import command, peers, steps
from hebbian_dl.bench.peers import Peer, Setting, Step, flop, prepared
from hebbian_dl.layers.hebbian import Hebbian
from protocols.loading.loader import load
from protocols.spec.nets.layers import Convolution, Dense, Normalisation, Pooling
from protocols.spec.rules import HebbianPCA, Rule, SoftWTA
from tests.command import exit_code

pytestmark = pytest.mark.whole

TINY = """
name: tiny
title: A network that is measured in no time
citation: none
data: {source: digits, validation: 200}
network:
  layers: [{conv: 4, kernel: 3}, {pool: 2}, {norm: plain}, {dense: 8}, {norm: relative}]
  methods: {none: {pretraining: none}}
"""
RULES: list[Rule] = [
    SoftWTA(),
    SoftWTA(temperature=0.5, score="activation"),
    HebbianPCA(),
    HebbianPCA(activation="linear", divide_by_root_fan_in=False),
]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def run_command(*arguments: str) -> int:
    return exit_code(command.app, *arguments, "--threads", str(torch.get_num_threads()), "--device", "cpu")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("ordinary", [False, True])
@pytest.mark.parametrize("most_bytes", [peers.MOST_BYTES, 5000])
def test_peers_learn_what_the_package_learns(
    rule: Rule, ordinary: bool, most_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "MOST_BYTES", most_bytes)  # 5000: a few patches at a time
    torch.manual_seed(0)
    cases: list[tuple[nn.Module, tuple[int, ...]]] = [
        (nn.Linear(7, 5, bias=False), (9, 7)),
        (nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False), (4, 3, 8, 7)),
        (nn.Conv2d(2, 6, (2, 3), bias=False), (4, 2, 6, 6)),
    ]
    for layer, shape in cases:
        ours = Hebbian(layer.double(), rule).train()
        ours.learning_rate = 0.1
        peer = Peer(copy.deepcopy(ours), 0.1, ordinary=ordinary)
        inputs, before = torch.randn(shape, dtype=torch.float64), ours.weight.detach().clone()
        inputs[0] = 0
        expected = ours(inputs.clone())
        assert not torch.equal(ours.weight, before)
        torch.testing.assert_close(peer(inputs), expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(peer.weight, ours.weight, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["SWTA", "HPCA"])
def test_whole_networks_of_peers_learn_the_same(name: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks: list[nn.Module] = []
    build = peers.build
    monkeypatch.setattr(peers, "build", lambda *given: networks.append(build(*given)) or networks[-1])
    setting = Setting(load(str(tiny), []), "cpu", 1, 8)
    batch = setting.images(8)
    for step in (Step(name), Step(f"{name} im2col"), Step(f"{name} ordinary")):
        prepared(step, setting)(batch)
    ours, *others = [dict(network.named_parameters()) for network in networks]
    for other in others:
        for key, parameter in ours.items():
            torch.testing.assert_close(other[key], parameter, rtol=0, atol=1e-4)


def test_operations_are_those_counted_by_hand() -> None:
    # 2 images of 8 x 8: 72 patches of 9 pixels for 4 neurons, then 2 of 36 for 5
    layers = (Convolution(conv=4, kernel=3), Pooling(pool=2), Normalisation(norm="plain"), Dense(dense=5))
    first, second = 2 * 72 * 9 * 4, 2 * 2 * 36 * 5
    forward = first + second
    expected = {
        Step.FORWARD: forward,
        Step.SGD: 3 * forward - first,
        Step.VAE: 6 * forward - first,
        Step.SWTA: 2 * forward,
        # the triangles of A'A and its product with B; the dense layer has few patches, but few neurons too
        Step.HPCA: 2 * forward + (72 * 4**2 + 4**2 * 9) + (2 * 5**2 + 5**2 * 36),
        Step.SWTA_IM2COL: 2 * forward,
        Step.HPCA_IM2COL: 2 * forward + 2 * (72 * 4**2 + 4**2 * 9) + 2 * (2 * 5**2 + 5**2 * 36),
        Step.SWTA_ORDINARY: forward + 3 * (72 * 4 * 9 + 2 * 5 * 36),
        Step.HPCA_ORDINARY: forward + 5 * (72 * 4 * 9 + 2 * 5 * 36),
    }
    assert {step: flop(step, layers, (1, 8, 8), 2) for step in Step} == expected


def test_operations_of_the_published_network() -> None:
    protocol = load("fasthebb_cifar10", [])
    layers, shape = protocol.network.used_layers, protocol.data.shape
    found = [flop(step, layers, shape, 64) / 1e9 for step in (Step.FORWARD, Step.SWTA, Step.HPCA, Step.SGD)]
    assert [round(each, 1) for each in found] == [7.3, 14.6, 17.5, 21.2]  # facts: a prototype, 18.1


def test_the_command_measures_every_step_and_writes_the_table(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tiny.with_name("bench.csv")
    options = ["--protocol", str(tiny), "--batch", "8", "--rounds", "1", "--no-memory", "--csv", str(target)]
    assert run_command(*options) == 0
    assert "GFLOP/s" in capsys.readouterr().out
    with open(target, newline="") as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == (
        "device,threads,batch,network,step,ms,ms_low,ms_high,gflop,fraction_of_gemm,extra_mb,ratio_to_sgd"
    )
    names = [step + (" (x4 from batch 2)" if "ordinary" in step else "") for step in Step]
    assert [row["step"] for row in rows] == names
    sgd = float(rows[1]["ms"])
    for row in rows:
        assert 0 < float(row["ms_low"]) <= float(row["ms"]) <= float(row["ms_high"])
        assert float(row["ratio_to_sgd"]) == pytest.approx(float(row["ms"]) / sgd, rel=1e-4)
        assert (row["network"], row["batch"], row["extra_mb"]) == ("tiny", "8", "")


def test_epochs_are_timed_at_the_given_and_at_the_best_batch(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "EPOCH_IMAGES", 64)
    monkeypatch.setattr(steps, "BATCHES", (4, 32))
    rows = steps.epochs(Setting(load(str(tiny), []), "cpu", 1, 16), 1, 100.0)
    assert [(row.step, row.batch) for row in rows[:4]] == [
        (f"{name} epoch", 16) for name in ("SWTA", "HPCA", "SGD", "VAE")
    ]
    assert [row.step for row in rows[4:]] == ["SWTA epoch", "HPCA epoch"]
    assert {row.batch for row in rows[4:]} <= {4, 32}
    forward = 2 * 16 * 36 * 9 * 4 + 2 * 16 * 36 * 8
    hpca = 2 * forward + (16 * 36 * 4**2 + 4**2 * 9) + (16 * 8**2 + 8**2 * 36)  # sums of a batch of 16, four times
    assert [row.gflop * 1e9 for row in rows[:2]] == pytest.approx([4 * 2 * forward, 4 * hpca])


def test_memory_beyond_parameters_and_batch_holds_gradients_and_momentum(tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    path.write_text(TINY.replace("dense: 8", "dense: 200000"))  # 36 x 200,000 weights, 29 MB
    setting = Setting(load(str(path), ["data.classes=[0, 1]"]), "cpu", torch.get_num_threads(), 2)
    found = steps.extra_memory(Step.SGD, setting)
    if found is None:
        pytest.skip("the system tells no peak of memory")
    assert 2 * 28 < found < 4 * 28 + 40


def test_memory_that_cannot_be_measured_is_not_made_up(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(field: str) -> float:
        raise FileNotFoundError

    monkeypatch.setattr(steps, "resident_mb", absent)
    setting = Setting(load(str(tiny), []), "cpu", torch.get_num_threads(), 2)
    assert steps.extra_memory(Step.SWTA, setting) is None
    row = steps.Row(2, "SWTA", 1.0, 1.0, 1.0, 1.0, 1.0)
    assert "not measured" in list(steps.table([row]).columns[6].cells)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (("--device", "tpu"), "--device tpu"),
        (("--batch", "1"), "--batch"),
        (("--protocol", "nonsense"), "nonsense"),
        (("--protocol", "mnist01"), "--protocol mnist01"),
        (("--csv", "/no/such/folder/bench.csv"), "--csv"),
    ],
)
def test_wrong_input_is_one_line(options: tuple[str, ...], wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(command.app, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert wrong in line
