"""The ``network.retrieval`` section: image retrieval by binary codes of a network's features."""

from math import exp, lgamma
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from protocols.spec.data import Amount
from protocols.spec.section import Section

PER_CLASS = "per_class"
#: divisor of the sum of precisions: number of relevant images among the first K, or the largest possible number
NORMALISATIONS = ("found", "possible")
DIVIDED = {"found": "relevant found", "possible": "min(K, relevant)"}  # for tables


def _number_of_images(top: Any) -> Any:
    if top != PER_CLASS and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise ValueError(f"is no number of images; allowed: 1 or more, or {PER_CLASS}")
    return top


Top = Annotated[int | str, BeforeValidator(_number_of_images)]


class Retrieval(Section):
    """Content-based retrieval: training images are the database, test images the queries.

    For each method and labelled fraction, a hash layer of `bits` units with a classifier on top is trained, separately
    from the fine-tuning but with the same settings. Bit i of an image's code is 1 if unit i is above 0. The database is
    ranked by Hamming distance to the query's code, ties in database order; images of the query's class are relevant.

    Parameters
    ----------
    bits
        Length of a code.
    head
        Hash layer: a linear map followed by ``tanh`` (paper), or by ReLU and ``batch_norm`` (authors' code).
    train
        Trained part: the whole ``network``, or only the ``head``, on fixed pre-trained features.
    at
        Cut-offs K of the ranking: numbers of images, or ``per_class``, the database size divided by the number of
        classes.
    queries
        Number of test images used as queries, evenly spread, or ``all``.
    shown
        Number of queries whose top-ranked images are saved for the figure.
    backend
        ``exact``: all distances, computed here. ``faiss``: the same by the faiss library, which may choose differently
        among images tied at the last rank.
    """

    bits: Annotated[int, Field(ge=1, le=2**16, strict=True)] = 256
    head: Literal["tanh", "batch_norm"] = "tanh"
    train: Literal["network", "head"] = "network"
    at: Annotated[tuple[Top, ...], Field(min_length=1)] = (100, PER_CLASS)
    queries: Amount = None
    shown: Annotated[int, Field(ge=0, le=100, strict=True)] = 8
    backend: Literal["exact", "faiss"] = "exact"

    def tops(self, n_database: int, n_classes: int) -> dict[str, int]:
        """Cut-offs K of the ranking, by their name in metrics."""
        each = {top_name(top): n_database // n_classes if isinstance(top, str) else top for top in self.at}
        return {name: max(1, min(top, n_database)) for name, top in each.items()}


def top_name(top: int | str) -> str:
    """Name of a cut-off K in metrics: ``at_100``, ``at_per_class``."""
    return f"at_{top}"


def metric(method: str, regime: str, top: str, normalisation: str) -> str:
    """Metric path of a mean average precision."""
    return f"map/{method}/{regime}/{top}/{normalisation}"


def chance(k: int, n_relevant: int, n: int, normalisation: str) -> float:
    """Expected average precision of a random ranking of `n` images, `n_relevant` of them relevant.

    Given h relevant images among the first K, rank i holds one of them with probability h/K; each of the i - 1 ranks
    before it is then relevant with probability (h - 1)/(K - 1). The expected sum of precisions is therefore
    h (S + (1 - S) (h - 1)/(K - 1)), where S is the mean of 1/i over the ranks 1 to K.
    """
    share = sum(1 / i for i in range(1, k + 1)) / k
    hits = k * n_relevant / n
    pairs = (n_relevant - 1) / max(1, n - 1)  # E[h (h - 1)/(K - 1)] / E[h], h hypergeometric
    if normalisation == "possible":
        return hits * (share + (1 - share) * pairs) / max(1, min(k, n_relevant))
    some = 1 - _none(k, n_relevant, n)
    return some * share + (1 - share) * (hits - some) / max(1, k - 1)


def _none(k: int, n_relevant: int, n: int) -> float:
    """Probability that none of the first `k` images is relevant."""
    others = n - n_relevant
    if k > others:
        return 0.0
    return exp(lgamma(others + 1) - lgamma(others - k + 1) - lgamma(n + 1) + lgamma(n - k + 1))
