"""Retrieval by Hamming distance, written literally from its definition: bit by bit, image by image, rank by rank."""

from collections.abc import Sequence
from fractions import Fraction


def distance(one: Sequence[bool], other: Sequence[bool]) -> int:
    """Number of bits that differ."""
    return sum(1 for a, b in zip(one, other, strict=True) if bool(a) != bool(b))


def ranking(database: Sequence[Sequence[bool]], query: Sequence[bool]) -> list[tuple[int, int]]:
    """(distance, index) of all codes, nearest first, ties by index."""
    return sorted((distance(code, query), place) for place, code in enumerate(database))


def average_precision(relevant: Sequence[bool], k: int, n_relevant: int) -> dict[str, Fraction]:
    """Average precision of the first k: precisions at the relevant images, summed and divided in both ways."""
    total, hits = Fraction(0), 0
    for place, is_relevant in enumerate(relevant[:k], start=1):
        if is_relevant:
            hits += 1
            total += Fraction(hits, place)
    possible = min(k, n_relevant)
    return {
        "found": total / hits if hits else Fraction(0),
        "possible": total / possible if possible else Fraction(0),
    }


def mean_average_precision(
    database: Sequence[Sequence[bool]],
    labels: Sequence[int],
    queries: Sequence[Sequence[bool]],
    asked: Sequence[int],
    k: int,
) -> dict[str, float]:
    """Mean over the queries."""
    sums = {"found": Fraction(0), "possible": Fraction(0)}
    for query, label in zip(queries, asked, strict=True):
        relevant = [labels[place] == label for _, place in ranking(database, query)]
        for name, value in average_precision(relevant, k, sum(relevant)).items():
            sums[name] += value
    return {name: float(value / len(asked)) for name, value in sums.items()}
