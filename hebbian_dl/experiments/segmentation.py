"""Segmentation with few masks by one method in one seed: pre-training, fine-tuning on each fraction, test."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hebbian_dl.experiments.seed import Part
from hebbian_dl.experiments.semi_supervised import take_statistics
from hebbian_dl.layers.hebbian import hebbian_layers
from hebbian_dl.networks import saved as networks
from hebbian_dl.networks.architectures.unet import EncoderDecoder
from hebbian_dl.segmentation import saved
from hebbian_dl.segmentation.finetuning import SCORE, best_threshold, finetuning
from hebbian_dl.segmentation.inputs import MaskInputs, inputs_of
from hebbian_dl.segmentation.pretraining import drawn, mean_norms, pretraining, rescale
from hebbian_dl.segmentation.segmenter import Segmenter, decided, probabilities
from hebbian_dl.training import checkpoint, diagnostics
from hebbian_dl.training.generators import seed_torch
from protocols.results import overlap
from protocols.runs.reporting import Report, Watch, share_of, unwatched
from protocols.runs.run_directory import Run
from protocols.spec.nets.pretraining import NoPretraining
from protocols.spec.nets.segmentation import MapHebbianPretraining, n_masks
from protocols.spec.network import regime_name
from protocols.spec.protocol import SegmentationProtocol
from protocols.spec.random_streams import stream

SHOWN = ("best", "median", "worst")  # test images that are kept for figures, by their Dice


@dataclass(frozen=True)
class State:
    """Protocol, images, run directory and device that the trainings of one seed and method share."""

    protocol: SegmentationProtocol
    seed: int
    name: str
    inputs: MaskInputs
    run: Run
    device: torch.device
    watch: Watch = unwatched

    @property
    def log(self) -> Path:
        """Log of all epochs, one JSON line each."""
        return self.run.partial / f"log_seed_{self.seed}.jsonl"

    def label_order(self) -> np.ndarray:
        """Indices of the training images in the order in which they get masks: each regime has the smaller ones."""
        return np.random.default_rng(stream("labels", self.seed)).permutation(len(self.inputs.masked.training))


def tasks(protocol: SegmentationProtocol) -> list[tuple[int, str]]:
    """Independent trainings, which can run side by side: (seed, name of a method)."""
    return [(seed, name) for seed in protocol.seed_list for name in protocol.segmentation.methods]


def run_method(
    protocol: SegmentationProtocol,
    device: str,
    run: Run,
    seed: int,
    name: str,
    report: Report,
    watch: Watch = unwatched,
) -> Part:
    """Run one method in one seed; finished regimes are saved in the run's partial directory.

    `watch` is called with ``validation_dice/<method>/<fraction>`` after every epoch of fine-tuning.

    Returns
    -------
    dict
        With one entry per regime: ``dice``, ``jaccard`` and ``hausdorff95`` (pixels) of each test image, shape
        (n_regimes, n_test); ``threshold`` (NaN for three or more classes), ``validation`` (Dice), ``epoch``,
        ``n_masks``, ``wall_s``; of the best, median and worst test image ``shown/index``, ``shown/image`` (uint8, 3 x
        rows x columns x channels), ``shown/mask`` and ``shown/predicted``; of volumes one slice,
        ``shown/slice``. Also ``pretraining/<record>``, one entry per
        epoch, and of Hebbian methods ``diagnostics/<measure>``.
    """
    inputs = inputs_of(protocol.data, torch.device(device), protocol.segmentation.patch)
    state = State(protocol, seed, name, inputs, run, torch.device(device), watch)
    regimes, order = protocol.segmentation.regimes, state.label_order()
    share = 1 / (1 + len(regimes))
    network, records = _pretrained(state, share_of(report, 0, share))
    learned = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    results = []
    for done, regime in enumerate(regimes, start=1):
        part = f"seed_{seed}_{name}_{regime_name(regime)}"
        result = run.load_part(part)
        if result is None:
            network.load_state_dict(learned)
            result = _finetuned(
                state, network, regime, order[: n_masks(regime, len(order))], share_of(report, done * share, share)
            )
            run.save_part(part, result)
        checkpoint.delete(run.partial / f"{part}.safetensors")
        results.append(result)
        report((done + 1) * share)
    return {key: np.stack([result[key] for result in results]) for key in results[0]} | records


def _pretrained(state: State, report: Report) -> tuple[EncoderDecoder, Part]:
    """The network after pre-training, as plain layers, and the scores of its epochs."""
    spec, name, seed = state.protocol.segmentation, state.name, state.seed
    method, data = spec.methods[name], state.protocol.data
    plain = drawn(spec, data, method, seed).to(state.device)
    if isinstance(method, NoPretraining):
        take_statistics(torch.nn.Sequential(plain), state.inputs.unmasked.training, seed)
        return plain, {}
    finished = networks.path_of(state.run.partial, name, seed)
    finished.parent.mkdir(exist_ok=True)
    path = state.run.partial / f"seed_{seed}_{name}.safetensors"
    if not finished.exists():
        started = time.monotonic()
        learner = drawn(spec, data, method, seed).to(state.device)
        training = pretraining(name, learner, spec, state.inputs.unmasked)
        training.run(seed, path, state.log, report)
        if isinstance(method, MapHebbianPretraining) and method.keep_norm:
            rescale(learner, mean_norms(plain))
            take_statistics(torch.nn.Sequential(learner), state.inputs.unmasked.training, seed)
        found = {"method": name, "seed": seed, "history": training.history, "epoch": training.best_epoch}
        found |= {"wall_s": round(time.monotonic() - started, 3)}
        found["diagnostics"] = diagnostics.table(training) if any(hebbian_layers(learner)) else {}
        checkpoint.save(finished, learner.state_dict(), found)
    tensors, facts = checkpoint.load(finished)
    checkpoint.check_facts(finished, facts, {"method": name, "seed": seed})
    checkpoint.restore(plain, tensors, finished)
    checkpoint.delete(path)  # also the one of a run that ended between saving the network and deleting it
    history = facts["history"]
    records = {f"pretraining/{key}": np.array([record[key] for record in history]) for key in history[0]}
    records |= {f"pretraining/{key}": np.array(facts[key]) for key in ("epoch", "wall_s")}
    return plain, records | {f"diagnostics/{key}": np.array(v) for key, v in facts["diagnostics"].items()}


def _finetuned(state: State, network: EncoderDecoder, regime: float, masked: np.ndarray, report: Report) -> Part:
    """Fine-tune on these training images; measure the test images at the epoch and threshold of the validation."""
    spec, splits, fraction = state.protocol.segmentation, state.inputs.masked, regime_name(regime)
    name, started = f"{state.name}/{fraction}", time.monotonic()
    seed_torch(np.random.default_rng(stream(f"classifier/{fraction}", state.seed)))
    model = Segmenter(network, state.protocol.data.n_classes).to(state.device)
    few = splits.training.take(torch.from_numpy(masked).to(state.device))
    every = state.inputs.unmasked.training
    rest = every.take(torch.from_numpy(np.setdiff1d(np.arange(len(every)), masked)).to(state.device))
    training = finetuning(name, model, spec.finetuning, few, splits.validation, rest)
    training.watch = lambda record: state.watch(f"{SCORE}/{name}", record[SCORE])
    path = state.run.partial / f"seed_{state.seed}_{name.replace('/', '_')}.safetensors"
    training.run(state.seed, path, state.log, report)
    shares = probabilities(model, splits.validation.images, spec.patch)
    threshold, validated = best_threshold(shares, splits.validation.labels)
    if regime == max(spec.regimes):
        facts = {"method": state.name, "seed": state.seed, "regime": fraction, "threshold": threshold}
        saved.save(state.run.partial, model, state.inputs.prepare, facts)
    numbers = {"validation": validated, "epoch": training.best_epoch, "n_masks": len(masked)}
    numbers |= {"threshold": np.nan if threshold is None else threshold, "wall_s": time.monotonic() - started}
    predicted = decided(probabilities(model, splits.test.images, spec.patch), threshold).cpu().numpy()
    return {key: np.array(value) for key, value in numbers.items()} | _tested(state, predicted)


def _tested(state: State, predicted: np.ndarray) -> Part:
    """The measures of all test images, and the images that figures show."""
    test, prepare = state.inputs.masked.test, state.inputs.prepare
    masks = test.labels.cpu().numpy()
    found = overlap.of_images(predicted, masks, state.protocol.data.n_classes)
    index = np.argsort(-found["dice"], kind="stable")[[0, (len(masks) - 1) // 2, -1]]
    pixels = (test.images[torch.from_numpy(index).to(state.device)] / prepare.scale + prepare.shift).cpu().numpy()
    shown = {
        "image": np.moveaxis(np.rint(255 * pixels.clip(0, 1)).astype(np.uint8), 1, -1),
        "mask": masks[index].astype(np.uint8),
        "predicted": predicted[index].astype(np.uint8),
    }
    if state.protocol.data.dimensions == 3:
        slices = shown["mask"].astype(bool).sum((2, 3)).argmax(1)  # with the most of the mask
        shown = {key: of[np.arange(len(of)), slices] for key, of in shown.items()} | {"slice": slices}
    shown["index"] = index
    return found | {f"shown/{key}": value for key, value in shown.items()}
