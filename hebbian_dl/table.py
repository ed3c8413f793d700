"""The result as a table: accuracy by method and labelled fraction, published values beside it."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from protocols.accuracy_table import show_accuracy


def show(metrics: dict[str, Any], console: Console) -> None:
    """Print accuracies in per cent."""
    if "accuracy/test" in metrics:
        show_accuracy(metrics, console)
        return
    published = {row["quantity"]: row["published"]["mean"] for row in metrics["targets"]}
    cells = [path.split("/", 2)[1:] for path in metrics if path.startswith("accuracy/")]
    methods, regimes = (list(dict.fromkeys(column)) for column in zip(*cells, strict=True))
    table = Table("labels", "images", box=box.SIMPLE_HEAD, title="test accuracy (top-1), %", title_justify="left")
    for method in methods:
        table.add_column(method, justify="right")
        if any(quantity.startswith(f"accuracy/{method}/") for quantity in published):
            table.add_column("published", justify="right")
    for regime in regimes:
        row = [regime, str(metrics[f"accuracy/{methods[0]}/{regime}"]["labels"])]
        for method in methods:
            path = f"accuracy/{method}/{regime}"
            row.append(_spell(metrics[path]))
            if any(quantity.startswith(f"accuracy/{method}/") for quantity in published):
                row.append(f"{100 * published[path]:.2f}" if path in published else "")
        table.add_row(*row)
    console.print(table)
    if left_out := metrics.get("unreadable"):
        console.print(
            f"{left_out['images']} images could not be read and were left out: {', '.join(left_out['names'])}"
        )
    console.print(f"mean over {metrics[f'accuracy/{methods[0]}/{regimes[0]}']['n']} seeds [95 % interval of the mean]")


def _spell(value: dict[str, Any]) -> str:
    low_high = "" if value["ci95"] is None else " [{:.2f}, {:.2f}]".format(*(100 * v for v in value["ci95"]))
    return f"{100 * value['mean']:.2f}{low_high}"
