"""Training loop: exact resumption, the epoch that is kept, a stop at the first NaN."""

import functools
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hebbian_dl.images.in_memory import Examples, Splits, normalised
from hebbian_dl.layers.hebbian import Hebbian
from hebbian_dl.networks.build import build, n_features
from hebbian_dl.networks.forward_forward import LocalNetwork, forward_forward_training
from hebbian_dl.networks.vae import BetaVae, vae_training
from hebbian_dl.training import checkpoint, loop
from hebbian_dl.training.descent import rate_at
from hebbian_dl.training.hebbian import hebbian_training
from hebbian_dl.training.loop import Diverged, Training
from hebbian_dl.training.supervised import classifier, supervised_training
from protocols.images.examples import load_images
from protocols.spec.data import ImageData
from protocols.spec.nets.descent import Finetuning, GradientDescent
from protocols.spec.nets.pretraining import ForwardForward, HebbianPretraining, VaePretraining
from protocols.spec.network import Network

pytestmark = pytest.mark.whole

N_CLASSES, SEED, BATCH = 3, 5, 16
N_STEPS = 5  # of an epoch of 80 images
LAYERS: list[dict[str, Any]] = [
    *({"conv": 5, "kernel": 3}, {"norm": "plain"}, {"pool": 2}),
    *({"dense": 8}, {"norm": "relative"}, {"dense": 6}),
]
NETWORK = Network.model_validate({"layers": LAYERS, "methods": {"none": {"pretraining": "none"}}})
RULES = {
    "HPCA": ({"rule": "hpca"}, 0.05),
    "SWTA": ({"rule": "swta"}, 0.05),
}
SPARSE = {"sparse coding": ({"rule": "sparse_coding", "iterations": 5}, 0.5)}
HEBBIAN = [
    f"{rule} {layers} {selection}"
    for rule in RULES
    for layers in ("together", "one_by_one")
    for selection in ("last", "labelled", "label_free")
]
KINDS = [*HEBBIAN, "sparse coding together last", "VAE", "forward-forward", "fine-tuning", "fine-tuning by Adam"]


@pytest.fixture(autouse=True)
def checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)


@functools.cache
def splits() -> Splits:
    """80 training images: the digits 0, 1 and 2."""
    data = ImageData(source="digits", classes=(0, 1, 2), validation=30)
    found = normalised(load_images(data), torch.device("cpu"))
    return Splits(found.training.take(torch.arange(80)), found.validation, found.test)


def make(kind: str, drawn: int, examples: Examples | None = None, rate: float | None = None) -> Training:
    """A training whose initial weights are drawn with the seed `drawn`."""
    torch.manual_seed(drawn)
    images = Splits(examples or splits().training, splits().validation, splits().test)
    shape = (1, 8, 8)
    if kind == "VAE":
        vae = VaePretraining(latents=4, learning_rate=rate or 0.01, epochs=4, batch=BATCH, halve_from=2)
        encoder = build(NETWORK.used_layers, shape, None)
        return vae_training(kind, BetaVae(encoder, NETWORK.used_layers, shape, 4), vae, images)
    if kind == "forward-forward":
        local = ForwardForward(learning_rate=rate or 1e-3, epochs=4, batch=BATCH, halve_from=2, blurs=2)
        network = LocalNetwork(build(NETWORK.used_layers, shape, None), later=True)
        return forward_forward_training(kind, network, local, images)
    if kind.startswith("fine-tuning"):
        optimizer = "adam" if kind.endswith("Adam") else "sgd"
        tuning = Finetuning(epochs=5, batch=BATCH, learning_rate=rate or 0.02, halve_from=2, weight_decay=0.01)
        tuning = tuning.model_copy(update={"optimizer": optimizer})
        network = build(NETWORK.used_layers, shape, HebbianPretraining.model_validate(method("HPCA")).rule)
        model = classifier(network, n_features(NETWORK.used_layers, shape), N_CLASSES, 0.5)
        return supervised_training(kind, model, tuning, images.training, images)
    spec = HebbianPretraining.model_validate(method(kind) | ({} if rate is None else {"learning_rate": rate}))
    return hebbian_training(kind, build(NETWORK.used_layers, shape, spec.rule), spec, images, N_CLASSES)


def method(kind: str) -> dict[str, Any]:
    name, layers, selection = kind.rsplit(" ", 2) if " " in kind else (kind, "together", "last")
    rule, rate = (RULES | SPARSE)[name]
    return {
        "rule": rule,
        "learning_rate": rate,
        "epochs": 2 if layers == "one_by_one" else 4,
        "batch": BATCH,
        "layers": layers,
        "selection": selection,
    }


def run(work: Training, path: Path | None = None, log: Path | None = None, report: Callable[..., None] = print) -> None:
    work.run(SEED, path, log, (lambda fraction: None) if report is print else report)


