"""Two processes that share every batch against a single one: the same numbers to 1e-12, and equal in both."""

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, multiprocessing, nn
from torch import distributed as dist

from hebbian_dl import processes
from hebbian_dl.experiments.semi_supervised import take_statistics
from hebbian_dl.images.in_memory import Examples, Splits, in_parts
from hebbian_dl.images.prepared import unreadable
from hebbian_dl.images.streaming import TooManyCorrupt, streamed
from hebbian_dl.layers.hebbian import Hebbian
from hebbian_dl.networks.build import build, n_features
from hebbian_dl.networks.forward_forward import LocalNetwork, forward_forward_training
from hebbian_dl.networks.normalisation import BatchNorm1d, BatchNorm2d, RelativeBatchNorm
from hebbian_dl.networks.vae import BetaVae, vae_training
from hebbian_dl.training import checkpoint, loop
from hebbian_dl.training.evaluation import BATCH as BATCH_OF_EVALUATION
from hebbian_dl.training.evaluation import evaluate
from hebbian_dl.training.hebbian import hebbian_training
from hebbian_dl.training.loop import Diverged, Training
from hebbian_dl.training.supervised import Dropout, classifier, supervised_training
from protocols.images.splits import find_images
from protocols.spec.nets.descent import Finetuning
from protocols.spec.nets.pretraining import ForwardForward, HebbianPretraining, VaePretraining
from protocols.spec.network import Network
from tests.hebbian_dl.images.test_streaming import CPU, data_of
from tests.hebbian_dl.layers.test_hebbian import PLACES, inputs_of, layer_of
from tests.hebbian_dl.layers.test_rules import RULES, draw_normal

pytestmark = pytest.mark.whole

N_PROCESSES = 2
SIZES = (5, 2, 1)  # of batches: the second process has no image of the last one
Found = dict[str, Tensor]

LAYERS: list[dict[str, Any]] = [
    *({"conv": 5, "kernel": 3}, {"norm": "plain"}, {"pool": 2}),
    *({"dense": 8}, {"norm": "relative"}, {"dense": 6}),
]
SHAPE, N_CLASSES, BATCH = (1, 8, 8), 3, 8
NETWORK = Network.model_validate({"layers": LAYERS, "methods": {"none": {"pretraining": "none"}}})


def layers_in_place() -> Found:
    """Every rule in every kind of layer, learning from one batch after the other."""
    found = {}
    for place, (index, rule) in itertools.product(PLACES, enumerate(RULES)):
        layer = layer_of(place, rule, chunk=2 if index % 2 else None)
        layer.learning_rate = 0.1
        outputs = [processes.gathered(layer(processes.own(inputs_of(place, n, seed=n)))) for n in SIZES]
        found[f"{place} {index} weights"] = layer.weight.detach()
        found |= {f"{place} {index} output {n}": output for n, output in zip(SIZES, outputs, strict=True)}
    return found


def layers_with_gradients() -> Found:
    """Every rule in every kind of layer, with the update of two forward passes in ``.grad``."""
    found = {}
    for place, (index, rule) in itertools.product(PLACES, enumerate(RULES)):
        layer = layer_of(place, rule)
        for n in SIZES:
            layer(processes.own(inputs_of(place, n, seed=n)))
        found[f"{place} {index}"] = layer.weight.grad
    return found


def normalisation() -> Found:
    """Forward and backward passes through each kind of batch normalisation, and its running statistics."""
    found: Found = {}
    kinds = {
        "plain 0": (BatchNorm1d(4), (4,)),
        "plain 2": (BatchNorm2d(4, momentum=0.3), (4, 3, 5)),
        "relative 0": (RelativeBatchNorm(BatchNorm1d(4)), (4,)),
        "relative 2": (RelativeBatchNorm(BatchNorm2d(4)), (4, 3, 5)),
    }
    for (name, (module, shape)), n in itertools.product(kinds.items(), (5, 2, 3)):
        module.double()
        inputs = 3 * draw_normal(n, *shape, seed=n) + 100  # a large mean: sums of squares would cancel
        own = processes.own(inputs).clone().requires_grad_()
        output = module(own)
        (output * processes.own(draw_normal(n, *shape, seed=1)) + output.sin()).sum().backward()
        found[f"{name} {n} output"] = processes.gathered(output.detach())
        found[f"{name} {n} gradient"] = processes.gathered(own.grad)
        gradients = {key: parameter.grad.clone() for key, parameter in module.named_parameters()}
        processes.add_up(*gradients.values())
        found |= {f"{name} {n} {key}": gradient for key, gradient in gradients.items()}
        found |= {f"{name} {n} {key}": value.double() for key, value in module.state_dict().items()}
        module.zero_grad()
    return found


