"""What the page of every run holds: the question, the numbers beside published ones, the provenance."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure
from pydantic import BaseModel

from figures.html.blocks import Block, Picture, Section, Table, Text
from figures.runs import repeat
from figures.runs.run import RunData
from figures.runs.study_parts import labelled
from figures.style import plt
from protocols.runs.run_directory import resolved

NO_BREAK = "\N{NO-BREAK SPACE}"
ASKED, RESULT, PROVENANCE = "What was asked", "Result", "Provenance"


def asked(run: RunData, *blocks: Block) -> Section:
    """Title, citation, what else says what was asked, and the whole protocol."""
    n, first = len(run.seeds), run.seeds[0]
    facts = [
        ("protocol", run.protocol.name),
        ("title", run.protocol.title),
        ("source", run.protocol.citation),
        ("seeds", f"{n}, from {first}" if n > 1 else f"{first}"),
    ]
    protocol = Text(resolved(run.protocol), lines=True, folded="The protocol with every value")
    return Section(ASKED, [Table(("", ""), facts), *blocks, protocol])


def methods(specs: Mapping[str, BaseModel]) -> Table:
    """Methods of pre-training, with the settings that are not defaults."""
    rows = []
    for name, spec in specs.items():
        given = spec.model_dump(mode="json", exclude_defaults=True)
        rows.append((name, ", ".join(f"{key} {value}" for key, value in given.items() if value)))
    return Table(("method of pre-training", "settings"), rows)


def picture(figure: Figure, alt: str) -> Picture:
    """A figure as a picture in the page; the figure is closed."""
    png = BytesIO()
    figure.savefig(png, format="png", dpi=140)
    plt.close(figure)
    return Picture(png.getvalue(), alt)


def result(run: RunData, names: Iterable[str], *blocks: Block) -> Section:
    """Metrics beside published values, or by `names` if nothing was published; behind a summary, all metrics."""
    rows = [_compared(row) for row in run.metrics["targets"]]
    first = (
        Table(("quantity", "here", "published", "of", "verdict"), rows, note=VERDICT)
        if rows
        else Table(("quantity", "here"), list(headline(run, names).items()))
    )
    everything = [
        (labelled(name, str(found.get("unit") or "")), spelled(found), str(found.get("definition", "")))
        for name, found in measured(run)
    ]
    every = Table(("quantity", "mean ± sd [95 % interval]", "definition"), everything, folded="All metrics")
    return Section(RESULT, [first, *blocks, every])


VERDICT = (
    "Mean ± standard deviation, n cultures, networks or simulations. A value agrees if its mean lies within one "
    "published standard deviation of the published mean."
)


def _compared(row: Mapping[str, Any]) -> tuple[str, ...]:
    quantity = labelled(row["quantity"], row["unit"])
    return (quantity, spelled(row["measured"]), spelled(row["published"]), row["subject"], row["verdict"])


def measured(run: RunData) -> list[tuple[str, Mapping[str, Any]]]:
    """Metrics that have a mean over seeds."""
    return [
        (name, found)
        for name, found in run.metrics.items()
        if isinstance(found, dict) and isinstance(found.get("mean"), int | float)
    ]


def headline(run: RunData, names: Iterable[str]) -> dict[str, str]:
    """Metrics for a comparison, spelled with their units."""
    known = dict(measured(run))
    found = {name: known[name] for name in names if name in known}
    return {labelled(name, str(value.get("unit") or "")): spelled(value) for name, value in found.items()}


def spelled(value: Mapping[str, Any]) -> str:
    """Mean, standard deviation, interval and number as text, as far as they are known; it breaks between them only."""
    if value.get("mean") is None:
        return "-"
    sd, interval, n = value.get("sd"), value.get("ci95"), value.get("n")
    mean = f"{value['mean']:.4g}" + ("" if sd is None else f" ± {sd:.2g}")
    within = f" [{interval[0]:.4g},{NO_BREAK}{interval[1]:.4g}]" if interval else ""
    return (
        mean.replace(" ", NO_BREAK)
        + within
        + ("" if n is None else f", n = {n}".replace(" = ", f"{NO_BREAK}={NO_BREAK}"))
    )


def provenance(run: RunData) -> Section:
    """Code, packages, machine, data, and the command that repeats the run."""
    builtin, facts = repeat.command(run), run.provenance
    lines = [("repeat it", builtin)] if builtin else []
    lines.append(("repeat it from its directory", repeat.of_file(run)))
    lines.append(("run", run.path.resolve().name))
    return Section(PROVENANCE, [Table(("", ""), [*lines, *flat(facts)])])


#: keys of provenance that a reader need not know
SAID = {"dirty": "with uncommitted changes"}


def flat(facts: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Nested facts as lines: ``code, commit``."""
    found: list[tuple[str, str]] = []
    for key, value in facts.items():
        said = SAID.get(str(key), str(key))
        name = f"{path}, {said}" if path else said
        if isinstance(value, Mapping):
            found += flat(value, name)
        else:
            found.append((name, ", ".join(map(str, value)) if isinstance(value, list) else _said(value)))
    return found


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "") else "unknown"


def culture_name(run: RunData) -> str:
    """The culture whose spikes are shown, of how many."""
    n = len(run.seeds)
    return f"culture {run.seeds[0]}" + (f", the first of {n}" if n > 1 else "")


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in a row, the rest counted."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