def weights(work: Training) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy().copy() for name, tensor in work.model.state_dict().items()}


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@functools.cache
def uninterrupted(kind: str) -> tuple[dict[str, np.ndarray], list[loop.Record], int]:
    work = make(kind, 1)
    before = weights(work)
    run(work)
    assert not np.array_equal(before[weight_names(work)[0]], weights(work)[weight_names(work)[0]])
    return weights(work), work.history, work.best_epoch


def weight_names(work: Training) -> list[str]:
    return [name for name, _ in work.model.named_parameters() if name.endswith("weight")]


class StopNow(Exception):
    """Simulated power failure."""


def pull_the_plug(work: Training, epoch: int, where: str) -> Callable[[float], None]:
    """Stop in an epoch: in the middle of its second step, or when progress is reported."""
    learn, current = work.step, {"epoch": -1, "steps": 0}
    begin = work.begin_epoch

    def begin_epoch(index: int) -> None:
        current.update(epoch=index, steps=0)
        begin(index)

    def step(batch: Examples) -> Tensor | None:
        loss = learn(batch)
        current["steps"] += 1
        if where == "step" and current["epoch"] == epoch and current["steps"] == 2:
            raise StopNow
        return loss

    def report(fraction: float) -> None:
        if where == "report" and current["epoch"] == epoch and current["steps"] == 3:
            raise StopNow

    work.begin_epoch, work.step = begin_epoch, step
    return report


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_training_is_the_uninterrupted_one_bit_by_bit(kind: str, tmp_path: Path) -> None:
    expected, history, best = uninterrupted(kind)
    for stop in range(1, len(history)):
        path = tmp_path / f"{stop}.safetensors"
        begun = make(kind, 1)
        report = pull_the_plug(begun, stop, ("step", "report")[stop % 2])
        with pytest.raises(StopNow):
            run(begun, path, report=report)
        resumed = make(kind, 100 + stop)  # a new process: other weights, another generator
        assert any(not np.array_equal(array, weights(begun)[name]) for name, array in weights(resumed).items())
        epochs: list[int] = []
        begin = resumed.begin_epoch
        resumed.begin_epoch = lambda epoch, begin=begin, epochs=epochs: (epochs.append(epoch), begin(epoch))[1]
        learn, learned = resumed.step, []
        resumed.step = lambda batch, learn=learn, learned=learned: (learned.append(batch), learn(batch))[1]
        torch.randn(stop)
        run(resumed, path)
        assert epochs == list(range(stop, len(history)))
        done = (1, 3)[stop % 2]  # steps before the plug was pulled: none of them is done again
        assert len(learned) == (len(history) - stop) * N_STEPS - done
        assert resumed.history == history
        assert resumed.best_epoch == best
        assert_same(weights(resumed), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_training_is_not_trained_again(kind: str, tmp_path: Path) -> None:
    """Killed after the last epoch, before the network was saved: the selected epoch is restored."""
    expected, history, _ = uninterrupted(kind)
    path = tmp_path / "x.safetensors"
    run(make(kind, 1), path)
    again = make(kind, 2)
    again.step = lambda batch: pytest.fail("a step")
    run(again, path)
    assert again.history == history
    assert_same(weights(again), expected)


PLAIN = Network.model_validate(
    {"layers": [{"conv": 5, "kernel": 3}, {"pool": 2}, {"dense": 8}], "methods": {"none": {"pretraining": "none"}}}
)


def learned_in_parts(kind: str, at_a_time: int | None) -> tuple[list[Tensor], float | None]:
    """Weights in double precision after a batch of 17 without batch normalisation, and the loss."""
    torch.manual_seed(0)
    images = splits().training
    images = Examples(images.images[:17].double(), images.labels[:17])
    if kind == "fine-tuning":
        tuning = Finetuning(batch=17, at_a_time=at_a_time, weight_decay=0.01)
        network = build(PLAIN.layers, (1, 8, 8), HebbianPretraining.model_validate(method("HPCA")).rule)
        model = classifier(network, 8, N_CLASSES, 0.0).double()
        work = supervised_training(kind, model, tuning, images, Splits(images, images, images))
    else:
        spec = HebbianPretraining.model_validate(method(kind) | {"batch": 17, "at_a_time": at_a_time})
        network = build(PLAIN.layers, (1, 8, 8), spec.rule).double()
        work = hebbian_training(kind, network, spec, Splits(images, images, images), N_CLASSES)
    work.begin_epoch(0)
    loss = work.step(images)
    return [parameter.detach().clone() for parameter in work.model.parameters()], None if loss is None else loss.item()


@pytest.mark.parametrize("kind", [*RULES, "fine-tuning"])
@pytest.mark.parametrize("at_a_time", [1, 4, 7, 16])  # 16 leaves a single image, which joins them
def test_a_batch_learned_in_parts_is_one_batch(kind: str, at_a_time: int) -> None:
    expected, loss = learned_in_parts(kind, None)
    found, loss_in_parts = learned_in_parts(kind, at_a_time)
    for before, after in zip(expected, found, strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=1e-12)
    assert loss_in_parts == (None if loss is None else pytest.approx(loss, abs=1e-6))


def test_no_more_than_so_many_images_are_forwarded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    learn = Hebbian._learn
    monkeypatch.setattr(Hebbian, "_learn", lambda self, inputs: (seen.append(len(inputs)), learn(self, inputs))[1])
    learned_in_parts("HPCA", 5)
    assert seen == [5, 5, 5, 5, 5, 5, 2, 2]  # two layers


def test_another_seed_is_another_training() -> None:
    first, second = make("fine-tuning", 1), make("fine-tuning", 1)
    first.run(1, None, None, lambda fraction: None)
    second.run(2, None, None, lambda fraction: None)
    name = weight_names(first)[0]
    assert not np.array_equal(weights(first)[name], weights(second)[name])


def counting(scores: list[float], best_by: str | None, examples: Examples | None = None) -> Training:
    """A training whose single weight counts the steps; `scores` are the scores of its epochs."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    told: Iterator[float] = iter(scores)

    def step(batch: Examples) -> None:
        model.weight.data += 1

    return Training(
        "counting", model, examples or Examples(torch.zeros(10, 1), torch.zeros(10, dtype=torch.long)), 4,
        len(scores), step, lambda: {"score": next(told)}, best_by,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("best_by", "scores", "kept"),
    [("score", [0.1, 0.9, 0.3, 0.9], 1), ("score", [-3.0, -5.0], 0), (None, [0.9, 0.1, 0.3], 2)],
)
def test_the_earliest_of_the_best_epochs_is_kept(best_by: str | None, scores: list[float], kept: int) -> None:
    work = counting(scores, best_by)
    run(work)
    assert work.best_epoch == kept
    assert work.model.weight.item() == 3 * (kept + 1)  # 10 images in batches of 4 are three steps


def test_every_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    examples = Examples(torch.arange(10.0)[:, None], torch.arange(10))
    shown: list[int] = []
    work = counting([0.0] * 3, None, examples)
    work.step = lambda batch: shown.extend(batch.labels.tolist())
    run(work)
    orders = [tuple(shown[start : start + 10]) for start in (0, 10, 20)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len(set(orders)) == 3


def test_progress_and_the_log_go_epoch_by_epoch(tmp_path: Path) -> None:
    told: list[float] = []
    scores = [0.5, 0.25, 0.75]
    run(counting(scores, "score"), log=tmp_path / "log", report=told.append)
    np.testing.assert_allclose(told, np.arange(1, 10) / 9)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["training"], line["seed"], line["epoch"], line["score"]) for line in lines] == [
        ("counting", SEED, epoch, score) for epoch, score in enumerate(scores)
    ]


def test_checkpoints_cost_no_time_in_short_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one checkpoint per interval, in the middle of an epoch or after it, and always one at the end."""
    now, saved = 0, []
    keep, work = checkpoint.save, counting([0.0] * 12, None)
    learn = work.step

    def step(batch: Examples) -> Tensor | None:
        nonlocal now
        now += 1  # second a step
        return learn(batch)

    work.step = step
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 8.0)
    monkeypatch.setattr(loop.time, "monotonic", lambda: now)
    monkeypatch.setattr(checkpoint, "save", lambda *given: (saved.append(now), keep(*given)))
    run(work, tmp_path / "x.safetensors")
    assert saved == [*range(9, now, 9), now]


