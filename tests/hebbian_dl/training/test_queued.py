"""Steps that never wait for a GPU, and their replay as a graph: counted and imitated on the processor."""

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.networks.build import build, n_features
from hebbian_dl.networks.forward_forward import LocalNetwork, forward_forward_training
from hebbian_dl.networks.vae import BetaVae, vae_training
from hebbian_dl.training import queued
from hebbian_dl.training.finite import NOT_FINITE_LOSS
from hebbian_dl.training.hebbian import hebbian_training
from hebbian_dl.training.loop import Diverged, Training
from hebbian_dl.training.supervised import classifier, supervised_training
from protocols.spec.nets.descent import Finetuning
from protocols.spec.nets.pretraining import ForwardForward, HebbianPretraining, VaePretraining
from protocols.spec.network import Network

SHAPE = (1, 8, 8)
BATCH = 4
LAYERS: list[dict[str, Any]] = [
    *({"conv": 5, "kernel": 3}, {"norm": "plain"}, {"pool": 2}),
    *({"dense": 8}, {"norm": "relative"}, {"dense": 6}),
]
NETWORK = Network.model_validate({"layers": LAYERS, "methods": {"none": {"pretraining": "none"}}})
RULES = {
    "HPCA": {"rule": "hpca"},
    "SWTA": {"rule": "swta"},
    "SoftHebb": {"rule": "softhebb"},
    "sparse coding": {"rule": "sparse_coding"},
}
KINDS = ["HPCA", "SWTA", "SoftHebb", "sparse coding", "VAE", "forward-forward", "fine-tuning"]
WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::is_nonzero", "aten::unique_dim"} | {
    "aten::lift_fresh"  # a tensor made of a value of Python, which is copied to the GPU
}


class Waits(TorchDispatchMode):
    """Counts the operations that read a value: those that wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, index = func.name().partition(".")[0], args[1] if len(args) > 1 else ()
        masks = isinstance(index, list | tuple) and any(isinstance(i, Tensor) and i.dtype == torch.bool for i in index)
        if name in WAITS or (name.startswith("aten::index") and masks):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def training(kind: str, n: int = 24, device: str = "cpu", dropout: float = 0.5) -> Training:
    """A training of one epoch on random images, the same on every device."""
    torch.manual_seed(0)
    images = Examples(torch.randn(n, *SHAPE).to(device), torch.randint(3, (n,)).to(device))
    splits = Splits(images, images, images)
    if kind in RULES:
        method = HebbianPretraining.model_validate(
            {"pretraining": "hebbian", "rule": RULES[kind], "learning_rate": 0.05, "batch": BATCH, "epochs": 1}
        )
        network = build(NETWORK.layers, SHAPE, method.rule).to(device)
        return hebbian_training(kind, network, method, splits, 3)
    if kind == "forward-forward":
        local = ForwardForward(batch=BATCH, learning_rate=1e-3, epochs=1, blurs=2)
        learner = LocalNetwork(build(NETWORK.layers, SHAPE, None), later=True).to(device)
        return forward_forward_training(kind, learner, local, splits)
    if kind == "VAE":
        spec = VaePretraining(batch=BATCH, learning_rate=1e-3, epochs=1)
        vae = BetaVae(build(NETWORK.layers, SHAPE, None), NETWORK.layers, SHAPE, 4).to(device)
        return vae_training(kind, vae, spec, splits)
    model = classifier(build(NETWORK.layers, SHAPE, None).to(device), n_features(NETWORK.layers, SHAPE), 3, dropout)
    return supervised_training(kind, model, Finetuning(batch=BATCH, epochs=1), images, splits)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "readable", lambda tensor: False)
    monkeypatch.setenv("HEBBIAN_CUDA_GRAPHS", "0")


def epoch(trained: Training) -> list[str]:
    """The operations that read a value in the steps of an epoch; none is counted before the first or after the last."""
    trained.begin_epoch(0)
    with Waits() as waits:
        for batch in trained.images.batches(trained.batch, torch.randperm(len(trained.images))):
            trained._learn(trained.step, batch, "")
    return waits.seen


def test_what_waits_is_counted() -> None:
    values = torch.arange(3.0)
    with Waits() as waits:
        values.sum().item()
        if values[1] > 0:
            values[values > 1]
        values.sum()
    assert waits.seen == ["aten::_local_scalar_dense", "aten::_local_scalar_dense", "aten::index"]


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("kind", KINDS)
def test_no_step_on_a_gpu_waits_for_it(kind: str) -> None:
    assert epoch(training(kind)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_processor_every_step_looks_for_nan(kind: str) -> None:
    assert len(epoch(training(kind))) >= 6


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("kind", KINDS)
def test_looking_later_changes_no_weight(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    later = training(kind)
    later.run(0, None, None, lambda done: None)
    monkeypatch.undo()
    at_once = training(kind)
    at_once.run(0, None, None, lambda done: None)
    for name, tensor in at_once.model.state_dict().items():
        assert torch.equal(tensor, later.model.state_dict()[name]), name


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("kind", KINDS)
def test_nan_stops_a_training_at_the_end_of_the_epoch(kind: str) -> None:
    trained = training(kind)
    trained.images.images[3, 0, 2, 2] = torch.nan
    with pytest.raises(Diverged, match=r"epoch 0.*the images hold NaN or infinity"):
        trained.run(0, None, None, lambda done: None)


@pytest.mark.usefixtures("as_on_a_gpu")
def test_the_step_of_the_first_infinite_loss_is_named() -> None:
    trained = training("fine-tuning")
    step, done = trained.step, []

    def diverging(batch: Examples) -> Tensor | None:
        loss = step(batch)
        done.append(loss)
        return torch.full_like(loss, torch.inf) if len(done) in (3, 5) else loss

    trained.step = diverging
    with pytest.raises(Diverged, match=f"epoch 0, step 2: {NOT_FINITE_LOSS}"):
        trained.run(0, None, None, lambda done: None)
    assert len(done) == 6


@pytest.fixture
def imitated(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A graph on the processor: recording only keeps the step, replaying calls it. Gives what happened, in order."""
    happened: list[str] = []

    def record(act: Callable[[], Tensor | None]) -> tuple[Callable[[], None], Tensor | None]:
        happened.append("record")
        result = torch.full((), torch.nan)

        def replay() -> None:
            happened.append("replay")
            found = act()
            result.copy_(torch.zeros(()) if found is None else found)

        return replay, result

    monkeypatch.setattr(queued, "readable", lambda tensor: False)
    monkeypatch.setattr(queued, "record", record)
    monkeypatch.setattr(queued, "beside", lambda act: act())
    monkeypatch.setattr(queued, "FEWEST", 1)
    return happened