def examples(n: int = 3 * BATCH + 3, seed: int = 0) -> Examples:
    """Images of which the last batch has three: two in the first process, one in the second."""
    return Examples(draw_normal(n, *SHAPE, seed=seed), torch.arange(n) % N_CLASSES)


def splits(part: Examples | None = None) -> Splits[Examples]:
    return Splits(part or examples(), examples(11, 1), examples(9, 2))


def method(rule: str, **options: Any) -> HebbianPretraining:
    return HebbianPretraining.model_validate(
        {"rule": {"rule": rule}, "learning_rate": 0.02, "epochs": 2, "batch": BATCH} | options
    )


def make(kind: str, part: Examples | None = None) -> Training:
    """A training in double precision."""
    torch.manual_seed(3)
    images = splits(part)
    match kind.split():
        case ["VAE", *more]:
            spec = VaePretraining(latents=4, learning_rate=0.01, epochs=2, batch=BATCH, at_a_time=4 if more else None)
            vae = BetaVae(build(NETWORK.layers, SHAPE, None), NETWORK.layers, SHAPE, 4).double()
            return vae_training(kind, vae, spec, images)
        case ["forward-forward", *more]:
            local = ForwardForward(learning_rate=1e-3, epochs=2, batch=BATCH, blurs=2, at_a_time=4 if more else None)
            learner = LocalNetwork(build(NETWORK.layers, SHAPE, None), later=True).double()
            return forward_forward_training(kind, learner, local, images)
        case ["fine-tuning", *more]:
            tuning = Finetuning(epochs=2, batch=BATCH, weight_decay=0.01, at_a_time=2 if more else None)
            network = build(NETWORK.layers, SHAPE, method("hpca").rule)
            model = classifier(network, n_features(NETWORK.layers, SHAPE), N_CLASSES, 0.5).double()
            return supervised_training(kind, model, tuning, images.training, images)
        case [rule, *more]:
            options: dict[str, Any] = {"at_a_time": 4} if "parts" in more else {}
            if "one_by_one" in more:
                options |= {"layers": "one_by_one", "selection": "labelled"}
            spec = method(rule, **options)
            return hebbian_training(kind, build(NETWORK.layers, SHAPE, spec.rule).double(), spec, images, N_CLASSES)
    raise ValueError(kind)


KINDS = [
    *("hpca", "swta", "swta one_by_one", "krotov_hopfield", "hpca parts"),
    *("fine-tuning", "fine-tuning parts", "VAE", "VAE parts"),
    *("sparse_coding", "forward-forward", "forward-forward parts"),
]


def results(work: Training) -> Found:
    scores = {
        f"epoch {i} {key}": torch.tensor(value)
        for i, record in enumerate(work.history)
        for key, value in record.items()
    }
    measures = {
        f"epoch {i} {measure}": torch.tensor([0.0 if math.isnan(v) else v for v in layers], dtype=torch.float64)
        for i, diagnosis in enumerate(work.diagnoses)
        for measure, layers in diagnosis.items()
    }
    return {name: value.double() for name, value in (work.model.state_dict() | scores | measures).items()}


def train(kind: str) -> Found:
    work = make(kind)
    work.run(5, None, None, lambda fraction: None)
    return results(work)


def statistics() -> Found:
    """One pass over images for the running statistics, then the evaluation of a classifier."""
    torch.manual_seed(3)
    network = build(NETWORK.layers, SHAPE, method("hpca").rule).double()
    take_statistics(network, examples(64 + 3))
    model = classifier(network, n_features(NETWORK.layers, SHAPE), N_CLASSES, 0.5).double()
    measured = evaluate(model, examples(BATCH_OF_EVALUATION + 1))  # the last batch is one image
    return dict(network.state_dict()) | {key: torch.tensor(value) for key, value in measured.items()}


def draws() -> Found:
    """Dropout in training and in evaluation mode, and the state of the generator afterwards."""
    torch.manual_seed(4)
    inputs, module = draw_normal(7, 5), Dropout(0.4)
    masked = [processes.gathered(module.train(training)(processes.own(inputs))) for training in (True, True, False)]
    return {"masked": torch.stack(masked), "next": torch.rand(3)}


