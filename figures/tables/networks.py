"""Accuracies of pre-trained networks beside the published ones, as Markdown and as CSV."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from figures.networks.regimes import NAMES
from figures.runs import repeat
from figures.runs.published import published, sources
from figures.runs.run import NetworkRun
from figures.tables.association import origin
from figures.tables.text import as_csv, as_markdown
from protocols.loading.published import Target

FIELDS = (
    "protocol", "run", "commit", "uncommitted_changes", "builtin_protocol", "method", "regime", "labels", "seeds",
    "top1", "top1_ci95_low", "top1_ci95_high", "top1_sd", "top5", "top5_ci95_low", "top5_ci95_high", "top5_sd",
    "validation", "published_quantity", "published", "published_sd", "published_n", "subject", "difference", "unit",
)  # fmt: skip
HEADER = ("method", "labels", "images", "ours", "published", "difference, points")
NOTES = """\
Mean over seeds [95 % bootstrap interval of that mean], at the epoch that was best on validation images. Difference:
ours minus published, in percentage points.
"""


def markdown(runs: Sequence[NetworkRun]) -> str:
    """One section per run, in the order given; one row per method and labelled fraction."""
    return "\n".join([*(_section(run) for run in runs), NOTES])


def _section(run: NetworkRun) -> str:
    n = len(run.seeds)
    facts = (f"{NAMES[run.measure]}; {n} seed{'s' * (n > 1)}", f"run {run.path.resolve().name}", command(run))
    table = as_markdown([(m, *row) for m in run.methods for row in _rows(run, m)], HEADER)
    cited = "".join(f"- published: {source}\n" for source in sources(run).values())
    return f"## {run.protocol.name}\n\n{run.protocol.title}\n\n{'; '.join(facts)}\n\n{table}{cited and chr(10)}{cited}"


def _rows(run: NetworkRun, method: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for regime in run.regimes.values():
        value, others = run.value(method, regime), published(run, method, regime)
        several = len({target.subject for target in others}) > 1
        spelled = (f"{100 * t.value:.2f}" + (f" ({t.subject})" if several else "") for t in others)
        differences = (f"{100 * (value['mean'] - t.value):+.2f}" for t in others)
        low_high = "" if value["ci95"] is None else " [{:.2f}, {:.2f}]".format(*(100 * v for v in value["ci95"]))
        ours = f"{100 * value['mean']:.2f}{low_high}"
        rows.append((regime, f"{run.n_labels(regime)}", ours, "; ".join(spelled), "; ".join(differences)))
    return rows


def command(run: NetworkRun) -> str:
    """The command that repeats the run, if it is a built-in protocol, changed at most in `seeds` and ``--quick``."""
    found = repeat.command(run)
    return f"`{found}`" if found else "not the built-in protocol"


def long_form(runs: Sequence[NetworkRun]) -> str:
    """CSV with one line per method, labelled fraction and published value (one line if there is none)."""
    rows = [
        origin(run) | row
        for run in runs
        for method in run.methods
        for regime in run.regimes.values()
        for row in _numbers(run, method, regime)
    ]
    return as_csv(rows, FIELDS)


def _numbers(run: NetworkRun, method: str, regime: str) -> list[dict[str, Any]]:
    where = f"{method}/{regime}"
    top1 = run.metrics[f"accuracy/{where}"]
    measured = {
        "method": method,
        "regime": regime,
        "labels": top1["labels"],
        "seeds": top1["n"],
        "validation": fmean(top1["validation_per_seed"]),
        "unit": top1.get("unit", ""),
    }
    means = {}
    for column, measure in (("top1", "accuracy"), ("top5", "top5")):
        if value := run.metrics.get(f"{measure}/{where}"):
            means[measure] = value["mean"]
            low, high = value["ci95"] or (None, None)
            measured |= {column: value["mean"], f"{column}_sd": value["sd"]}
            measured |= {f"{column}_ci95_low": low, f"{column}_ci95_high": high}
    others = [
        _other(target, mean) for measure, mean in means.items() for target in published(run, method, regime, measure)
    ]
    return [measured | other for other in others or [{}]]


def _other(target: Target, ours: float) -> dict[str, Any]:
    return {
        "published_quantity": target.quantity.partition("/")[0],
        "published": target.value,
        "published_sd": target.sd,
        "published_n": target.n,
        "subject": target.subject,
        "difference": ours - target.value,
    }
