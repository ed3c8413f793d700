"""Console table of a run's accuracies and the published ones."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

ACCURACIES = {  # metric -> title of its row
    "accuracy/test": "test images, last {evaluations} evaluations",
    "accuracy/validation": "validation images, the same evaluations",
    "accuracy/best_snapshot": "test images, snapshot best on validation",
    "accuracy/lowest_after_first_third": "lowest evaluation after the first third",
    "accuracy/undecided": "answers tied",
    "accuracy/untrained": "before training",
    "ceiling/activity": "logistic readout of all neurons",
    "ceiling/pixels": "logistic readout of the pixels",
}


def show_accuracy(metrics: dict[str, Any], console: Console) -> None:
    """Print accuracies with intervals next to published ones, then the confusion of the classes."""
    others = list(dict.fromkeys(row["subject"] for row in metrics["targets"]))
    table = Table("fraction correct", "mean", "95 % interval", "seeds", *others, box=box.SIMPLE_HEAD)
    for path, title in ACCURACIES.items():
        value, found = metrics[path], {row["subject"]: row for row in metrics["targets"] if row["quantity"] == path}
        low_high = "" if value["ci95"] is None else f"{value['ci95'][0]:.3f} - {value['ci95'][1]:.3f}"
        published = [_published(found[other]["published"]) if other in found else "" for other in others]
        table.add_row(title.format(**value), f"{value['mean']:.3f}", low_high, f"{value['n']}", *published)
    console.print(table)
    classes, counts = metrics["confusion"]["classes"], metrics["confusion"]["counts"]
    for label, row in zip(classes, counts, strict=True):
        shares = ", ".join(f"{other}: {n / sum(row):.1%}" for other, n in zip(classes, row, strict=True))
        auc = metrics[f"separation/{label}"]["auc"]["mean"]
        console.print(f"images of {label} are answered as {shares} (AUC of its score {auc:.3f})")


def _published(value: dict[str, Any]) -> str:
    spread = "" if value["sd"] is None else f" +- {value['sd']:.3f}"
    n = "" if value["n"] is None else f" (n={value['n']})"
    return f"{value['mean']:.3f}{spread}{n}"
