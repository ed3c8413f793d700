"""One seed of an association experiment with a spiking network: training in blocks, an evaluation after each.

Images alone are presented: the network learns without labels. At every evaluation, which changes nothing, the most
recent training images name its neurons: each gets the class to which it responds most.
"""

import numpy as np

from culture_sim.spiking.network import Presentations, Responses, Weights
from culture_sim.spiking.simulation import present
from protocols.plan.curriculum import Curriculum, expand_association
from protocols.results import learning, readout
from protocols.runs.reporting import Report, Watch, unwatched
from protocols.runs.run_directory import Run
from protocols.spec.protocol import SpikingAssociation
from protocols.spec.random_streams import stream

CHECKPOINT = "seed_{}_evaluated"  # name of the checkpoint that a seed saves after every evaluation
TRAINING_COST = 2.0  # relative to a presentation without learning; for the progress bar only
UNASSIGNED = -1


def run_seed(
    protocol: SpikingAssociation, device: str, seed: int, run: Run, report: Report, watch: Watch = unwatched
) -> dict[str, np.ndarray]:
    """Run one seed, or resume it after its last finished evaluation.

    Parameters
    ----------
    protocol, device, seed
        The experiment, the engine and the number of the network.
    run
        Run directory, where a checkpoint is saved after each evaluation.
    report
        Called with the fraction done.
    watch
        Called with ``accuracy/validation`` after each evaluation.

    Returns
    -------
    dict
        The arrays that `protocols.results.learning.summarise` takes, and ``filters``, the weights of the neurons, shape
        (n_neurons, n_inputs); ``theta`` in V and ``assigned``, the index of each neuron's class or -1, shape
        (n_neurons,).
    """
    return _Training(protocol, device, seed, run, report, watch).run_all()


