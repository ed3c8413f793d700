"""The ``fit:`` section: which measures of a recording a culture is fitted to, and how a posterior is trained."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from protocols.spec.dish.asked import Asked, Panel
from protocols.spec.dish.measures import OF_NETWORK_BURSTS, PANEL
from protocols.spec.faults import nearest, short
from protocols.spec.search import Range, Search
from protocols.spec.section import Section

Simulations = Annotated[int, Field(ge=10, le=10**7, strict=True)]
Networks = Annotated[int, Field(ge=1, le=100, strict=True)]
Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=len(PANEL))]


class Fit(Section):
    """A fit of the parameters in ``search.space`` to recordings of spontaneous activity.

    The ranges of the space are the prior: independent, each uniform on its scale. ``targets`` gives the standard
    deviation of each measure between real cultures.

    Parameters
    ----------
    measures
        Measures of the panel that the posterior is told.
    distance
        Measures that make up the distance of a twin from a recording: root mean square, in those standard deviations.
    simulations
        Number of simulated recordings that the posterior learns from; each has its own parameters, drawn from the
        prior, and its own culture.
    held_out
        Number of further simulated recordings, on which the posterior is checked.
    networks
        Number of neural networks whose posteriors are averaged.
    other_rules
        Further rules of network bursts. All recordings are measured by each of them, too, with its default values, and
        a posterior is learned for each, so that a fit says which parameters depend on the definition.
    """

    measures: Names
    distance: Names
    simulations: Simulations = 5000
    held_out: Simulations = 200
    networks: Networks = 3
    other_rules: tuple[Literal["coincidence", "pooled", "overlap"], ...] = ()

    @field_validator("measures", "distance")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in PANEL:
                raise ValueError(f"no measure '{short(name)}'; {nearest(name, PANEL)}")
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is listed twice")
        return names

    @model_validator(mode="after")
    def _rules_matter(self) -> Self:
        if len(set(self.other_rules)) < len(self.other_rules):
            raise ValueError("other_rules: one is listed twice")
        if self.other_rules and not set(self.measures) & set(OF_NETWORK_BURSTS):
            raise ValueError(f"other_rules: allowed with a measure of network bursts: {', '.join(OF_NETWORK_BURSTS)}")
        return self


def check_fit(fit: Fit, measure: Mapping[str, Asked], search: Search | None, targets: str | None) -> None:
    """Check that there is one panel, other rules than its own, a space of ranges, and the spread between cultures."""
    panels = [asked for asked in measure.values() if isinstance(asked, Panel)]
    if len(panels) != 1 or len(measure) != 1:
        raise ValueError("measure: allowed beside fit: a single panel, nothing else")
    if (own := panels[0].definitions.network_bursts.rule) in fit.other_rules:
        raise ValueError(f"fit.other_rules: {own} is the panel's own; allowed: others")
    for path, parameter in search.space.items() if search is not None else ():
        if not isinstance(parameter, Range) or parameter.when or parameter.step is not None:
            raise ValueError(f"search.space.{path}: allowed beside fit: ranges without steps and conditions")
    if search is not None and dict(search.objectives) != {"distance": "minimise"}:
        raise ValueError("search.objectives: allowed beside fit: {distance: minimise}")
    if targets is None:
        raise ValueError("targets: missing; allowed beside fit: a table with the spread between real cultures")
