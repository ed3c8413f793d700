"""Expand an association protocol into plain arrays: order of images, learning rate factors, times of evaluation."""

from dataclasses import dataclass

import numpy as np

from protocols.images.examples import Examples, Splits, load_splits
from protocols.spec.association import Association, LearningRate, Probe
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import AssociationProtocol
from protocols.spec.random_streams import stream

MOST_READ = 10_000  # images; a logistic readout of more takes minutes and gains little
EXPONENTIAL_DECAYS = 4.0  # length of a training in time constants


@dataclass(frozen=True)
class Curriculum:
    """All presentations of an association experiment for one seed.

    Parameters
    ----------
    splits
        Training, validation and test images.
    probes
        Images presented before and after training; patterns without structure have the label -1.
    example : int, shape (n_training,)
        Index into the training images, for each training presentation.
    learning : float, shape (n_training,)
        Factor on the learning rates, for each training presentation.
    evaluate_after : int, shape (n_evaluations,)
        Number of training presentations before each evaluation; the first is 0, the last n_training.
    """

    splits: Splits
    probes: Examples
    example: np.ndarray
    learning: np.ndarray
    evaluate_after: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """Indices of the training images that are presented at least once."""
        return np.unique(self.example)

    @property
    def read(self) -> np.ndarray:
        """Indices of at most `MOST_READ` presented training images, evenly spread: readouts of networks learn them."""
        seen = self.seen
        return seen[np.unique(np.linspace(0, len(seen) - 1, MOST_READ).astype(int))]

    @property
    def n_evaluated(self) -> int:
        """Number of presentations in one evaluation."""
        return len(self.splits.validation) + len(self.splits.test)

    @property
    def n_alone(self) -> int:
        """Number of presentations without label: evaluations, probes (twice), and images for the linear readout."""
        evaluations = len(self.evaluate_after) * self.n_evaluated
        return evaluations + 2 * len(self.probes) + len(self.seen) + len(self.splits.test)


def expand_association(protocol: AssociationProtocol, seed: int = 0) -> Curriculum:
    """Expand a protocol for one seed; the seed sets the order of training images and the random probes."""
    plan, splits = protocol.association, load_splits(protocol.data)
    n, rng = plan.training.presentations, np.random.default_rng(stream("curriculum", seed, protocol.stimulus_seed))
    example = training_order(plan.training.order, splits.training.labels, n, rng)
    if missing := sorted(set(protocol.data.classes) - set(splits.training.labels[example].tolist())):
        path = "association.training.presentations"
        raise ProtocolFault([f"{path}: {n}; class {missing[0]} is never presented; allowed: more, or another order"])
    probe = plan.probe if isinstance(plan, Association) else Probe(per_label=0, random=0)
    return Curriculum(
        splits,
        probe_examples(probe, splits, np.random.default_rng(stream("probes", seed, protocol.stimulus_seed))),
        example,
        learning_factors(plan.training.learning_rate, n),
        np.unique(np.append(np.arange(0, n, plan.evaluation.every), n)),
    )


def learning_factors(rate: LearningRate, n: int) -> np.ndarray:
    """Factor on the learning rates at each of `n` training presentations, shape (n,)."""
    progress = np.arange(n) / n
    match rate.schedule:
        case "constant":
            return np.full(n, rate.factor)
        case "linear":
            return rate.factor * (1 - progress)
        case "exponential":
            return rate.factor * np.exp(-EXPONENTIAL_DECAYS * progress)


def training_order(order: str, labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Index of the image shown in each of `n` presentations, shape (n,); images have the given `labels`."""
    by_class = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    match order:
        case "interleaved":
            each = -(-n // len(by_class))
            return np.stack([np.resize(images, each) for images in by_class], axis=1).ravel()[:n]
        case "blocked":
            return np.resize(np.concatenate(by_class), n)
        case "shuffled":
            return np.resize(rng.permutation(len(labels)), n)
        case "sequential":
            return np.resize(np.arange(len(labels)), n)
    raise ValueError(f"order {order!r}")


def probe_examples(probe: Probe, splits: Splits, rng: np.random.Generator) -> Examples:
    """Probes before and after training: test images of every label, then patterns without structure (label -1)."""
    known = [
        part.take(np.flatnonzero(part.labels == label)[: probe.per_label])
        for part in (splits.test, splits.unseen)
        for label in np.unique(part.labels)
    ]
    source = splits.test.images[rng.integers(len(splits.test), size=probe.random)]
    patterns = rng.permuted(source.reshape(probe.random, splits.test.images[0].size), axis=1).reshape(source.shape)
    return Examples(
        np.concatenate([*(part.images for part in known), patterns]),
        np.concatenate([*(part.labels for part in known), np.full(probe.random, -1)]),
    )