@pytest.mark.parametrize("kind", KINDS)
def test_a_replayed_epoch_learns_what_single_steps_learn(
    kind: str, imitated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed = training(kind, 26)  # 6 batches of 4 and one of 2
    replayed.run(0, None, None, lambda done: None)
    assert imitated == ["record", "replay", "replay", "replay"]
    monkeypatch.setenv("HEBBIAN_CUDA_GRAPHS", "0")
    single = training(kind, 26)
    single.run(0, None, None, lambda done: None)
    assert len(imitated) == 4
    for name, tensor in single.model.state_dict().items():
        assert torch.equal(tensor, replayed.model.state_dict()[name]), name
    (scores,) = single.history  # of Hebbian rules without a loss, which the imitation always gives
    assert scores == {key: replayed.history[0][key] for key in scores}


def test_losses_of_replays_are_copies(imitated: list[str]) -> None:
    learned = queued.Replayed(lambda batch: batch.images.sum())
    batches = [Examples(torch.full((2, 1), float(k)), torch.zeros(2)) for k in range(6)]
    assert [float(loss) for loss in [learned(batch) for batch in batches] if loss is not None] == [0, 2, 4, 6, 8, 10]
    assert imitated == ["record", "replay", "replay", "replay"]


def test_a_step_that_cannot_be_recorded_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(act: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(queued, "readable", lambda tensor: False)
    monkeypatch.setattr(queued, "record", fails)
    monkeypatch.setattr(queued, "beside", lambda act: act())
    weights = nn.Parameter(torch.zeros(3))

    def step(batch: Examples) -> None:
        weights.data += batch.images.mean(0)

    learned, expected = queued.Replayed(step), copy.deepcopy(weights.data)
    for k in range(6):
        batch, told = Examples(torch.full((2, 3), float(k)), torch.zeros(2)), contextlib.nullcontext()
        if k == queued.WARM_UP:
            told = pytest.warns(UserWarning, match=r"^no CUDA graph of this step.*: operation not permitted when st")
        with told:
            learned(batch)
        expected += k
    assert torch.equal(weights.data, expected)


def test_only_long_epochs_of_one_process_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert queued.wanted(queued.FEWEST)
    assert not queued.wanted(queued.FEWEST - 1)
    monkeypatch.setattr(queued.processes, "world", lambda: 2)
    assert not queued.wanted(queued.FEWEST)
