"""What a fit found, as tables and sentences in the terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from culture_sim.fit.amortised.calibration import IDENTIFIED


def show(content: Mapping[str, Any], console: Console) -> None:
    """Parameters with intervals, what the twin predicts, and what it cannot explain."""
    interval = "90 % interval" if content["by"] == "posterior" else "trials that did as well"
    rules = content.get("other_rules", [])
    columns = ["parameter", "default", "twin", interval, *(f"by {rule}" for rule in rules), "told"]
    table = Table(*columns, box=box.SIMPLE_HEAD, title=content["recording"])
    for row in content["parameters"]:
        told = "" if row["gain"] is None else "yes" if row["gain"] >= IDENTIFIED else "poorly"
        default = "-" if row["default"] is None else f"{row['default']:.3g}"
        intervals = [f"{of['low']:.3g} to {of['high']:.3g}" for of in (row, *(row["by_rule"][rule] for rule in rules))]
        table.add_row(row["label"], default, f"{row['twin']:.3g}", *intervals, told)
    console.print(table)
    table = Table("measure", "recorded", "twin, median", "90 % of cultures", "", box=box.SIMPLE_HEAD)
    for row in content["predictive"]:
        mark = "" if row["inside"] else "outside"
        name = f"{row['measure']} ({row['unit']})" if row["unit"] else row["measure"]
        table.add_row(
            name, f"{row['recorded']:.3g}", f"{row['median']:.3g}", f"{row['low']:.3g} to {row['high']:.3g}", mark
        )
    console.print(table)
    for sentence in content["said"]:
        console.print(sentence)


def show_comparison(found: Mapping[str, Any], console: Console) -> None:
    """A line a parameter: how the second group differs from the first."""
    first, second = found["groups"]
    title = (
        f"{second['group']} (n = {len(second['recordings'])}) less {first['group']} (n = {len(first['recordings'])})"
    )
    columns = ("parameter", "shift, share of the range", "effect, in sd between cultures", "P(greater)", "")
    table = Table(*columns, box=box.SIMPLE_HEAD, title=title)
    for row in found["parameters"]:
        table.add_row(
            row["label"],
            f"{row['shift']:+.2f} [{row['shift_low']:+.2f}, {row['shift_high']:+.2f}]",
            f"{row['effect']:+.1f} [{row['effect_low']:+.1f}, {row['effect_high']:+.1f}]",
            f"{row['greater']:.3f}",
            "differs" if row["differs"] else "",
        )
    console.print(table)
    named = [row["label"] for row in found["parameters"] if row["differs"]]
    said = f"Differs: {', '.join(named)}." if named else "No parameter differs beyond doubt."
    console.print(said + " (Posterior probability of the sign, corrected for the number of parameters: 95 % together.)")
    console.print(f"All parameters together: p = {found['p']:.2g} (permutation of the cultures).")


def show_ranking(found: Mapping[str, Any], console: Console) -> None:
    """Whether twins are nearer to recordings of their own group."""
    console.print(
        f"Twins lie {found['own']:.2f} sd from other recordings of their own {found['by']}, {found['other']:.2f} sd "
        f"from those of others; {found['nearer']} of {found['n']} are nearer to their own "
        f"(permutation test, p = {found['p']:.2g})."
    )


def show_prediction(found: Mapping[str, Any], console: Console) -> None:
    """A line a measure: what the protocol would do in the fitted culture."""
    title = f"{found['protocol']} in {found['twin']}, {found['cultures']} cultures with parameters of the fit"
    table = Table("measure", "median", "90 % of cultures", "unit", "n", box=box.SIMPLE_HEAD, title=title)
    for row in found["measures"]:
        interval = f"{row['low']:.3g} to {row['high']:.3g}"
        table.add_row(row["measure"], f"{row['median']:.3g}", interval, row["unit"], str(row["n"]))
    console.print(table)


def show_scores(found: Mapping[str, Any], console: Console) -> None:
    """How well each of two models predicts the second halves of recordings from the first ones."""
    table = Table("recording", *found["models"], "difference", box=box.SIMPLE_HEAD, title="Score, sd: less is better")
    for row in found["recordings"]:
        first, second = row["scores"]
        table.add_row(row["recording"], f"{first:.3f}", f"{second:.3f}", f"{second - first:+.3f}")
    console.print(table)
    table = Table("measure", *found["models"], "difference", box=box.SIMPLE_HEAD)
    for row in [*found["measures"], found["all"] | {"measure": "mean of all"}]:
        d = row["difference"]
        interval = f"{d['mean']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]"
        table.add_row(row["measure"], *(f"{score:.3f}" for score in row["scores"]), interval)
    console.print(table)
    console.print(found["said"])
