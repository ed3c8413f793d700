"""One seed of an association experiment: train in blocks, evaluate after each, and keep what is done.

A block is everything from one evaluation to the next: training presentations with labels, then validation and test
images alone without learning, in one session of the compiled program. State is reset after every presentation, so
the weights are all that one block hands to the next; kept, they let an interrupted training go on exactly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from culture_sim.analysis import readout
from culture_sim.analysis.weights import weight_maps
from culture_sim.culture import Culture
from culture_sim.electrodes import nearest_units
from culture_sim.engines import Engine
from culture_sim.recording import Recording
from culture_sim.session import Session
from culture_sim.stimulus import encode_rates
from protocols.curriculum import expand_association
from protocols.examples import Examples
from protocols.schema import AssociationProtocol
from protocols.seeds import stream
from protocols.store import Run

CHECKPOINT = "seed_{}_evaluated"  # the part of a run that a seed keeps after every evaluation
TRAINING_COST = 3  # of a presentation with learning, in presentations without; for the progress only


@dataclass(frozen=True)
class Pulses:
    """The stimulation of consecutive presentations, steps counted from the first one's start."""

    n: int
    electrode: np.ndarray
    step: np.ndarray


def run_seed(
    protocol: AssociationProtocol, engine: Engine, seed: int, run: Run, report: Callable[[float], None]
) -> dict[str, np.ndarray]:
    """Run one seed, from its last finished evaluation on.

    Parameters
    ----------
    protocol, engine, seed
        What to run, with what, and which culture.
    run
        Keeps a checkpoint after each evaluation.
    report
        Called with the fraction done.

    Returns
    -------
    dict
        Arrays by path. ``scores/test`` has shape (n_evaluations, n_images, n_classes), ``labels/test`` the index of
        each image's class.
    """
    return _Training(protocol, engine, seed, run, report).run_all()


