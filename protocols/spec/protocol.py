"""A protocol: the complete, frozen description of one experiment; it can be checked and expanded without a simulator.

There are seven kinds: evoked responses to stimuli presented in phases (`EvokedProtocol`), association of images with
labels in a culture or a spiking network (`AssociationProtocol`), living cultures in continuous time (`DishProtocol`),
those that are fitted to recordings (`FitProtocol`), living cultures as reservoirs that a linear classifier reads
(`ReservoirProtocol`), networks pre-trained without labels and fine-tuned with few (`NetworkProtocol`), and segmentation
with few masks (`SegmentationProtocol`).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from protocols.spec.association import Association, AssociationPlan
from protocols.spec.consistency import (
    check_association,
    check_associative_network,
    check_evoked,
    check_network,
    check_plan,
)
from protocols.spec.culture import Culture
from protocols.spec.data import Data, ImageData
from protocols.spec.dish.asked import Asked
from protocols.spec.dish.consistency import check_dish
from protocols.spec.dish.fitting import Fit, check_fit
from protocols.spec.dish.living import LivingCulture
from protocols.spec.dish.timeline import DishRecord, Pattern, Step
from protocols.spec.evoked import Count, Evoked, Name, Phase, Record
from protocols.spec.file_data import FolderData, SyntheticData
from protocols.spec.nets.consistency import check_spiking
from protocols.spec.nets.masks import AnyMasks
from protocols.spec.nets.segmentation import Segmentation, check_segmentation
from protocols.spec.nets.spiking import SpikingNetwork
from protocols.spec.network import AssociativeNetwork, Network
from protocols.spec.reservoir.consistency import check_reservoir
from protocols.spec.reservoir.section import Reservoir
from protocols.spec.search import Search
from protocols.spec.section import Section
from protocols.spec.stimuli import Stimulus

Seed = Annotated[int, Field(ge=0, le=2**63, strict=True)]


MeasureName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_ -]*$", max_length=60)]


class Protocol(Section):
    """Keys common to all experiment files."""

    name: Name
    title: str
    citation: str
    targets: Annotated[str, Field(pattern=r"^\w[^/\\]*(/\w[^/\\]*)*$")] | None = None  # relative to the file's folder
    seeds: Count = 1
    first_seed: Seed = 0
    stimulus_seed: Seed = 0
    quick: dict[str, Any] = Field(default_factory=dict)
    search: Search | None = None

    @property
    def seed_list(self) -> range:
        """The seeds to run."""
        return range(self.first_seed, self.first_seed + self.seeds)


class CultureProtocol(Protocol):
    """An experiment with a culture."""

    culture: Culture


class EvokedProtocol(CultureProtocol):
    """Stimuli presented in phases, with and without learning, and measurement of the evoked responses."""

    stimuli: dict[Name, Stimulus]
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    evoked: Evoked
    record: Record = Record()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_evoked(self.culture, self.stimuli, self.phases, self.evoked)
        return self


class AssociationProtocol(Protocol):
    """Images presented with their labels; later the image alone must recall its label.

    With a ``network:`` section, a network learns from the same presentations.
    """

    data: Data
    association: AssociationPlan
    network: AssociativeNetwork | None = None

    @model_validator(mode="after")
    def _plan_consistent(self) -> Self:
        check_plan(self.data, self.association)
        if self.network is not None:
            check_associative_network(self.network, self.data)
        return self


class CultureAssociation(AssociationProtocol, CultureProtocol):
    """Association in a culture on an electrode array."""

    association: Association

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_association(self.culture, self.data, self.association)
        return self


class SpikingAssociation(AssociationProtocol):
    """Association in a spiking network, which learns the images without their labels."""

    spiking_network: SpikingNetwork

    @model_validator(mode="before")
    @classmethod
    def _without_culture(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and content.get("culture") is not None:
            raise ValueError("culture: beside spiking_network; allowed: one of them")
        return content

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_spiking(self.spiking_network)
        return self


class DishProtocol(Protocol):
    """A living culture in continuous time: steps of a timeline, and named measures over them."""

    culture: LivingCulture
    patterns: dict[Name, Pattern] = Field(default_factory=dict)
    timeline: Annotated[tuple[Step, ...], Field(min_length=1)]
    measure: dict[MeasureName, Asked] = Field(default_factory=dict)
    record: DishRecord = DishRecord()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_dish(self.culture, self.patterns, self.timeline, self.measure)
        return self


class FitProtocol(DishProtocol):
    """A living culture whose parameters are fitted to recordings of spontaneous activity."""

    fit: Fit

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_fit(self.fit, self.measure, self.search, self.targets)
        return self


class ReservoirProtocol(Protocol):
    """A living culture as a reservoir: patterns are read from the evoked responses by a linear classifier."""

    culture: LivingCulture
    reservoir: Reservoir
    data: Data | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_reservoir(self.culture, self.data, self.reservoir)
        return self


class NetworkProtocol(Protocol):
    """Networks pre-trained without labels, fine-tuned on fractions of the labels, and tested."""

    data: Annotated[ImageData | FolderData | SyntheticData, Field(discriminator="source")]
    network: Network

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_network(self.data, self.network)
        return self


class SegmentationProtocol(Protocol):
    """U-Nets pre-trained without masks, fine-tuned on fractions of the masks, and tested."""

    data: AnyMasks
    segmentation: Segmentation

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_segmentation(self.data, self.segmentation)
        return self


def kind_of(content: Mapping[str, Any]) -> type[Protocol]:
    """The kind of protocol, from the sections in a file."""
    if "spiking_network" in content:
        return SpikingAssociation
    if "fit" in content:
        return FitProtocol
    if "reservoir" in content:
        return ReservoirProtocol
    if "association" in content:
        return CultureAssociation
    if "segmentation" in content:
        return SegmentationProtocol
    if "network" in content:
        return NetworkProtocol
    if "data" in content:
        return CultureAssociation
    culture = content.get("culture")
    living = isinstance(culture, Mapping) and culture.get("model") == "living"
    return DishProtocol if living or "timeline" in content else EvokedProtocol
