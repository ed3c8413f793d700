"""Result tables: measured beside published values."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Column, Table

from protocols.results.accuracy_table import show_accuracy

CULTURE = "culture"  # the subject of published values that simulated cultures should agree with
GROWS = (
    "(grows: the mean increase over a culture's trials is above two standard errors; of a single trial, any increase)"
)
VERDICTS = {"agrees": "yes", "differs": "no", "calibrated": "sets scale"}


def show(metrics: dict[str, Any], console: Console) -> None:
    """Print measured beside published values."""
    if "accuracy/test" in metrics:
        show_accuracy(metrics, console)
    elif any("definition" in value for value in metrics.values() if isinstance(value, dict)):
        _show_measures(metrics, console)
    else:
        _show_evoked(metrics, console)


def _show_measures(metrics: dict[str, Any], console: Console) -> None:
    """Print every measure of a dish, beside the published value where there is one."""
    published = {row["quantity"]: row for row in metrics["targets"] if row["subject"] == CULTURE}
    beside = ("published", "agrees") if published else ()
    name = Column("measure", no_wrap=True)
    table = Table(name, "measured", "95 % interval of the mean", "unit", *beside, box=box.SIMPLE_HEAD)
    for path, value in metrics.items():
        if path == "targets":
            continue
        row = published.get(path)
        compared = (_spell(row["published"]), VERDICTS.get(row["verdict"], "")) if row else ("", "")
        interval = f"{value['ci95'][0]:.2f} to {value['ci95'][1]:.2f}" if value["ci95"] else ""
        table.add_row(path, _spell(value), interval, value["unit"], *(compared if published else ()))
    console.print(table)


def _show_evoked(metrics: dict[str, Any], console: Console) -> None:
    """Print the evoked responses, then their growth."""
    console.print(_comparison(metrics) if metrics["targets"] else _measured(metrics))
    calibration = metrics.get("calibration")
    if calibration:
        console.print(
            f"{calibration['on']} alone sets the scale (1 {calibration['from']} = {calibration['gain']:.3g} "
            f"{calibration['to']}); every other row is a prediction."
        )
    for path, growth in metrics.items():
        if path.startswith("growth/"):
            _, stimulus, window = path.split("/")
            grown = sum(growth["grows_per_seed"])
            ratios = ", ".join("-" if r is None else f"{r:.2f}" for r in growth["ratio_per_seed"])
            console.print(
                f"{stimulus} grows in {grown} of {len(growth['grows_per_seed'])} cultures "
                f"({growth['to']} / {growth['from']}, first {window}: {ratios})"
            )
    if any(path.startswith("growth/") for path in metrics):
        console.print(GROWS)


def _comparison(metrics: dict[str, Any]) -> Table:
    """One row per quantity: published values of real cultures, then those of other simulations."""
    others = list(dict.fromkeys(row["subject"] for row in metrics["targets"] if row["subject"] != CULTURE))
    table = Table("quantity", "window", "measured", "published", "agrees", *others, box=box.SIMPLE_HEAD)
    for quantity in dict.fromkeys(row["quantity"] for row in metrics["targets"]):
        rows = {row["subject"]: row for row in metrics["targets"] if row["quantity"] == quantity}
        culture = rows.get(CULTURE)
        table.add_row(
            quantity,
            _window(metrics[quantity]),
            _spell(metrics[quantity]),
            _spell(culture["published"]) if culture else "",
            VERDICTS[culture["verdict"]] if culture else "",
            *(_spell(rows[other]["published"]) if other in rows else "" for other in others),
        )
    return table


def _measured(metrics: dict[str, Any]) -> Table:
    table = Table("quantity", "window", "measured", "unit", box=box.SIMPLE_HEAD)
    for path, value in metrics.items():
        if path.startswith("evoked/") and not _repeats(path, value, metrics):
            table.add_row(path, _window(value), _spell(value), value["unit"])
    return table


def _repeats(path: str, value: dict[str, Any], metrics: dict[str, Any]) -> bool:
    """Whether a response in a named window stands already in the row of its phase, which has the same window."""
    phase, _, window = path.rpartition("/")
    return phase.count("/") == 2 and bool(window) and metrics[phase]["window_ms"] == value["window_ms"]


def _window(value: dict[str, Any]) -> str:
    first, last = value["window_ms"]
    return f"{first:g}-{last:g} ms"


def _spell(value: dict[str, Any]) -> str:
    if value["mean"] is None:
        return "not defined"
    spread = "" if value["sd"] is None else f" +- {value['sd']:.2f}"
    return f"{value['mean']:.2f}{spread} (n={value['n']})"