def test_the_learning_rate_is_halved_as_written() -> None:
    """Rates written out: halved at epoch 2, and every 3 epochs after it."""
    spec = GradientDescent(epochs=9, learning_rate=8.0, halve_from=2, halve_every=3)
    assert [rate_at(epoch, spec) for epoch in range(9)] == [8, 8, 4, 4, 4, 2, 2, 2, 1]


def test_the_learning_rate_is_halved_at_fractions_of_the_epochs() -> None:
    """The published schedule of SoftHebb's readout: 50 epochs, halved at 20, 35, 50, 60, 70, 80 and 90 %."""
    spec = GradientDescent(epochs=50, learning_rate=128.0, halve_at=(0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9))
    wanted = [128] * 10 + [64] * 8 + [32] * 7 + [16] * 5 + [8] * 5 + [4] * 5 + [2] * 5 + [1] * 5
    assert [rate_at(epoch, spec) for epoch in range(50)] == wanted


def learning_layers(kind: str) -> list[str]:
    work = make(kind, 1)
    return [name.rpartition(".")[0] for name in weight_names(work)]


def poisoned(work: Training, layer: str, epoch: int, at: int) -> None:
    """Put NaN into one weight of a layer before step `at` of an epoch."""
    learn, begin, current = work.step, work.begin_epoch, {"epoch": -1, "step": -1}

    def begin_epoch(index: int) -> None:
        current.update(epoch=index, step=-1)
        begin(index)

    def step(batch: Examples) -> Tensor | None:
        current["step"] += 1
        assert (current["epoch"], current["step"]) <= (epoch, at), "it went on"
        if (current["epoch"], current["step"]) == (epoch, at):
            weight = work.model.get_submodule(layer).weight
            weight.data.view(-1)[0] = math.nan
        return learn(batch)

    work.begin_epoch, work.step = begin_epoch, step


