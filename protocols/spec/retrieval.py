"""The ``network.retrieval`` section: images found by binary codes of what a network makes of them."""

from math import exp, lgamma
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from protocols.spec.data import Amount
from protocols.spec.section import Section

PER_CLASS = "per_class"
#: what the sum of precisions is divided by: the relevant images found among the first K; the most that could be
NORMALISATIONS = ("found", "possible")
DIVIDED = {"found": "relevant found", "possible": "min(K, relevant)"}  # in words


def _number_of_images(top: Any) -> Any:
    if top != PER_CLASS and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise ValueError(f"is no number of images; allowed: 1 or more, or {PER_CLASS}")
    return top


Top = Annotated[int | str, BeforeValidator(_number_of_images)]


class Retrieval(Section):
    """Content-based retrieval: training images are the database, test images the queries.

    For each method and labelled fraction a layer of `bits` units and a classifier on top of it are trained apart from
    the fine-tuning, by its settings. An image's code is which units are above 0. The database is ranked by Hamming
    distance to the query's code, equal distances by their place in it; what is of the query's class is relevant.

    Parameters
    ----------
    bits
        Of a code.
    head
        The units: ``tanh`` of a linear map (paper), or ``batch_norm`` of its positive part (authors' code).
    train
        What this training changes: the whole ``network``, or the ``head`` alone, on features as pre-trained.
    at
        How many of the ranking count: numbers of images, or ``per_class``, the database's images divided by classes.
    queries
        So many test images, evenly spread, or ``all``.
    shown
        Queries whose first images are kept for the figure.
    backend
        ``exact``: all distances, here. ``faiss``: the same by that library, which chooses by itself among images at
        the last distance that counts.
    """

    bits: Annotated[int, Field(ge=1, le=2**16, strict=True)] = 256
    head: Literal["tanh", "batch_norm"] = "tanh"
    train: Literal["network", "head"] = "network"
    at: Annotated[tuple[Top, ...], Field(min_length=1)] = (100, PER_CLASS)
    queries: Amount = None
    shown: Annotated[int, Field(ge=0, le=100, strict=True)] = 8
    backend: Literal["exact", "faiss"] = "exact"

    def tops(self, n_database: int, n_classes: int) -> dict[str, int]:
        """How many images of the ranking count, by the name this has in metrics."""
        each = {top_name(top): n_database // n_classes if isinstance(top, str) else top for top in self.at}
        return {name: max(1, min(top, n_database)) for name, top in each.items()}


def top_name(top: int | str) -> str:
    """How K is written in metrics: ``at_100``, ``at_per_class``."""
    return f"at_{top}"


def metric(method: str, regime: str, top: str, normalisation: str) -> str:
    """The path of a mean average precision."""
    return f"map/{method}/{regime}/{top}/{normalisation}"


def chance(k: int, n_relevant: int, n: int, normalisation: str) -> float:
    """The average precision that a random ranking of `n` images, `n_relevant` of them relevant, has on average.

    With h relevant images among the first K, place i holds one of them with probability h/K, and then as many of those
    before it are relevant as of the other K - 1: the precisions sum up to h (S + (1 - S) (h - 1)/(K - 1)) on average,
    where S is the mean of 1/i.
    """
    share = sum(1 / i for i in range(1, k + 1)) / k
    hits = k * n_relevant / n
    pairs = (n_relevant - 1) / max(1, n - 1)  # as (h - 1)/(K - 1) where h is drawn in proportion to itself
    if normalisation == "possible":
        return hits * (share + (1 - share) * pairs) / max(1, min(k, n_relevant))
    some = 1 - _none(k, n_relevant, n)
    return some * share + (1 - share) * (hits - some) / max(1, k - 1)


def _none(k: int, n_relevant: int, n: int) -> float:
    """How probable it is that none of the first `k` is relevant."""
    others = n - n_relevant
    if k > others:
        return 0.0
    return exp(lgamma(others + 1) - lgamma(others - k + 1) - lgamma(n + 1) + lgamma(n - k + 1))
