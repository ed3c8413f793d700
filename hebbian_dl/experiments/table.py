"""Tables of results: accuracy by method and labelled fraction, beside published values."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from hebbian_dl.experiments import segmentation_summary
from protocols.results.accuracy_table import show_accuracy
from protocols.spec.retrieval import DIVIDED, metric


def show(metrics: dict[str, Any], console: Console) -> None:
    """Print accuracies, and mean average precisions where there are some, in per cent."""
    if any(path.startswith("dice/") for path in metrics):
        segmentation_summary.show(metrics, console)
        return
    if "accuracy/test" in metrics:
        show_accuracy(metrics, console)
        return
    published = {row["quantity"]: row["published"]["mean"] for row in metrics["targets"]}
    cells = [path.split("/", 2)[1:] for path in metrics if path.startswith("accuracy/")]
    methods, regimes = (list(dict.fromkeys(column)) for column in zip(*cells, strict=True))
    console.print(_accuracies(metrics, methods, regimes, published, "accuracy", "top-1"))
    if any(quantity.startswith("top5/") for quantity in published):
        console.print(_accuracies(metrics, methods, regimes, published, "top5", "top-5"))
    if left_out := metrics.get("unreadable"):
        names = ", ".join(name.encode(errors="replace").decode() for name in left_out["names"])  # may hold any bytes
        console.print(
            f"{left_out['images']} images could not be read and were left out; the column 'images' counts them: {names}"
        )
    console.print(_legend(metrics[f"accuracy/{methods[0]}/{regimes[0]}"]["n"]))
    if any(path.startswith("map/") for path in metrics):
        _show_precision(metrics, methods, regimes, published, console)


def _legend(n_seeds: int) -> str:
    """Meaning of a cell; the bootstrap interval of two values is from the smaller to the larger."""
    match n_seeds:
        case 1:
            return "1 seed: no interval"
        case 2:
            return "mean over 2 seeds [95 % interval of the mean: of two seeds, the smaller and the larger]"
    return f"mean over {n_seeds} seeds [95 % interval of the mean]"


def _accuracies(
    metrics: dict[str, Any], methods: list[str], regimes: list[str], published: dict[str, float], kind: str, name: str
) -> Table:
    """Accuracies of one kind in per cent, one row per labelled fraction."""
    table = Table("labels", "images", box=box.SIMPLE_HEAD, title=f"test accuracy ({name}), %", title_justify="left")
    compared = [m for m in methods if any(quantity.startswith(f"{kind}/{m}/") for quantity in published)]
    for method in methods:
        table.add_column(method, justify="right")
        if method in compared:
            table.add_column("published", justify="right")
    for regime in regimes:
        row = [regime, str(metrics[f"accuracy/{methods[0]}/{regime}"]["labels"])]
        for method in methods:
            path = f"{kind}/{method}/{regime}"
            row.append(_spell(metrics[path]))
            if method in compared:
                row.append(f"{100 * published[path]:.2f}" if path in published else "")
        table.add_row(*row)
    return table


def _show_precision(
    metrics: dict[str, Any], methods: list[str], regimes: list[str], published: dict[str, float], console: Console
) -> None:
    """Print mean average precisions in per cent: one block of rows per K and normalisation."""
    kinds = list(dict.fromkeys(tuple(path.split("/")[3:]) for path in metrics if path.startswith("map/")))
    table = Table("first K", "divided by", "labels", box=box.SIMPLE_HEAD, title_justify="left")
    table.title = "retrieval: mean average precision, %"
    compared = [m for m in methods if any(quantity.startswith(f"map/{m}/") for quantity in published)]
    for method in methods:
        table.add_column(method, justify="right")
        if method in compared:
            table.add_column("published", justify="right")
    for top, normalisation in kinds:
        for regime in regimes:
            paths = {method: metric(method, regime, top, normalisation) for method in methods}
            row = [str(metrics[paths[methods[0]]]["k"]), DIVIDED[normalisation], regime]
            for method, path in paths.items():
                row.append(_spell(metrics[path]))
                if method in compared:
                    row.append(f"{100 * published[path]:.2f}" if path in published else "")
            table.add_row(*row)
        table.add_section()
    console.print(table)
    value = metrics[metric(methods[0], regimes[0], *kinds[0])]
    console.print(
        f"{value['queries']} test images sought in {value['database']} training images by codes of {value['bits']} bits"
    )


def _spell(value: dict[str, Any]) -> str:
    low_high = "" if value["ci95"] is None else " [{:.2f}, {:.2f}]".format(*(100 * v for v in value["ci95"]))
    return f"{100 * value['mean']:.2f}{low_high}"
