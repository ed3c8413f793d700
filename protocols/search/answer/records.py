"""Parameters and trials as plain records, for ``answer.json`` and the surrogate."""

from collections.abc import Sequence
from typing import Any

from protocols.loading.search_space import Dimension
from protocols.search.study import Finished

Record = dict[str, Any]


def parameter_records(space: Sequence[Dimension]) -> list[Record]:
    """Records of the searched parameters."""
    return [_parameter(dimension) for dimension in space]


def trial_records(finished: Sequence[Finished]) -> list[Record]:
    """Records of the finished trials."""
    keys = ("number", "state", "values", "means", "scores", "per_seed", "seconds")
    return [{key: getattr(done, key) for key in keys} for done in finished]


def _parameter(d: Dimension) -> Record:
    number = d.choices is None
    return {
        "path": d.path,
        "kind": d.kind,
        "unit": d.unit,
        "low": d.low if number else None,
        "high": d.high if number else None,
        "scale": ("log" if d.log else "linear") if number else None,
        "choices": None if d.choices is None else list(d.choices),
        "start": d.start,
    }
