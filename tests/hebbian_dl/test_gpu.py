"""A GPU against the processor: rules, layers, whole epochs; no wait within an epoch; CUDA graphs.

``GPU_TEST_DEVICE=cpu`` rehearses on the processor all but what only a GPU has.
"""

import copy
import os
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from hebbian_dl import processes
from hebbian_dl.layers import patch_sums, rules
from hebbian_dl.layers.geometry import Geometry
from hebbian_dl.layers.hebbian import Hebbian
from hebbian_dl.training import queued
from protocols.spec import rules as specs
from tests.hebbian_dl.layers.test_rules import RULES
from tests.hebbian_dl.training.test_queued import KINDS, training

DEVICE = os.environ.get("GPU_TEST_DEVICE", "cuda")
AT_MOST = {torch.float64: 1e-10, torch.float32: 1e-4}  # relative to the norm
LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "dense": (nn.Linear(30, 9, bias=False), (12, 30)),
    "conv1d": (nn.Conv1d(4, 7, 3, padding=1, bias=False), (3, 4, 9)),
    "conv2d": (nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), (3, 3, 9, 8)),
    "groups": (nn.Conv2d(4, 6, 3, groups=2, dilation=2, bias=False), (3, 4, 9, 8)),
    "conv3d": (nn.Conv3d(2, 5, 2, bias=False), (2, 2, 4, 4, 3)),
    "transposed2d": (nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, bias=False), (2, 4, 4, 5)),
}
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="no GPU"),
]
on_a_gpu = pytest.mark.skipif(DEVICE != "cuda", reason="a rehearsal")


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def assert_near(found: Tensor, wanted: Tensor, at_most: float, what: object = "") -> None:
    found = found.cpu()
    assert found.dtype == wanted.dtype
    assert torch.isfinite(found).all(), what
    assert float((found - wanted).norm()) <= at_most * max(float(wanted.norm()), 1e-6), what


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("dtype", AT_MOST)
def test_rules_give_outputs_and_updates_of_the_processor(kind: str, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    layer, shape = LAYERS[kind]
    geometry = Geometry.of(layer)
    weights = torch.randn_like(layer.weight.detach()).to(dtype) * 0.3
    inputs = torch.randn(shape, dtype=dtype)
    inputs[0] = 0
    for rule in RULES:
        wanted, sums = rules.learn(rule, inputs.clone(), weights, geometry)
        output, found = rules.learn(rule, inputs.to(DEVICE), weights.to(DEVICE), geometry)
        assert_near(output, wanted, AT_MOST[dtype], rule)
        update = rules.update_of(rule, found, weights.to(DEVICE), geometry)
        assert_near(update, rules.update_of(rule, sums, weights, geometry), 10 * AT_MOST[dtype], rule)


@pytest.mark.parametrize("block", [64, 256])
def test_a_wide_dense_layer_scans_in_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    inputs, weights = torch.randn(16, 200), torch.randn(700, 200) * 0.05
    wanted = rules.update(specs.HebbianPCA(), inputs, weights)
    monkeypatch.setattr(patch_sums, "block_size", lambda weights: block)
    assert_near(rules.update(specs.HebbianPCA(), inputs.to(DEVICE), weights.to(DEVICE)), wanted, 1e-4)


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_learn_in_place_and_by_an_optimizer(kind: str) -> None:
    layer, shape = LAYERS[kind]
    ours = Hebbian(copy.deepcopy(layer).double(), specs.SoftWTA()).train()
    theirs = copy.deepcopy(ours).to(DEVICE)
    inputs = torch.randn(shape, dtype=torch.float64)
    for hebbian, images in ((ours, inputs), (theirs, inputs.to(DEVICE))):
        hebbian.learning_rate = 0.1
        hebbian(images)
        hebbian.learning_rate = None
        hebbian(images)
        torch.optim.SGD([hebbian.weight], 0.1).step()
    assert_near(theirs.weight.detach(), ours.weight.detach(), 1e-10)


@pytest.fixture
def without_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generators of a GPU and of a processor draw different numbers: the VAE draws zeros instead."""
    monkeypatch.setattr(processes, "drawn", lambda draw, n: torch.zeros_like(draw(n)))


@pytest.mark.usefixtures("without_noise")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("graphs", ["0", "1"])
def test_an_epoch_learns_what_it_learns_on_the_processor(
    kind: str, graphs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 4 * (queued.FEWEST + 3) + 2  # enough batches for a graph, and a smaller one
    wanted = training(kind, n, dropout=0.0)
    wanted.run(0, None, None, lambda done: None)
    monkeypatch.setenv("HEBBIAN_CUDA_GRAPHS", graphs)
    found = training(kind, n, DEVICE, dropout=0.0)
    found.run(0, None, None, lambda done: None)  # a step that cannot be recorded warns, and a warning fails a test
    theirs = found.model.state_dict()
    for name, tensor in wanted.model.state_dict().items():
        if tensor.is_floating_point():
            assert_near(theirs[name], tensor, 5e-3, name)
    assert found.history[0].keys() == wanted.history[0].keys()


@on_a_gpu
@pytest.mark.parametrize("kind", KINDS)
def test_no_step_of_an_epoch_waits_for_the_gpu(kind: str) -> None:
    trained = training(kind, device=DEVICE)
    trained.begin_epoch(0)
    order = torch.randperm(len(trained.images)).to(DEVICE)
    for batch in trained.images.batches(trained.batch, order):
        trained.step(batch)  # libraries set themselves up
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in trained.images.batches(trained.batch, order):
            trained._learn(trained.step, batch, "")
    finally:
        torch.cuda.set_sync_debug_mode("default")


@on_a_gpu
def test_dropout_differs_between_replays() -> None:
    """A graph that froze the generator would drop the same units in every step."""
    torch.manual_seed(3)
    kept, ones = [], torch.ones(64, 1, device=DEVICE)

    def step(batch: queued.Examples) -> Tensor:
        dropped = nn.functional.dropout(batch.images, 0.5)
        return (dropped[:, 0] * 2.0 ** -torch.arange(64, device=DEVICE)).sum()

    replayed = queued.Replayed(step)
    for _ in range(8):
        kept.append(float(replayed(queued.Examples(ones, ones[:, 0].long()))))
    assert not replayed.fails
    assert len(set(kept)) == 8
