"""The parameters of a fit as points of the unit cube, in which the prior is uniform."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from protocols.loading.loader import parse_override
from protocols.loading.overrides import check
from protocols.loading.search_space import Dimension, Value, dimensions
from protocols.spec.faults import ProtocolFault, short
from protocols.spec.protocol import DishProtocol, FitProtocol

INTERVAL = (0.05, 0.5, 0.95)  # quantiles: lower end, median and upper end of a central interval of 90 %


@dataclass(frozen=True)
class Space:
    """The searched parameters of a protocol; each range, on its scale, is 0 to 1."""

    protocol: FitProtocol

    @cached_property
    def dimensions(self) -> list[Dimension]:
        """The parameters, in the order of the file."""
        return dimensions(self.protocol)

    @property
    def paths(self) -> list[str]:
        """Their dotted paths."""
        return [dimension.path for dimension in self.dimensions]

    @property
    def labels(self) -> list[str]:
        """Their names in tables and figures, with units."""
        return [label(dimension) for dimension in self.dimensions]

    @cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        log = np.array([dimension.log for dimension in self.dimensions])
        ends = np.array([(dimension.low, dimension.high) for dimension in self.dimensions], float)
        ends = np.where(log[:, None], np.log(np.where(log[:, None], ends, 1.0)), ends)
        return log, ends[:, 0], ends[:, 1]

    def values(self, unit: np.ndarray) -> np.ndarray:
        """Values in the units of the space from points of the unit cube, shape (..., n_parameters)."""
        log, low, high = self._bounds
        scaled = low + (high - low) * np.asarray(unit, float)
        return np.where(log, np.exp(np.where(log, scaled, 0.0)), scaled)

    def unit(self, values: np.ndarray) -> np.ndarray:
        """Points of the unit cube from values, shape (..., n_parameters)."""
        log, low, high = self._bounds
        given = np.asarray(values, float)
        return (np.where(log, np.log(np.where(log, given, 1.0)), given) - low) / (high - low)

    def named(self, unit: np.ndarray) -> dict[str, Value]:
        """Values of one point by path, rounded as a protocol spells them."""
        return {d.path: d.rounded(float(value)) for d, value in zip(self.dimensions, self.values(unit), strict=True)}

    def spelled(self, unit: np.ndarray) -> dict[str, object]:
        """Values of one point by path, as a protocol file writes them."""
        return {d.path: d.spelled(value) for d, value in zip(self.dimensions, self.named(unit).values(), strict=True)}


def label(dimension: Dimension) -> str:
    """Name of a parameter without what all share, and its unit."""
    name = dimension.path.removeprefix("culture.").replace(".", " ")
    return f"{name} ({dimension.unit})" if dimension.unit else name


def check_free(overrides: Sequence[str], paths: Sequence[str]) -> None:
    """Refuse to set parameters that are searched.

    Parameters
    ----------
    overrides
        ``path=value``, as given to ``--set``.
    paths
        Of the searched parameters.

    Raises
    ------
    ProtocolFault
        If an override gives one of them, or the section that holds it, a value.
    """
    for given in (parse_override(override)[0] for override in overrides):
        if found := next((path for path in paths if f"{path}.".startswith(f"{given}.")), None):
            raise ProtocolFault(
                [f"--set {short(given)}: {found} is searched; allowed: what search.space does not hold"]
            )


def as_dish(protocol: FitProtocol, **changes: Any) -> DishProtocol:
    """The experiment of a fit without the fit and its search; `changes`: keys of the protocol with other values."""
    content = protocol.model_dump(mode="json") | {"search": None, "quick": {}} | changes
    del content["fit"]
    found = check(content)
    assert isinstance(found, DishProtocol)  # noqa: S101  (it has a timeline)
    return found
