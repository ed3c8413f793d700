"""Finished runs, read from their directories."""

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from figures.runs.checks import check_association, check_network, check_segmentation
from protocols.loading.published import Target, read_targets
from protocols.runs.run_directory import read_json, read_protocol
from protocols.spec.array import Array
from protocols.spec.dish.timeline import duration, unrolled
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.network import regime_name
from protocols.spec.protocol import (
    AssociationProtocol,
    CultureAssociation,
    CultureProtocol,
    DishProtocol,
    EvokedProtocol,
    FitProtocol,
    NetworkProtocol,
    Protocol,
    ReservoirProtocol,
    SegmentationProtocol,
    SpikingAssociation,
)
from protocols.spec.reservoir.layout import classes


@dataclass(frozen=True)
class RunData:
    """Content of a run directory: protocol, arrays, metrics, provenance, published values."""

    path: Path
    protocol: Protocol
    arrays: dict[str, np.ndarray]
    metrics: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def seeds(self) -> list[int]:
        """The seeds that were run."""
        return list(self.protocol.seed_list)

    def array(self, seed: int, key: str) -> np.ndarray:
        """An array of one seed."""
        try:
            return self.arrays[f"seed_{seed}/{key}"]
        except KeyError:
            raise ProtocolFault([f"{self.path}: damaged run: arrays.npz has no seed_{seed}/{key}"]) from None

    def per_seed(self, key: str) -> list[np.ndarray]:
        """An array of every seed."""
        return [self.array(seed, key) for seed in self.seeds]

    def stack(self, key: str) -> np.ndarray:
        """An array of every seed, shape (n_seeds, ...)."""
        return np.stack(self.per_seed(key))

    @cached_property
    def targets(self) -> list[Target]:
        """Published values; empty if the protocol names none."""
        if self.protocol.targets is None:
            return []
        try:
            return read_targets(self.path / self.protocol.targets)
        except ProtocolFault as fault:
            raise ProtocolFault([f"{self.path}: damaged run: {line}" for line in fault.lines]) from None


@dataclass(frozen=True)
class EvokedRun(RunData):
    """A run of an evoked-response experiment: stimuli presented in phases."""

    protocol: EvokedProtocol

    @property
    def probes(self) -> list[str]:
        """Stimuli that are presented without learning."""
        return list(dict.fromkeys(name for p in self.protocol.phases if not p.plastic for name in p.present))

    @property
    def probing(self) -> list[str]:
        """Phases without learning."""
        return [phase.name for phase in self.protocol.phases if not phase.plastic]

    def presented(self, probe: str, phase: str) -> bool:
        """Whether a probe was presented in a phase."""
        return f"seed_{self.seeds[0]}/psth/{probe}/{phase}" in self.arrays

    def drawn(self, stimulus: str) -> np.ndarray:
        """Electrodes of a stimulus as a boolean image of the array, shape (rows, columns)."""
        return _image(self.protocol, self.protocol.stimuli[stimulus].electrodes)


@dataclass(frozen=True)
class AssociationRun(RunData):
    """A run of an association experiment: images presented together with their labels."""

    protocol: AssociationProtocol

    @property
    def kind(self) -> Literal["culture", "spiking network", "network"]:
        """What learned: a network may learn the presentations of a culture in its place."""
        if self.provenance.get("learner") == "hebbian_dl":
            return "network"
        return "spiking network" if isinstance(self.protocol, SpikingAssociation) else "culture"

    @property
    def culture(self) -> CultureAssociation:
        """The protocol of a culture."""
        if not isinstance(self.protocol, CultureAssociation):
            raise TypeError("a protocol without a culture")
        return self.protocol

    @property
    def label(self) -> str:
        """The protocol's name, marked if a network learned."""
        return self.protocol.name if self.kind == "culture" else f"{self.protocol.name} ({self.kind})"

    @property
    def learners(self) -> str:
        """Number of cultures or networks, as text."""
        n = len(self.seeds)
        return f"mean of {n} {self.kind}s" if n > 1 else f"one {self.kind}"

    @property
    def neurons(self) -> int:
        """Number of neurons of the culture or the network; of a spiking network, the excitatory ones."""
        if self.kind == "network":
            return int(self.provenance["neurons"])
        if isinstance(self.protocol, SpikingAssociation):
            return self.protocol.spiking_network.neurons
        return self.culture.culture.neurons.count

    @property
    def classes(self) -> tuple[int, ...]:
        """Labels that were learned, in the order of the arrays' class axis."""
        return self.protocol.data.classes

    @property
    def answering(self) -> str:
        """What answers a class: a region of the culture, or neurons of a network."""
        return "region" if self.kind == "culture" else "neurons of"

    @property
    def response_unit(self) -> str:
        """Unit of the response to a class."""
        if self.kind == "network":
            return "score"
        if isinstance(self.protocol, SpikingAssociation):
            return f"spikes per neuron in {self.protocol.spiking_network.presentation.duration * 1e3:g} ms"
        return f"spikes per neuron in {self.culture.association.presentation * 1e3:g} ms"

    def label_region(self, label: int) -> np.ndarray:
        """Label electrodes of a class as a boolean image of the array, shape (rows, columns)."""
        return _image(self.culture, self.culture.association.label.regions[label])


