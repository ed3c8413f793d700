"""Results of association runs, one row per run, as a Markdown table and as long-form CSV."""

from collections.abc import Sequence
from typing import Any

from figures.culture.curves import spelled
from figures.runs.run import AssociationRun, RunData
from figures.tables.text import as_csv, as_markdown
from protocols.loading.loader import builtin, load
from protocols.loading.published import Target

SUBJECTS = {"culture": "twin"}  # of measured values; else the kind of learner
LOWEST = "accuracy/lowest_after_first_third"
QUANTITIES = ("accuracy/test", LOWEST, "accuracy/best_snapshot", "ceiling/activity")
FIELDS = (
    "protocol", "run", "commit", "uncommitted_changes", "builtin_protocol", "neurons", "subject", "quantity",
    "value", "ci95_low", "ci95_high", "sd", "n", "unit",
)  # fmt: skip
HEADER = (
    "protocol", "neurons", "seeds", "test images, last evaluations", "lowest evaluation after the first third",
    "snapshot best on validation", "ceiling: readout of all neurons", "published", "command",
)  # fmt: skip
NOTES = """\
Fraction of test images answered correctly: mean over seeds [95 % bootstrap interval of that mean]. The lowest
evaluation is the mean of the lowest of each seed, in brackets the lowest of all seeds. The ceiling is a logistic
regression on the spike counts of all neurons. Published values come from other authors, +- sd as published.
"""
NETWORKS = """\
"(network)": a network instead of the culture learns the same presentations, one by one; its ceiling is a logistic
regression on the features of its hidden layers.
"""
SPIKING = """\
"(spiking network)": excitatory neurons, as many inhibitory ones beside them; it learns the images without their labels,
which only name its neurons at each evaluation.
"""


def markdown(runs: Sequence[AssociationRun]) -> str:
    """One row per run, in the order given."""
    table = as_markdown(map(_row, runs), HEADER)
    kinds = {run.kind for run in runs}
    notes = (NETWORKS if "network" in kinds else "") + (SPIKING if "spiking network" in kinds else "")
    return f"{table}\n{NOTES}{notes}"


def _row(run: AssociationRun) -> tuple[str, ...]:
    metrics, package = run.metrics, "hebbian_dl.run" if run.kind == "network" else "culture_sim.run"
    return (
        run.label,
        f"{run.neurons}",
        f"{len(run.seeds)}",
        f"{spelled(metrics['accuracy/test'])} ({metrics['accuracy/test']['evaluations']} evaluations)",
        f"{spelled(metrics[LOWEST])} ({metrics[LOWEST]['lowest']:.3f})",
        spelled(metrics["accuracy/best_snapshot"]),
        spelled(metrics["ceiling/activity"]),
        "; ".join(_published(target) for target in published(run)) or "none",
        f"`python -m {package} {run.protocol.name}`" if is_builtin(run) else "not the built-in protocol",
    )


def published(run: AssociationRun) -> list[Target]:
    """Published values of the quantities in the table."""
    return [target for target in run.targets if target.bin_ms is None and target.quantity in QUANTITIES]


def _published(target: Target) -> str:
    name = {"accuracy/test": "last evaluations", "accuracy/best_snapshot": "best snapshot"}.get(target.quantity)
    sd = "" if target.sd is None else f" +- {target.sd:.3f}"
    n = "" if target.n is None else f", n={target.n}"
    return f"{name or target.quantity} {target.value:.3f}{sd} ({target.subject}{n})"


def is_builtin(run: RunData) -> bool:
    """Whether the built-in protocol of this name, without overrides, gives the run."""
    name = run.protocol.name
    return name in builtin() and load(name) == run.protocol


def long_form(runs: Sequence[AssociationRun]) -> str:
    """CSV with one line per number."""
    rows = [
        origin(run) | {"neurons": run.neurons} | value
        for run in runs
        for value in (*_measured(run), *map(_other, published(run)))
    ]
    return as_csv(rows, FIELDS)


def origin(run: RunData) -> dict[str, Any]:
    """Columns of the CSV that identify protocol, run and code."""
    code = run.provenance.get("code")
    code = code if isinstance(code, dict) else {}
    return {
        "protocol": run.protocol.name,
        "run": run.path.resolve().name,
        "commit": code.get("commit") or None,
        "uncommitted_changes": None if code.get("dirty") is None else bool(code["dirty"]),
        "builtin_protocol": is_builtin(run),
    }


def _measured(run: AssociationRun) -> list[dict[str, Any]]:
    rows = []
    for quantity in QUANTITIES:
        value = run.metrics[quantity]
        low, high = value["ci95"] or (None, None)
        shared = {"subject": SUBJECTS.get(run.kind, run.kind), "n": value["n"], "unit": value.get("unit", "")}
        spread = {"ci95_low": low, "ci95_high": high, "sd": value.get("sd")}
        rows.append({"quantity": quantity, "value": value["mean"]} | spread | shared)
        if quantity == LOWEST:
            rows.append({"quantity": f"{quantity}/of_all_seeds", "value": value["lowest"]} | shared)
    return rows


def _other(target: Target) -> dict[str, Any]:
    names = ("subject", "quantity", "value", "sd", "n", "unit")
    return {name: getattr(target, name) for name in names}