@dataclass
class _Training:
    """The state of one seed's training."""

    protocol: AssociationProtocol
    engine: Engine
    seed: int
    run: Run
    report: Callable[[float], None]

    def __post_init__(self) -> None:
        protocol, seed = self.protocol, self.seed
        self.plan = protocol.association
        self.n_steps = protocol.culture.steps(self.plan.presentation)
        self.curriculum = expand_association(protocol, seed)
        self.splits = self.curriculum.splits
        self.grown = self.culture = Culture.grow(protocol.culture, seed)
        self.cell = nearest_units(self.culture.positions, self.culture.electrodes, 1)[:, 0]
        columns = protocol.culture.array.columns
        self.regions = [
            [row * columns + column for row, column in self.plan.label.regions[label]]
            for label in protocol.data.classes
        ]
        self.region = readout.region_of(self.cell, self.regions)
        self.done_cost = 0
        self.total_cost = TRAINING_COST * len(self.curriculum.example) + self.curriculum.n_alone

    def run_all(self) -> dict[str, np.ndarray]:
        before = self._present([self._pulses(self.curriculum.probes, "probe")])
        arrays = {"probe/before": self._scores(self._counts(before, 0))}
        arrays |= self._evaluations() | self._afterwards()
        arrays |= {
            "positions": self.grown.positions,
            "electrodes": self.grown.electrodes,
            "region": self.region,
            "evaluate_after": self.curriculum.evaluate_after,
            "labels/validation": self._truth(self.splits.validation),
            "labels/test": self._truth(self.splits.test),
            "probe/labels": self.curriculum.probes.labels,
        }
        return arrays | weight_maps(self.grown, self.culture.weights, self.cell)

    def _evaluations(self) -> dict[str, np.ndarray]:
        """Train and evaluate block by block; the scores of all evaluations."""
        n_validation = len(self.splits.validation)
        images = [self._pulses(self.splits.validation, "validation"), self._pulses(self.splits.test, "test")]
        kept = _Checkpoint.load(self.run, self.seed, self.grown)
        scores = list(kept.scores) if kept else []
        ends = self.curriculum.evaluate_after
        if kept:
            self.culture = kept.culture
            trained = int(ends[len(scores) - 1])
            self.done_cost += TRAINING_COST * trained + len(scores) * self.curriculum.n_evaluated
        for index in range(len(scores), len(ends)):
            first, last = int(ends[index - 1]) if index else 0, int(ends[index])
            training = [self._training_pulses(first, last)] if last > first else []
            recording = self._present([*training, *images], self.curriculum.learning[first:last])
            self.culture = Culture(self.grown.spec, self.grown.electrodes, self.grown.positions, recording.weights)
            scores.append(self._scores(self._counts(recording, last - first)))
            _Checkpoint(np.stack(scores), self.culture).save(self.run, self.seed)
        stacked = np.stack(scores)
        return {"scores/validation": stacked[:, :n_validation], "scores/test": stacked[:, n_validation:]}

    def _afterwards(self) -> dict[str, np.ndarray]:
        """Probe the trained culture, and find what a linear readout of all its neurons could reach."""
        seen = self.splits.training.take(self.curriculum.seen)
        test, sets = self.splits.test, (seen, self.splits.test, self.curriculum.probes)
        recording = self._present(
            [self._pulses(s, name) for s, name in zip(sets, ("seen", "test", "probe"), strict=True)]
        )
        of_seen, of_test, of_probes = np.split(self._counts(recording, 0), [len(seen), len(seen) + len(test)])
        truth = self._truth(seen), self._truth(test)
        pixels = seen.images.reshape(len(seen), -1), test.images.reshape(len(test), -1)
        return {
            "probe/after": self._scores(of_probes),
            "ceiling/activity": np.array(readout.logistic_accuracy(of_seen, truth[0], of_test, truth[1])),
            "ceiling/pixels": np.array(readout.logistic_accuracy(pixels[0], truth[0], pixels[1], truth[1])),
        }

    def _truth(self, examples: Examples) -> np.ndarray:
        """Index of each image's class."""
        return np.array([self.protocol.data.classes.index(label) for label in examples.labels.tolist()])

    def _pulses(self, examples: Examples, name: str) -> Pulses:
        """The pulses of images alone; the k-th of a set has the same in every evaluation."""
        return self._encoded(self._image_rates(examples), name, 0)

    def _training_pulses(self, first: int, last: int) -> Pulses:
        """The pulses of the presentations from `first` to `last`: images with their labels."""
        examples = self.splits.training.take(self.curriculum.example[first:last])
        rates = self._image_rates(examples)
        for row, truth in zip(rates, self._truth(examples), strict=True):
            row[self.regions[truth]] = self.plan.label.rate
        return self._encoded(rates, "training", first)

    def _encoded(self, rates: np.ndarray, name: str, first: int) -> Pulses:
        seeds = [
            stream(f"stimulus/{name}", self.seed, self.protocol.stimulus_seed, first + k) for k in range(len(rates))
        ]
        dt = self.protocol.culture.simulation.dt
        return Pulses(len(rates), *encode_rates(rates, self.n_steps, self.plan.encoder, dt, seeds))

    def _image_rates(self, examples: Examples) -> np.ndarray:
        """Rate of every electrode in Hz, shape (n_images, n_electrodes)."""
        array, (height, width), at = self.protocol.culture.array, self.protocol.data.size, self.plan.image
        rates = np.zeros((len(examples), array.rows, array.columns))
        rates[:, at.row : at.row + height, at.column : at.column + width] = examples.images * at.rate
        return rates.reshape(len(examples), -1)

    def _present(self, parts: Sequence[Pulses], learning: Sequence[float] | np.ndarray = ()) -> Recording:
        """Present parts one after the other; the first presentations learn with the given factors."""
        n = sum(part.n for part in parts)
        starts = np.cumsum([0, *(part.n for part in parts)]) * self.n_steps
        session = Session(
            np.full(n, self.n_steps),
            np.concatenate([learning, np.zeros(n - len(learning))]),
            np.concatenate([part.electrode for part in parts]),
            np.concatenate([part.step + start for part, start in zip(parts, starts, strict=False)]),
        )
        cost = np.cumsum(np.where(session.learning > 0, TRAINING_COST, 1))
        recording = self.engine.run(
            self.culture, session, lambda k, _: self.report((self.done_cost + int(cost[k - 1])) / self.total_cost)
        )
        self.done_cost += int(cost[-1])
        return recording

    def _counts(self, recording: Recording, first: int) -> np.ndarray:
        """Spikes of every neuron in every presentation from `first` on, shape (n, n_neurons)."""
        n, n_neurons = len(recording.session.n_steps) - first, len(self.cell)
        start = np.searchsorted(recording.step, first * self.n_steps)
        presentation = recording.step[start:] // self.n_steps - first
        flat = np.bincount(presentation * n_neurons + recording.neuron[start:], minlength=n * n_neurons)
        return flat.reshape(n, n_neurons)

    def _scores(self, counts: np.ndarray) -> np.ndarray:
        return readout.scores(counts, self.region, len(self.regions))


def n_presentations(protocol: AssociationProtocol) -> int:
    """Presentations of one seed."""
    curriculum = expand_association(protocol)
    return len(curriculum.example) + curriculum.n_alone


def outline(protocol: AssociationProtocol) -> list[str]:
    """What is presented, a line each."""
    plan, data = protocol.association, expand_association(protocol)
    return [
        f"training: {len(data.example)} presentations of {plan.presentation * 1e3:g} ms, {len(data.seen)} images",
        f"evaluation: {len(data.evaluate_after)} times {len(data.splits.validation)} validation and "
        f"{len(data.splits.test)} test images, no learning",
        f"probe: {len(data.probes)} images and patterns before and after, no learning",
    ]


@dataclass(frozen=True)
class _Checkpoint:
    """What the next block needs: the scores so far, shape (n_evaluations, n_images, n_classes), and the weights."""

    scores: np.ndarray
    culture: Culture

    def save(self, run: Run, seed: int) -> None:
        weights = {f"weights/{name}": w.data for name, w in self.culture.weights.items()}
        run.save_part(CHECKPOINT.format(seed), {"scores": self.scores} | weights)

    @classmethod
    def load(cls, run: Run, seed: int, grown: Culture) -> Self | None:
        part = run.load_part(CHECKPOINT.format(seed))
        if part is None:
            return None
        weights = {name: w.copy() for name, w in grown.weights.items()}
        for name, w in weights.items():
            w.data[:] = part[f"weights/{name}"]
        return cls(part["scores"], Culture(grown.spec, grown.electrodes, grown.positions, weights))