@dataclass(frozen=True)
class NetworkRun(RunData):
    """A run of networks, pre-trained with several methods and fine-tuned on fractions of the labels."""

    protocol: NetworkProtocol

    @property
    def methods(self) -> list[str]:
        """Methods of pre-training, in the protocol's order."""
        return list(self.protocol.network.methods)

    @property
    def hebbian(self) -> dict[str, HebbianPretraining]:
        """Hebbian methods with their settings."""
        return {n: m for n, m in self.protocol.network.methods.items() if isinstance(m, HebbianPretraining)}

    @property
    def regimes(self) -> dict[float, str]:
        """Labelled fractions, ascending, and their names in the metrics."""
        return {fraction: regime_name(fraction) for fraction in sorted(self.protocol.network.regimes)}

    @property
    def measure(self) -> Literal["accuracy", "top5"]:
        """Measure that is compared: top-1 accuracy, or top-5 if only that was published."""
        published = {target.quantity.partition("/")[0] for target in self.targets}
        return "top5" if "top5" in published and "accuracy" not in published else "accuracy"

    @property
    def answers(self) -> int:
        """Number of answers, one of which must be right: 1 for top-1 accuracy, 5 for top-5."""
        return 5 if self.measure == "top5" else 1

    @property
    def chance(self) -> float:
        """Accuracy of random answers."""
        return self.answers / len(self.protocol.data.class_list)

    def value(self, method: str, regime: str) -> dict[str, Any]:
        """Metric `measure` of a method on a labelled fraction: mean, ci95, n, per_seed."""
        value: dict[str, Any] = self.metrics[f"{self.measure}/{method}/{regime}"]
        return value

    def n_labels(self, regime: str) -> int:
        """Number of labelled images of a fraction."""
        return int(self.metrics[f"accuracy/{self.methods[0]}/{regime}"]["labels"])


@dataclass(frozen=True)
class SegmentationRun(RunData):
    """A run of U-Nets, pre-trained with several methods and fine-tuned on fractions of the masks."""

    protocol: SegmentationProtocol

    @property
    def methods(self) -> list[str]:
        """Methods of pre-training, in the protocol's order."""
        return list(self.protocol.segmentation.methods)

    @property
    def regimes(self) -> dict[float, str]:
        """Fractions of the masks, ascending, and their names in the metrics."""
        return {fraction: regime_name(fraction) for fraction in sorted(self.protocol.segmentation.regimes)}

    def value(self, measure: str, method: str, regime: str) -> dict[str, Any]:
        """A measure of the test images: mean, ci95, n, per_seed, masks."""
        value: dict[str, Any] = self.metrics[f"{measure}/{method}/{regime}"]
        return value


@dataclass(frozen=True)
class DishRun(RunData):
    """A run of a living culture with a timeline of steps."""

    protocol: DishProtocol

    @property
    def duration_s(self) -> float:
        """Length of the whole timeline in seconds."""
        return sum(duration(step) for _, step in unrolled(self.protocol.timeline))


@dataclass(frozen=True)
class PosteriorRun(RunData):
    """A posterior that was trained on simulated recordings, for fits to real ones."""

    protocol: FitProtocol


@dataclass(frozen=True)
class ReservoirRun(RunData):
    """A run of living cultures as reservoirs."""

    protocol: ReservoirProtocol

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        patterns, array = self.protocol.reservoir.patterns, self.protocol.culture.array
        if self.protocol.data is not None:
            return [str(label) for label in self.protocol.data.classes]
        assert isinstance(array, Array)  # noqa: S101  (checked by the specification)
        return classes(patterns, array)


def _image(protocol: CultureProtocol, electrodes: tuple[tuple[int, int], ...]) -> np.ndarray:
    array = protocol.culture.array
    image = np.zeros((array.rows, array.columns), bool)
    image[tuple(np.transpose(electrodes))] = True
    return image


AnyRun = EvokedRun | AssociationRun | NetworkRun | DishRun | PosteriorRun | ReservoirRun | SegmentationRun


def read_run(path: Path) -> AnyRun:
    """Read a run directory; the class of the result follows from the kind of the protocol.

    Raises
    ------
    ProtocolFault
        If it is not a complete run.
    """
    protocol = read_protocol(path)
    try:
        with open(path / "arrays.npz", "rb") as file:
            arrays = dict(np.load(file))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ProtocolFault([f"{path}: damaged run: {error}"]) from None
    metrics, provenance = (read_json(path / name) for name in ("metrics.json", "provenance.json"))
    match protocol:
        case AssociationProtocol():
            check_association(path, metrics, provenance)
            return AssociationRun(path, protocol, arrays, metrics, provenance)
        case FitProtocol():
            return PosteriorRun(path, protocol, arrays, metrics, provenance)
        case DishProtocol():
            return DishRun(path, protocol, arrays, metrics, provenance)
        case ReservoirProtocol():
            return ReservoirRun(path, protocol, arrays, metrics, provenance)
        case EvokedProtocol():
            return EvokedRun(path, protocol, arrays, metrics, provenance)
        case SegmentationProtocol():
            check_segmentation(path, protocol, metrics)
            return SegmentationRun(path, protocol, arrays, metrics, provenance)
        case NetworkProtocol():
            run = NetworkRun(path, protocol, arrays, metrics, provenance)
            check_network(path, protocol, metrics, run.measure)
            return run
    raise TypeError(f"a run of an unknown kind: {type(protocol).__name__}")