def parts() -> Found:
    """A batch in parts: the same parts as in one process, each shared."""
    found = {}
    for n, size in itertools.product((2, 5, 8, 9), (None, 2, 4)):
        batch = Examples(processes.own(torch.arange(float(n))), processes.own(torch.arange(n)))
        pieces = [(processes.gathered(part.labels), last) for part, last in in_parts(batch, size)]
        assert [last for _, last in pieces] == [False] * (len(pieces) - 1) + [True]
        found[f"{n} by {size} sizes"] = torch.tensor([len(labels) for labels, _ in pieces])
        found[f"{n} by {size}"] = torch.cat([labels for labels, _ in pieces])
    return found


def diverged(kind: str) -> Found:
    """Message about a bad image that only the second process has, as bytes."""
    said = []
    for value in (math.nan, math.inf):
        order = order_of_first_epoch(kind)
        images = examples().images.clone()
        images[order[BATCH + 1]] = value
        work = make(kind, Examples(images, examples().labels))
        before = {name: tensor.clone() for name, tensor in work.model.named_parameters()}
        with pytest.raises(Diverged) as stopped:
            work.run(5, None, None, lambda fraction: None)
        assert all(torch.isfinite(tensor).all() for tensor in work.model.parameters())
        assert any(not torch.equal(tensor, before[name]) for name, tensor in work.model.named_parameters())
        said.append(str(stopped.value))
    where = "" if kind in {"VAE", "fine-tuning"} else ", layer 0"
    assert said == [f"{kind}: epoch 0, step 1{where}: the images hold NaN or infinity"] * 2
    return {"said": torch.tensor(list(said[0].encode()))}


def order_of_first_epoch(kind: str) -> list[int]:
    shown: list[Tensor] = []
    n = len(examples())
    work = make(kind, Examples(torch.arange(float(n)), torch.zeros(n, dtype=torch.long)))

    def step(batch: Examples) -> None:
        shown.append(processes.gathered(batch.images))

    work.step, work.epochs, work.score, work.best_by = step, 1, dict, None
    work.run(5, None, None, lambda fraction: None)
    return torch.cat(shown).long().tolist()


def from_files() -> Found:
    """Images in files, three of them unreadable: each process decodes its own, all leave out the same ones."""
    data = data_of(workers=1)
    parts, white = (streamed(find_images(data), data, CPU, epsilon) for epsilon in (None, 0.1))
    prepare = parts.training.prepare
    grey = torch.arange(3 * 144).to(torch.uint8).reshape(1, 3, 12, 12)
    double = Splits(
        *(
            replace(part, prepare=lambda pixels: prepare(pixels).double())
            for part in (parts.training, parts.validation)
        ),
        parts.test,
    )
    torch.manual_seed(3)
    layers, spec = NETWORK.layers[:3], method("hpca", selection="labelled")
    network = build(layers, data.shape, spec.rule).double()
    work = hebbian_training("streamed", network, spec, double, 3)
    work.run(5, None, None, lambda fraction: None)
    missed = "\n".join(unreadable(parts.training))
    assert missed.count("\n") == 2
    return results(work) | {
        "white": white.training.prepare(grey),
        "missed": torch.tensor(list(missed.encode())),
    }


def too_many_corrupt() -> Found:
    """The limit on unreadable images counts those of all processes."""
    data = data_of(most_corrupt=1)
    with pytest.raises(TooManyCorrupt, match=r"^data\.most_corrupt: 1; 2 images cannot be read, the last is "):
        streamed(find_images(data), data, CPU)
    return {"two": torch.tensor(2)}


CHECKS: dict[str, Callable[[], Found]] = {
    "layers in place": layers_in_place,
    "layers with gradients": layers_with_gradients,
    "normalisation": normalisation,
    "statistics": statistics,
    "draws": draws,
    "parts": parts,
    "from files": from_files,
    "too many corrupt": too_many_corrupt,
    **{f"training {kind}": functools.partial(train, kind) for kind in KINDS},
    **{f"diverged {kind}": functools.partial(diverged, kind) for kind in ("hpca", "fine-tuning", "VAE")},
}


def exchanges(rank: int) -> None:
    """Exchanges that have no equivalent in one process; the assertions are made here, in both processes."""
    assert (processes.world(), processes.rank()) == (N_PROCESSES, rank)
    assert processes.agreed({"who": rank, "nan": [1.5, None]}) == {"who": 0, "nan": [1.5, None]}
    assert processes.agreed(rank, by=1) == 1
    assert processes.joined([f"{rank}a", f"{rank}b"][: 1 + rank]) == ["0a", "1a", "1b"]
    assert processes.joined([]) == []
    assert [processes.anywhere(rank == place) for place in (0, 1, 2)] == [True, True, False]
    assert processes.counts(3 + rank) == [3, 4]
    if rank == 0:  # the other process does not take part
        with processes.alone():
            assert (processes.world(), processes.rank(), processes.agreed(3), processes.counts(2)) == (1, 0, 3, [2])
            layer_of("conv2d", RULES[0])(inputs_of("conv2d", 2))
    whole = torch.arange(10).reshape(5, 2)
    for kind in (torch.uint8, torch.int64, torch.bfloat16, torch.float64):
        assert torch.equal(processes.gathered(processes.own(whole.to(kind))), whole.to(kind))


