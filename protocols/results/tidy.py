"""Metrics of finished runs as one tidy pandas DataFrame, for notebooks."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocols.runs.run_directory import read_json, read_protocol
from protocols.spec.faults import ProtocolFault

if TYPE_CHECKING:
    import pandas as pd

#: columns, and their types in pandas; integers and texts that may be missing are nullable
COLUMNS = {
    "protocol": "string",
    "run": "string",
    "metric": "string",
    "seed": "int64",
    "presentations": "Int64",
    "value": "float64",
    "unit": "string",
    "mean": "float64",
    "sd": "float64",
    "n": "Int64",
    "ci95_low": "float64",
    "ci95_high": "float64",
}
PER_SEED = "per_seed"
FILES = ("protocol.yaml", "metrics.json")


def frame(*runs: str | os.PathLike[str]) -> "pd.DataFrame":
    """Metrics of one or more runs, a row for each metric and seed.

    A learning curve has a row for each metric, seed and evaluation. Metrics that are not measured per seed, such as the
    confusion matrix and the comparison with published values, are left out; they are in ``metrics.json``.

    Parameters
    ----------
    *runs
        Run directories, of any kinds of experiment.

    Returns
    -------
    pandas.DataFrame
        ``protocol``, ``run``: name of the protocol and of the run directory; ``metric``: path as in ``metrics.json``,
        with the name of a further list appended, for example ``accuracy/HPCA/1%/epoch`` of ``epoch_per_seed``;
        ``seed``; ``presentations``: done before an evaluation of a learning curve, missing elsewhere;
        ``value``, ``unit``: of this seed, true as 1; ``mean``, ``sd``, ``n``, ``ci95_low``, ``ci95_high``: over seeds,
        the same in the rows of a metric, missing where ``metrics.json`` does not give them.

    Raises
    ------
    ProtocolFault
        If a directory is not a finished run.

    Examples
    --------
    >>> from protocols.results import frame
    >>> table = frame("runs/digits01/cbb8429efb97", "runs/digits01/0f3c2a91d7be")  # doctest: +SKIP
    >>> table[table.metric == "accuracy/test"].groupby("run").value.describe()  # doctest: +SKIP
    """
    import pandas as pd

    rows = [row for run in runs for row in _rows(Path(run))]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    protocol, metrics = read_protocol(path, FILES), read_json(path / "metrics.json")
    origin = {"protocol": protocol.name, "run": path.resolve().name}
    for metric, found in _leaves("", metrics):
        for key in (key for key in found if key.endswith(PER_SEED)):
            name = metric if key == PER_SEED else f"{metric}/{key.removesuffix(f'_{PER_SEED}')}"
            summary = found if key == PER_SEED else {}
            if len(found[key]) != len(protocol.seed_list):
                raise ProtocolFault([f"{path}: damaged run: {metric} has {len(found[key])} values in {key}"])
            for seed, value in zip(protocol.seed_list, found[key], strict=True):
                own = origin | {"metric": name, "seed": seed, "unit": summary.get("unit") or None}
                yield from (own | row for row in _points(value, found, summary))


def _points(value: Any, found: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A value with its statistics over seeds; one for each evaluation where it is a list."""
    if not isinstance(value, list):
        low, high = summary.get("ci95") or (None, None)
        statistics = {key: summary.get(key) for key in ("mean", "sd", "n")}
        yield statistics | {"value": value, "ci95_low": low, "ci95_high": high}
        return
    nothing = [None] * len(value)
    means, intervals = summary.get("mean", nothing), summary.get("ci95", nothing)
    for after, own, mean, interval in zip(found["presentations"], value, means, intervals, strict=True):
        low, high = interval or (None, None)
        yield {"presentations": after, "value": own, "mean": mean, "ci95_low": low, "ci95_high": high}


def _leaves(path: str, metrics: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Mappings that hold values, by path; one may stand in another, as the AUC in a separation."""
    for key, found in metrics.items():
        if isinstance(found, Mapping):
            yield f"{path}{key}", found
            yield from _leaves(f"{path}{key}/", found)
