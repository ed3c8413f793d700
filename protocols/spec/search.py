"""The ``search:`` section: searched parameters, objectives, sampler and budget."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from protocols.spec.quantity import Duration
from protocols.spec.section import Section

Count = Annotated[int, Field(ge=1, le=10**6, strict=True)]
Seed = Annotated[int, Field(ge=0, le=2**62, strict=True)]
Share = Annotated[float, Field(gt=0, lt=1)]
Path = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[\w %-]+)*$")]
CONFIRMATION_OFFSET = 10**12  # beyond the seeds of a million trials with a million seeds each
Plain = bool | int | float | str | None
Bound = Annotated[int | float | str, Field(union_mode="left_to_right")]


class Parameter(Section):
    """Key common to all searched parameters.

    Parameters
    ----------
    when
        Condition: values of other searched choices for which this parameter is searched; otherwise it keeps the
        protocol's own value.
    """

    when: dict[Path, Plain | list[Plain]] = Field(default_factory=dict)


class Range(Parameter):
    """A number or a quantity between two bounds, in the unit of `low`.

    Parameters
    ----------
    low, high
        Bounds, inclusive, in a unit of the same dimension as the protocol's own value.
    scale
        ``linear``, or ``log`` to sample uniformly in the logarithm.
    step
        Restricts the values to `low` plus whole multiples of `step`; in the same unit.
    """

    low: Bound
    high: Bound
    scale: Literal["linear", "log"] = "linear"
    step: Bound | None = None


class Choice(Parameter):
    """One of several values."""

    choices: Annotated[list[Any], Field(min_length=1, max_length=100)]


def _parameter_kind(value: Any) -> str:
    has_choices = "choices" in value if isinstance(value, dict) else isinstance(value, Choice)
    return "choices" if has_choices else "range"


AnyParameter = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choice, Tag("choices")], Discriminator(_parameter_kind)
]


class RandomSampler(Section):
    """Independent random trials from the whole space."""

    sampler: Literal["random"]


class GridSampler(Section):
    """Grid search: all combinations of `points` values of each range and all choices."""

    sampler: Literal["grid"]
    points: Annotated[int, Field(ge=2, le=1000, strict=True)] = 4


class TpeSampler(Section):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), multivariate, after `startup` random trials."""

    sampler: Literal["tpe"] = "tpe"
    startup: Count = 16


class CmaEsSampler(Section):
    """Covariance matrix adaptation evolution strategy (Hansen 2001); for ranges only."""

    sampler: Literal["cma_es"]


class CoordinateDescentSampler(Section):
    """Optimises one parameter after the other around the best values so far; ranges shrink after every round.

    Parameters
    ----------
    points
        Number of values tried for one parameter before the next parameter.
    shrink
        Factor on the ranges, which are centred on the best values, after each round.
    """

    sampler: Literal["coordinate_descent"]
    points: Annotated[int, Field(ge=2, le=1000, strict=True)] = 5
    shrink: Share = 0.5


Sampler = RandomSampler | GridSampler | TpeSampler | CmaEsSampler | CoordinateDescentSampler


class Budget(Section):
    """End of the search: a number of finished trials, or the run time of one command, whichever is reached first."""

    trials: Count | None = None
    time: Annotated[Duration, Field(gt=0, le=1e8)] | None = None

    @model_validator(mode="after")
    def _some_end(self) -> Self:
        if self.trials is None and self.time is None:
            raise ValueError("has no end; allowed: trials, time, or both")
        return self


class Pruning(Section):
    """Early stopping of trials with a poor learning curve.

    At every point of the curve the trial's best value so far is compared with the values of the finished trials at that
    point (the median stopping rule of Golovin et al. 2017, for any quantile).

    Parameters
    ----------
    warmup
        Fraction of a trial's curve that always runs.
    quantile
        A trial continues while it is above this quantile of the finished trials.
    startup
        Number of finished trials before any trial is stopped.
    """

    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.25
    quantile: Share = 0.5
    startup: Count = 8


class Confirmation(Section):
    """Re-evaluation of the best trials on fresh seeds, since the best of many noisy trials is partly best by chance.

    Parameters
    ----------
    candidates
        Number of best trials to confirm; the protocol's own values are always confirmed too.
    seeds
        Number of fresh seeds for each candidate.
    """

    candidates: Count = 4
    seeds: Count = 5


class Search(Section):
    """A search for better parameters.

    Parameters
    ----------
    space
        Searched parameters by dotted path; null leaves one out that the ``base`` of the file searches.
    objectives
        Metrics to ``maximise`` or ``minimise``; several give a Pareto front. Metrics of test images are not allowed.
        After the first metric, the dotted path of a numeric parameter is allowed too, for example to keep a culture
        small.
    score
        Optimised statistic: the ``mean`` over seeds, or its ``lower_bound`` (one-sided confidence bound by Student's
        t, at `confidence`; the upper bound if the objective is minimised).
    seeds, first_seed
        Number of seeds of a trial, and the first seed of the first trial.
    fresh_seeds
        Whether every trial has its own seeds; with the same seeds for all trials, the search overfits to them.
    search_seed
        Seed of the sampler.
    trial
        Changes to the protocol in trials, by dotted path, for example less data or fewer evaluations.
    cluster
        Options passed to dask-jobqueue.
    """

    space: Annotated[dict[Path, AnyParameter], Field(min_length=1)]
    objectives: Annotated[dict[str, Literal["maximise", "minimise"]], Field(min_length=1)]
    budget: Budget
    sampler: Annotated[Sampler, Field(discriminator="sampler")] = TpeSampler()
    score: Literal["lower_bound", "mean"] = "lower_bound"
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.8
    seeds: Count = 2
    first_seed: Seed = 10000
    fresh_seeds: bool = True
    search_seed: Seed = 0
    trial: dict[str, Any] = Field(default_factory=dict)
    pruning: Pruning | None = None
    confirmation: Confirmation = Confirmation()
    cluster: dict[str, Any] = Field(default_factory=dict)

    @field_validator("space", mode="before")
    @classmethod
    def _without_null(cls, space: Any) -> Any:
        if not isinstance(space, dict):
            return space
        return {path: parameter for path, parameter in space.items() if parameter is not None}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.pruning is not None and len(self.objectives) > 1:
            raise ValueError("pruning: several objectives; allowed: with a single one")
        kinds = {type(parameter) for parameter in self.space.values()}
        if isinstance(self.sampler, CmaEsSampler) and (Choice in kinds or any(p.when for p in self.space.values())):
            raise ValueError("sampler: cma_es; allowed: with ranges only, none of them conditional")
        seen: set[str] = set()
        for path, parameter in self.space.items():
            for other in parameter.when:
                if other not in seen or not isinstance(self.space[other], Choice):
                    raise ValueError(f"space.{path}.when.{other}: allowed: a parameter with choices, listed before it")
            seen.add(path)
        return self


def trial_seeds(search: Search, number: int) -> range:
    """The seeds of one trial."""
    first = search.first_seed + (number * search.seeds if search.fresh_seeds else 0)
    return range(first, first + search.seeds)


def confirmation_seeds(search: Search) -> range:
    """Seeds of the confirmation; no trial uses them."""
    first = search.first_seed + CONFIRMATION_OFFSET
    return range(first, first + search.confirmation.seeds)
