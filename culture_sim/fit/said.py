"""What a fit says in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from culture_sim.fit.amortised.calibration import IDENTIFIED


def depends(rows: Sequence[Mapping[str, Any]], own: str, without: Sequence[str]) -> list[str]:
    """Which parameters depend on the rule of network bursts: a median leaves the interval of another rule.

    Parameters
    ----------
    rows
        Of the parameters, with their intervals by other rules.
    own
        Rule of the panel.
    without
        Rules by which the recording lacks a measure.
    """
    found = [f"By the rule '{rule}' the recording lacks a measure of the fit." for rule in without]
    return found + [
        f"{row['label']} depends on the definition of network bursts: {_interval(row)} by {own}, "
        f"{_interval(of)} by {rule}."
        for row in rows
        for rule, of in row["by_rule"].items()
        if not (row["low"] <= of["median"] <= row["high"] and of["low"] <= row["median"] <= of["high"])
    ]


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['median']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"


def said(content: Mapping[str, Any]) -> list[str]:
    """What the fit says, a sentence each."""
    default, twin = content["distance_default"], content["distance_twin"]
    found = [
        f"Distance from the recording: {twin['mean']:.2f} sd (default culture {default['mean']:.2f} sd, "
        f"{default['mean'] / twin['mean']:.1f} times as far); "
        f"of the mean of {twin['n']} cultures {twin['of_mean']:.2f} sd "
        f"(default {default['of_mean']:.2f})."
    ]
    untold = [row["label"] for row in content["parameters"] if row["gain"] is not None and row["gain"] < IDENTIFIED]
    if untold:
        found.append(f"Told by such measures less than twice as well as by the prior: {', '.join(untold)}.")
    among = "the posterior" if content["by"] == "posterior" else "the trials that did as well"
    found += [
        f"{' and '.join(row['pair'])} stand for each other (correlation {row['correlation']:+.2f} in {among})."
        for row in content["correlated"]
    ]
    found += content.get("depends", [])
    if (rules := content.get("other_rules")) and not content["depends"]:
        found += [f"By other rules of network bursts ({', '.join(rules)}) no median leaves an interval."]
    return found + (
        list(content["words"]) or ["Every measure of the distance lies in its predictive interval of 90 %."]
    )
