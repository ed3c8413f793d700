"""One seed of an association experiment: training in blocks, an evaluation and a checkpoint after each.

A block is one session of the engine: training presentations with labels, then validation and test images without
labels and without learning. The state is reset after every presentation, so the weights are all that one block hands
to the next: saved, they let an interrupted training resume exactly.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from culture_sim.analysis.weights import weight_maps
from culture_sim.engines import Engine
from culture_sim.engines.recording import Recording
from culture_sim.experiments.image_pulses import ImageEncoder, Pulses
from culture_sim.model.culture import Culture
from culture_sim.model.electrodes import nearest_electrode
from protocols.plan.curriculum import expand_association
from protocols.results import learning, readout
from protocols.runs.reporting import Report, Watch, unwatched
from protocols.runs.run_directory import Run
from protocols.spec.protocol import CultureAssociation

CHECKPOINT = "seed_{}_evaluated"  # name of the checkpoint that a seed saves after every evaluation
TRAINING_COST = 3  # relative to a presentation without learning; for the progress bar only


def run_seed(
    protocol: CultureAssociation, engine: Engine, seed: int, run: Run, report: Report, watch: Watch = unwatched
) -> dict[str, np.ndarray]:
    """Run one seed, or resume it after its last finished evaluation.

    Parameters
    ----------
    protocol, engine, seed
        The experiment, the simulator and the number of the culture.
    run
        Run directory, where a checkpoint is saved after each evaluation.
    report
        Called with the fraction done.
    watch
        Called with ``accuracy/validation`` after each evaluation.

    Returns
    -------
    dict
        Arrays by path. ``scores/test`` has shape (n_evaluations, n_images, n_classes), ``labels/test`` the index of
        each image's class.
    """
    return _Training(protocol, engine, seed, run, report, watch).run_all()


class _Training:
    """The state of one seed's training."""

    def __init__(
        self, protocol: CultureAssociation, engine: Engine, seed: int, run: Run, report: Report, watch: Watch
    ) -> None:
        self.protocol, self.engine, self.seed = protocol, engine, seed
        self.run, self.report, self.watch = run, report, watch
        self.encoder = ImageEncoder(protocol, seed)
        self.curriculum = expand_association(protocol, seed)
        self.splits = self.curriculum.splits
        self.grown = self.culture = Culture.grow(protocol.culture, seed)
        self.cell = nearest_electrode(self.grown.electrodes, self.grown.positions)
        self.region = readout.region_of(self.cell, self.encoder.regions)
        self.done_cost = 0
        self.total_cost = TRAINING_COST * len(self.curriculum.example) + self.curriculum.n_alone

    def run_all(self) -> dict[str, np.ndarray]:
        arrays = self._beforehand() | self._evaluations() | self._afterwards()
        arrays |= {
            "positions": self.grown.positions,
            "electrodes": self.grown.electrodes,
            "region": self.region,
            "evaluate_after": self.curriculum.evaluate_after,
            "labels/validation": self.encoder.truth(self.splits.validation),
            "labels/test": self.encoder.truth(self.splits.test),
            "probe/labels": self.curriculum.probes.labels,
        }
        return arrays | weight_maps(self.grown, self.culture.weights, self.cell)

    def _beforehand(self) -> dict[str, np.ndarray]:
        """Probe the culture as it was grown."""
        if not len(self.curriculum.probes):
            return {"probe/before": np.empty((0, len(self.encoder.regions)))}
        recording = self._present([self.encoder.alone(self.curriculum.probes, "probe")])
        return {"probe/before": self._scores(self._counts(recording, 0))}

    def _evaluations(self) -> dict[str, np.ndarray]:
        """Train and evaluate block by block; returns the scores of all evaluations."""
        sets = {"validation": self.splits.validation, "test": self.splits.test}
        images = [self.encoder.alone(examples, name) for name, examples in sets.items()]
        scores, ends = self._resume(), self.curriculum.evaluate_after
        for index in range(len(scores), len(ends)):
            first, last = int(ends[index - 1]) if index else 0, int(ends[index])
            examples = self.splits.training.take(self.curriculum.example[first:last])
            training = [self.encoder.labelled(examples, first)] if last > first else []
            recording = self._present([*training, *images], self.curriculum.learning[first:last])
            self.culture = replace(self.grown, weights=recording.weights)
            scores.append(self._scores(self._counts(recording, last - first)))
            weights = {f"weights/{name}": w.data for name, w in self.culture.weights.items()}
            self.run.save_part(CHECKPOINT.format(self.seed), {"scores": np.stack(scores)} | weights)
            self._watch(scores[-1])
        validation, test = np.split(np.stack(scores), [len(self.splits.validation)], axis=1)
        return {"scores/validation": validation, "scores/test": test}

    def _watch(self, scores: np.ndarray) -> None:
        truth = self.encoder.truth(self.splits.validation)
        accuracy = learning.validation_accuracy(self.protocol, scores[: len(truth)], truth)
        self.watch("accuracy/validation", accuracy)

    def _resume(self) -> list[np.ndarray]:
        """Restore the culture from the last checkpoint; returns the scores of the evaluations done before it."""
        part = self.run.load_part(CHECKPOINT.format(self.seed))
        if part is None:
            return []
        weights = {name: w.copy() for name, w in self.grown.weights.items()}
        for name, w in weights.items():
            w.data[:] = part[f"weights/{name}"]
        self.culture = replace(self.grown, weights=weights)
        scores = list(part["scores"])
        trained = int(self.curriculum.evaluate_after[len(scores) - 1])
        self.done_cost += TRAINING_COST * trained + len(scores) * self.curriculum.n_evaluated
        return scores

    def _afterwards(self) -> dict[str, np.ndarray]:
        """Probe the trained culture, and fit a linear readout of all its neurons as a ceiling."""
        seen, test = self.splits.training.take(self.curriculum.seen), self.splits.test
        sets = {"seen": seen, "test": test, "probe": self.curriculum.probes}
        recording = self._present([self.encoder.alone(examples, name) for name, examples in sets.items()])
        of_seen, of_test, of_probes = np.split(self._counts(recording, 0), [len(seen), len(seen) + len(test)])
        truth = self.encoder.truth(seen), self.encoder.truth(test)
        pixels = seen.images.reshape(len(seen), -1), test.images.reshape(len(test), -1)
        return {
            "probe/after": self._scores(of_probes),
            "ceiling/activity": np.array(readout.logistic_accuracy(of_seen, truth[0], of_test, truth[1])),
            "ceiling/pixels": np.array(readout.logistic_accuracy(pixels[0], truth[0], pixels[1], truth[1])),
        }

    def _present(self, parts: Sequence[Pulses], learning: Sequence[float] | np.ndarray = ()) -> Recording:
        session = self.encoder.session(parts, learning)
        cost = self.done_cost + np.cumsum(np.where(session.learning > 0, TRAINING_COST, 1))
        done = cost / self.total_cost
        recording = self.engine.run(self.culture, session, lambda k, _: self.report(float(done[k - 1])))
        self.done_cost = int(cost[-1])
        return recording

    def _counts(self, recording: Recording, first: int) -> np.ndarray:
        """Spikes of every neuron in every presentation from `first` on, shape (n, n_neurons)."""
        n, n_neurons, n_steps = len(recording.session.n_steps) - first, len(self.cell), self.encoder.n_steps
        start = np.searchsorted(recording.step, first * n_steps)
        presentation = recording.step[start:] // n_steps - first
        flat = np.bincount(presentation * n_neurons + recording.neuron[start:], minlength=n * n_neurons)
        return flat.reshape(n, n_neurons)

    def _scores(self, counts: np.ndarray) -> np.ndarray:
        return readout.scores(counts, self.region, len(self.encoder.regions))


def n_presentations(protocol: CultureAssociation) -> int:
    """Number of presentations of one seed."""
    curriculum = expand_association(protocol)
    return len(curriculum.example) + curriculum.n_alone


def outline(protocol: CultureAssociation) -> list[str]:
    """Training, evaluations and probes, one line each."""
    plan, data = protocol.association, expand_association(protocol)
    return [
        f"training: {len(data.example)} presentations of {plan.presentation * 1e3:g} ms, {len(data.seen)} images",
        f"evaluation: {len(data.evaluate_after)} times {len(data.splits.validation)} validation and "
        f"{len(data.splits.test)} test images, no learning",
        f"probe: {len(data.probes)} images and patterns before and after, no learning",
    ]
