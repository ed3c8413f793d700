"""The keys ``area:`` and ``neurons.placement:`` of a living culture: where its neurons lie."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from protocols.spec.array import PositiveLength
from protocols.spec.section import Section

MOST_NEURONS = 10**7


class Area(Section):
    """A rectangle that the neurons lie in, centred on the array."""

    width: PositiveLength
    height: PositiveLength


class UniformPlacement(Section):
    """Neurons lie uniformly at random in the area."""

    rule: Literal["uniform"] = "uniform"


class ClusteredPlacement(Section):
    """Neurons lie in clumps: around centres that lie uniformly at random, at Gaussian distances within the area.

    Each neuron belongs to any of the clumps with the same chance (a Thomas process of given numbers; Thomas 1949,
    Biometrika 36:18).

    Parameters
    ----------
    clusters
        Number of clumps.
    spread
        Standard deviation of the distance from the centre along each axis.
    """

    rule: Literal["clustered"]
    clusters: Annotated[int, Field(ge=1, le=MOST_NEURONS, strict=True)]
    spread: PositiveLength


Placement = Annotated[
    UniformPlacement | ClusteredPlacement,
    Field(discriminator="rule"),
    BeforeValidator(lambda given: {"rule": given} if isinstance(given, str) else given),
]