class StopNow(Exception):
    """Simulated power failure."""


def resumed(folder: Path, kind: str) -> None:
    """Stopped in the middle of the second epoch, both resume from the leader's checkpoint, bit for bit."""
    path = folder / f"{kind}.safetensors"
    whole, begun, again = make(kind), make(kind), make(kind)
    whole.run(5, None, None, lambda fraction: None)
    told: list[float] = []

    def report(fraction: float) -> None:
        told.append(fraction)
        if len(told) == 6:
            raise StopNow

    with pytest.raises(StopNow):
        begun.run(5, path, folder / "log", report)
    for parameter in again.model.parameters():
        nn.init.zeros_(parameter)
    torch.manual_seed(99)
    steps: list[float] = []
    again.run(5, path, folder / "log", steps.append)
    assert len(steps) == 4 * whole.epochs - 6
    assert all(torch.equal(value, results(whole)[name]) for name, value in results(again).items())
    processes.agreed(None)
    assert len((folder / "log").read_text().splitlines()) == whole.epochs  # only the leader writes
    processes.agreed(None)
    checkpoint.delete(folder / "log")


def lost(rank: int) -> None:
    """The second process ends; the next exchange of the first raises `Lost`."""
    if rank == 1:
        return

    def ask_until() -> None:
        while True:
            processes.agreed(1)

    with pytest.raises(processes.Lost, match=re.escape(processes.ENDED)):
        ask_until()


def work(rank: int, folder: Path) -> None:
    """Run all checks in one of two processes; its results go to a file."""
    torch.set_num_threads(1)
    loop.CHECKPOINT_EVERY_S = 0.0
    store = dist.FileStore(str(folder / "store"), N_PROCESSES)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=N_PROCESSES, timeout=timedelta(minutes=10))
    try:
        torch.save({name: check() for name, check in CHECKS.items()}, folder / f"rank_{rank}.pt")
        exchanges(rank)
        for kind in ("swta one_by_one", "fine-tuning", "VAE"):
            resumed(folder, kind)
        lost(rank)
    finally:
        processes.leave()
    processes.end(0)


@pytest.fixture(scope="module", autouse=True)
def _data_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A data directory with generated images, made before two processes look for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CULTURE_DATA", str(tmp_path_factory.mktemp("data")))
        find_images(data_of())
        yield


def test_two_processes_find_what_one_finds_and_the_same_bit_by_bit(tmp_path: Path) -> None:
    multiprocessing.spawn(work, (tmp_path,), N_PROCESSES)
    first, second = (torch.load(tmp_path / f"rank_{rank}.pt") for rank in range(N_PROCESSES))
    for name, check in CHECKS.items():
        one = check()
        assert one
        assert first[name].keys() == second[name].keys() == one.keys()
        for key, value in one.items():
            assert torch.equal(first[name][key], second[name][key]), (name, key)
            ranks = key.endswith(
                "effective_rank"
            )  # a sum of square roots of eigenvalues, some of which are 0 but for 1e-16
            limit = (1e-7 if ranks else 1e-12) * max(1.0, float(value.abs().max()))
            assert first[name][key].shape == value.shape, (name, key)
            assert float((first[name][key] - value).abs().max()) <= limit, (name, key)


def test_the_mean_of_two_updates_is_another_one() -> None:
    """Why sums are exchanged, not updates: the mean of the updates of two shares is not that of the whole batch."""
    layer, batch = layer_of("conv2d", RULES[4]), inputs_of("conv2d", 6)
    layer(batch)
    together, alone = layer.weight.grad, []
    for share in (batch[0::2], batch[1::2]):
        layer.weight.grad = None
        layer(share)
        alone.append(layer.weight.grad)
    assert (sum(alone) / 2 - together).norm() > 0.03 * together.norm()


def test_a_single_process_exchanges_nothing() -> None:
    assert (processes.world(), processes.rank()) == (1, 0)
    rows = torch.arange(3)
    assert processes.own(rows) is rows
    assert processes.gathered(rows) is rows
    assert isinstance(layer_of("dense", RULES[0]), Hebbian)
