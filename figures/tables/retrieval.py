"""Mean average precisions of retrieval beside the published ones, as Markdown and as CSV."""

from collections.abc import Iterator, Sequence
from typing import Any

from figures.runs.run import NetworkRun
from figures.tables.association import origin
from figures.tables.networks import command
from figures.tables.text import as_csv, as_markdown
from protocols.spec.retrieval import DIVIDED, NORMALISATIONS, metric, top_name

FIELDS = (
    "protocol", "run", "commit", "uncommitted_changes", "builtin_protocol", "method", "regime", "labels", "k",
    "divided_by", "bits", "database", "queries", "seeds", "map", "map_ci95_low", "map_ci95_high", "map_sd", "chance",
    "published", "published_n", "subject", "difference", "unit",
)  # fmt: skip
HEADER = ("method", "labels", "images", "K", "divided by", "ours", "chance", "published", "difference, points")
NOTES = """\
Mean average precision, %: mean over seeds [95 % bootstrap interval of that mean]. Chance: random rankings.
Difference: ours minus published, in percentage points; the source does not state its K and divisor.
"""


def markdown(runs: Sequence[NetworkRun]) -> str:
    """One section per run; one row per method, labelled fraction, K and divisor."""
    return "\n".join([*(_section(run) for run in runs), NOTES])


def _section(run: NetworkRun) -> str:
    first = next(_numbers(run))
    facts = (
        "{queries} test images sought in {database} training images by codes of {bits} bits".format(**first),
        f"run {run.path.resolve().name}",
        command(run),
    )
    table = as_markdown(map(_row, _numbers(run)), HEADER)
    return f"## {run.protocol.name}\n\n{run.protocol.title}\n\n{'; '.join(facts)}\n\n{table}"


def _row(numbers: dict[str, Any]) -> tuple[str, ...]:
    known = numbers.get("published")
    ours = f"{100 * numbers['map']:.2f}"
    if numbers["map_ci95_low"] is not None:
        ours += f" [{100 * numbers['map_ci95_low']:.2f}, {100 * numbers['map_ci95_high']:.2f}]"
    return (
        *(numbers["method"], numbers["regime"], str(numbers["labels"]), str(numbers["k"])),
        *(DIVIDED[numbers["divided_by"]], ours, f"{100 * numbers['chance']:.2f}"),
        *(("", "") if known is None else (f"{100 * known:.2f}", f"{100 * numbers['difference']:+.2f}")),
    )


def long_form(runs: Sequence[NetworkRun]) -> str:
    """CSV with one line per method, labelled fraction, K, divisor and published value (one line if there is none)."""
    return as_csv([origin(run) | numbers for run in runs for numbers in _numbers(run)], FIELDS)


def _numbers(run: NetworkRun) -> Iterator[dict[str, Any]]:
    """Lines of the CSV for one run."""
    retrieval = run.protocol.network.retrieval
    tops = [top_name(top) for top in retrieval.at] if retrieval else []
    for method in run.methods:
        for regime in run.regimes.values():
            for top in tops:
                for normalisation in NORMALISATIONS:
                    path = metric(method, regime, top, normalisation)
                    value = run.metrics[path]
                    low, high = value["ci95"] or (None, None)
                    measured: dict[str, Any] = {"method": method, "regime": regime, "divided_by": normalisation}
                    measured |= {key: value[key] for key in ("labels", "k", "bits", "database", "queries", "chance")}
                    measured |= {"seeds": value["n"], "map": value["mean"], "map_sd": value["sd"]}
                    measured |= {"map_ci95_low": low, "map_ci95_high": high, "unit": value["unit"]}
                    others = [target for target in run.targets if target.quantity == path]
                    for target in others:
                        other = {"published": target.value, "published_n": target.n, "subject": target.subject}
                        yield measured | other | {"difference": value["mean"] - target.value}
                    if not others:
                        yield measured