@pytest.mark.parametrize("layer", ["0", "4", "6"])
@pytest.mark.parametrize("kind", ["HPCA", "SWTA"])
def test_nan_in_a_hebbian_weight_stops_at_once_and_the_checkpoint_is_good(
    kind: str, layer: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.safetensors"
    work = make(kind, 1)
    poisoned(work, layer, 2, 1)
    said = f"{kind}: epoch 2, step 1, layer {layer}: the weights hold NaN or infinity"
    with pytest.raises(Diverged, match=f"^{re.escape(said)}$"):
        run(work, path)
    assert_good(path, 2, 1)
    resumed = make(kind, 3)
    run(resumed, path)
    assert_same(weights(resumed), uninterrupted(kind)[0])


@pytest.mark.parametrize(("kind", "index"), [("fine-tuning", i) for i in range(6)] + [("VAE", i) for i in range(7)])
def test_nan_in_a_weight_stops_backprop_at_once_and_the_checkpoint_is_good(
    kind: str, index: int, tmp_path: Path
) -> None:
    layer = learning_layers(kind)[index]
    path = tmp_path / "x.safetensors"
    work = make(kind, 1)
    poisoned(work, layer, 2, 1)
    said = f"{kind}: epoch 2, step 1: the weights of layer {layer} hold NaN or infinity"
    with pytest.raises(Diverged, match=f"^{re.escape(said)}$"):
        run(work, path)
    assert_good(path, 2, 1)
    resumed = make(kind, 3)
    run(resumed, path)
    assert_same(weights(resumed), uninterrupted(kind)[0])


def assert_good(path: Path, epochs: int, steps: int) -> None:
    """The checkpoint is finite, after this number of whole epochs and further steps."""
    if (epochs, steps) == (0, 0):
        assert not path.exists()
        return
    tensors, facts = checkpoint.load(path)
    assert (len(facts["history"]), facts["steps"]) == (epochs, steps)
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ["HPCA", "SWTA", "HPCA one_by_one last", "VAE", "fine-tuning"])
def test_nan_in_an_image_stops_at_its_step(kind: str, value: float, tmp_path: Path) -> None:
    images = splits().training.images.clone()
    images[37, 0, 3, 3] = value
    work = make(kind, 1, Examples(images, splits().training.labels))
    before = weights(work)
    learn, steps = work.step, []

    def step(batch: Examples) -> Tensor | None:
        steps.append(bool(torch.isfinite(batch.images).all()))
        return learn(batch)

    work.step = step
    with pytest.raises(Diverged) as stopped:
        run(work, tmp_path / "x.safetensors")
    assert steps[-1] is False
    assert steps.count(False) == 1
    where = "" if kind in {"VAE", "fine-tuning"} else ", layer 0"
    assert str(stopped.value) == f"{kind}: epoch 0, step {len(steps) - 1}{where}: the images hold NaN or infinity"
    assert_good(tmp_path / "x.safetensors", 0, len(steps) - 1)
    assert all(np.isfinite(weights(work)[name]).all() for name in before if name in weight_names(work))


@pytest.mark.parametrize("kind", [*HEBBIAN, "VAE", "fine-tuning"])
def test_a_rate_that_is_far_too_large_is_said_to_diverge(kind: str) -> None:
    work = make(kind, 1, rate=1e6)
    with pytest.raises(Diverged, match=rf"^{kind}: epoch \d") as stopped:
        run(work)
    assert "\n" not in str(stopped.value)


def test_a_score_of_nan_chooses_no_epoch(tmp_path: Path) -> None:
    """argmax selects NaN: the epoch that is kept would be a diverged one."""
    path = tmp_path / "x.safetensors"
    with pytest.raises(Diverged, match=r"^counting: epoch 2: score is NaN"):
        run(counting([0.5, 0.6, math.nan, 0.9], "score"), path)
    assert_good(path, 2, 2)