def assigned(counts: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    """Class to whose images each neuron responds most on average, or -1 for a neuron without a spike.

    Parameters
    ----------
    counts : int, shape (n_images, n_neurons)
    truth : int, shape (n_images,)
        Index of each image's class.
    n_classes

    Returns
    -------
    ndarray of int, shape (n_neurons,)
    """
    members = np.eye(n_classes)[truth]  # (n_images, n_classes)
    mean = members.T @ counts / np.maximum(1, members.sum(axis=0))[:, None]
    return np.where(mean.max(axis=0, initial=0) > 0, mean.argmax(axis=0), UNASSIGNED)


def scores(counts: np.ndarray, classes: np.ndarray, n_classes: int) -> np.ndarray:
    """Mean spike count of the neurons assigned to each class, 0 without any; shape (n_images, n_classes).

    Parameters
    ----------
    counts : int, shape (n_images, n_neurons)
    classes : int, shape (n_neurons,)
        From `assigned`.
    n_classes
    """
    members = (classes[:, None] == np.arange(n_classes)).astype(float)  # (n_neurons, n_classes)
    return counts @ members / np.maximum(1, members.sum(axis=0))


class _Training:
    """The state of one seed's training."""

    def __init__(
        self, protocol: SpikingAssociation, device: str, seed: int, run: Run, report: Report, watch: Watch
    ) -> None:
        self.protocol, self.device, self.seed = protocol, device, seed
        self.spec, self.n_classes = protocol.spiking_network, len(protocol.data.classes)
        self.run, self.report, self.watch = run, report, watch
        self.curriculum = expand_association(protocol, seed)
        splits = self.curriculum.splits
        self.sets = {"training": splits.training, "validation": splits.validation, "test": splits.test}
        self.truth = {name: part.truth(protocol.data.classes) for name, part in self.sets.items()}
        rng = np.random.default_rng(stream("spiking network", seed))
        self.weights = Weights.drawn(self.spec, splits.training.images[0].size, rng)
        self.classes = np.full(self.spec.neurons, UNASSIGNED)
        self.done_cost, self.total_cost = 0.0, _cost(self.curriculum, self.spec.labelled)

    def run_all(self) -> dict[str, np.ndarray]:
        found = self._evaluations()
        return (
            {f"scores/{name}": np.stack(values) for name, values in found.items()}
            | {f"labels/{name}": self.truth[name] for name in found}
            | {"evaluate_after": self.curriculum.evaluate_after}
            | self._ceilings()
            | {"filters": self.weights.inputs.T, "theta": self.weights.theta, "assigned": self.classes}
        )

    def _evaluations(self) -> dict[str, list[np.ndarray]]:
        """Train and evaluate block by block; the scores of all evaluations."""
        found, ends = self._resume(), self.curriculum.evaluate_after
        for index in range(len(found["test"]), len(ends)):
            first, last = int(ends[index - 1]) if index else 0, int(ends[index])
            if last > first:
                self._train(first, last)
            self._assign(last)
            for name, values in found.items():
                counts = self._counts(name, np.arange(len(self.sets[name])))
                values.append(scores(counts, self.classes, self.n_classes))
            kept = {f"scores/{name}": np.stack(values) for name, values in found.items()}
            kept |= {"weights": self.weights.inputs, "theta": self.weights.theta, "assigned": self.classes}
            self.run.save_part(CHECKPOINT.format(self.seed), kept)
            truth = self.truth["validation"]
            accuracy = learning.validation_accuracy(self.protocol, found["validation"][-1], truth)
            self.watch("accuracy/validation", accuracy)
        return found

    def _resume(self) -> dict[str, list[np.ndarray]]:
        """Restore the network from the last checkpoint; the scores of the evaluations done before it."""
        part = self.run.load_part(CHECKPOINT.format(self.seed))
        if part is None:
            return {"validation": [], "test": []}
        self.weights, self.classes = Weights(part["weights"], part["theta"]), part["assigned"]
        found = {name: list(part[f"scores/{name}"]) for name in ("validation", "test")}
        trained = int(self.curriculum.evaluate_after[len(found["test"]) - 1])
        self.done_cost = _cost(self.curriculum, self.spec.labelled, trained)
        return found

    def _train(self, first: int, last: int) -> None:
        """Present training images, with learning; `first` is the number of the first presentation."""
        images = self.curriculum.example[first:last]
        factors = self.curriculum.learning[first:last]
        self.weights = self._present("training", images, factors, self._keys("training", first, last)).weights

    def _assign(self, trained: int) -> None:
        """Give the neurons the classes of the last of `trained` presentations; without any, they have none."""
        if trained:
            recent = np.unique(self.curriculum.example[max(0, trained - self.spec.labelled) : trained])
            counts = self._counts("training", recent)
            self.classes = assigned(counts, self.truth["training"][recent], self.n_classes)

    def _counts(self, name: str, index: np.ndarray) -> np.ndarray:
        """Responses to images without learning; an image of a set always has the same spike trains."""
        keys = self._keys(f"{name}/alone", 0, len(self.sets[name]))[index]
        return self._present(name, index, np.zeros(len(index)), keys).counts

    def _present(self, name: str, index: np.ndarray, factors: np.ndarray, keys: np.ndarray) -> Responses:
        images = self.sets[name].images[index].reshape(len(index), -1)
        each = TRAINING_COST if factors.any() else 1.0

        def progress(done: int) -> None:
            self.report(min(1.0, (self.done_cost + each * done) / self.total_cost))

        responses = present(self.spec, self.weights, Presentations(images, factors, keys), self.device, progress)
        self.done_cost += each * len(index)
        return responses

    def _keys(self, name: str, first: int, last: int) -> np.ndarray:
        """Seeds of the spike trains of presentations `first` to before `last` of a set."""
        sequence = stream(f"spike trains/{name}", self.seed, self.protocol.stimulus_seed)
        return sequence.generate_state(last, np.uint64)[first:]

    def _ceilings(self) -> dict[str, np.ndarray]:
        """Test accuracy of logistic readouts of all neurons' spike counts, and of the pixels."""
        seen = self.curriculum.read
        truth, test = self.truth["training"][seen], np.arange(len(self.sets["test"]))
        known = {
            "activity": (self._counts("training", seen), self._counts("test", test)),
            "pixels": tuple(
                self.sets[name].images[index].reshape(len(index), -1)
                for name, index in (("training", seen), ("test", test))
            ),
        }
        return {
            f"ceiling/{name}": np.array(readout.logistic_accuracy(read, truth, asked, self.truth["test"]))
            for name, (read, asked) in known.items()
        }


def _cost(curriculum: Curriculum, labelled: int, trained: int | None = None) -> float:
    """Presentations up to the evaluation after `trained` ones, in presentations without learning; None: all of them."""
    ends = curriculum.evaluate_after
    done = ends if trained is None else ends[ends <= trained]
    cost = TRAINING_COST * done[-1] + sum(curriculum.n_evaluated + min(labelled, int(end)) for end in done)
    afterwards = len(curriculum.read) + len(curriculum.splits.test)
    return float(cost + (afterwards if trained is None else 0))


def outline(protocol: SpikingAssociation) -> list[str]:
    """Training and evaluations, one line each."""
    network, data = protocol.spiking_network, expand_association(protocol)
    shown, n_test = network.presentation, len(data.splits.test)
    return [
        f"training: {len(data.example)} presentations of {shown.duration * 1e3:g} ms and {shown.rest * 1e3:g} ms rest, "
        f"{len(data.seen)} images",
        f"evaluation: {len(data.evaluate_after)} times {len(data.splits.validation)} validation and "
        f"{n_test} test images, after at most {network.labelled} with labels, no learning",
    ]


def n_presentations(protocol: SpikingAssociation) -> int:
    """Number of presentations of one seed, repeated attempts not counted."""
    curriculum = expand_association(protocol)
    labelled, ends = protocol.spiking_network.labelled, curriculum.evaluate_after.tolist()
    evaluated = sum(curriculum.n_evaluated + min(labelled, end) for end in ends)
    return len(curriculum.example) + evaluated + len(curriculum.read) + len(curriculum.splits.test)
