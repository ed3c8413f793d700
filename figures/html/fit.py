"""Figures and page of a fit: parameters with intervals, what the twin predicts, and what it cannot explain."""

from pathlib import Path

from figures.culture.fit import twin
from figures.html import common, page
from figures.html.blocks import Picture, Section, Subject, Table, Text
from figures.runs.fit import FitData, read_fit
from figures.style import save

FIGURES = {"predictive": twin.predictive, "parameters": twin.parameters}


def draw(folder: Path) -> None:
    """Draw ``predictive.png`` and ``parameters.png``, and write the page ``fit.html``, into the directory of a fit."""
    fit = read_fit(folder)
    pictures = {}
    for name, make in FIGURES.items():
        path = folder / f"{name}.png"
        save(make(fit), path)
        pictures[name] = path.read_bytes()
    page.write(folder / "fit.html", [subject(fit, pictures)])


def subject(fit: FitData, pictures: dict[str, bytes]) -> Subject:
    """The fit with its sections."""
    content = fit.content
    sections = [
        Section(common.RESULT, [Text(sentence) for sentence in content["said"]]),
        Section("Parameters", [_parameters(fit), Picture(pictures["parameters"], "Distribution of the parameters")]),
        Section(
            "What the twin predicts",
            [_predictive(fit), Picture(pictures["predictive"], "Predictive interval of each measure")],
        ),
        Section(common.PROVENANCE, [Table(("", ""), [*_facts(fit)])]),
    ]
    return Subject(content["recording"], f"A twin of {content['recording']}", sections)


def _parameters(fit: FitData) -> Table:
    posterior = fit.content["by"] == "posterior"
    interval = "90 % interval" if posterior else "trials that did as well"
    rules = fit.content.get("other_rules", [])
    rows = [
        (
            row["label"],
            "" if row["default"] is None else f"{row['default']:.3g}",
            f"{row['twin']:.3g}",
            f"{row['median']:.3g}",
            f"{row['low']:.3g} to {row['high']:.3g}",
            *(f"{row['by_rule'][rule]['low']:.3g} to {row['by_rule'][rule]['high']:.3g}" for rule in rules),
            "" if row["gain"] is None else f"{row['gain']:.2f}",
        )
        for row in fit.content["parameters"]
    ]
    note = (
        "gain: error of the prior mean over that of the posterior mean, in simulated recordings; from 2 on identified"
        + (f"; by {', '.join(rules)}: the same interval under other rules of network bursts" if rules else "")
    )
    header = ("parameter", "default", "twin", "median", interval, *(f"by {rule}" for rule in rules), "gain")
    return Table(header, rows, note=note if posterior else "")


def _predictive(fit: FitData) -> Table:
    rows = [
        (
            f"{row['measure']} ({row['unit']})" if row["unit"] else row["measure"],
            f"{row['recorded']:.3g}",
            f"{row['median']:.3g}",
            f"{row['low']:.3g} to {row['high']:.3g}",
            "inside" if row["inside"] else "outside",
        )
        for row in fit.content["predictive"]
    ]
    return Table(("measure", "recorded", "twin, median", "90 % of cultures", ""), rows)


def _facts(fit: FitData) -> list[tuple[str, str]]:
    content = fit.content
    facts = [(key, str(content[key])) for key in ("protocol", "by", "trained", "trials", "seconds") if key in content]
    metadata = [(key, str(value)) for key, value in content["metadata"].items()]
    return [*facts, *metadata, *common.flat(content["provenance"])]
