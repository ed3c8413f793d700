"""A point fit: the search for the parameters whose cultures are nearest to a recording (CMA-ES)."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from culture_sim.fit.measured import Recorded
from culture_sim.fit.space import as_dish
from culture_sim.run import CultureLearner
from culture_sim.search.trials import CultureTrials
from protocols.loading.published import FIELDS
from protocols.runs import cli
from protocols.search.command import Job
from protocols.spec.dish.measures import PANEL
from protocols.spec.protocol import DishProtocol, FitProtocol

TABLE = "recording.csv"


def twin_name(recorded: Recorded) -> str:
    """Name of the twin of a recording, as a protocol may have it."""
    return "twin_" + re.sub(r"[^A-Za-z0-9_]+", "_", recorded.name).strip("_")[:50]


def write_targets(path: Path, protocol: FitProtocol, recorded: Recorded, sd: np.ndarray) -> None:
    """The measures of a recording as a table of targets, with the spread between real cultures."""
    (panel,) = protocol.measure
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for name, spread in zip(protocol.fit.distance, sd, strict=True):
            row = dict.fromkeys(FIELDS, "") | {"quantity": f"{panel}/{name}", "subject": "culture", "n": 1}
            row |= {"value": f"{recorded.values[PANEL.index(name)]:.6g}", "sd": f"{spread:.6g}"}
            row |= {"unit": recorded.measures[name].unit, "source": recorded.name, "figure": "recording"}
            writer.writerow(row)


def search_protocol(protocol: FitProtocol, recorded: Recorded) -> DishProtocol:
    """The search for the twin of a recording, as a protocol."""
    named = {"name": twin_name(recorded), "title": f"A twin of {recorded.name}", "targets": TABLE}
    return as_dish(protocol, **named, search=protocol.model_dump(mode="json")["search"])


def search(
    protocol: FitProtocol, recorded: Recorded, folder: Path, options: cli.Options, console: Console, force: bool
) -> dict[str, Any] | None:
    """Search, or go on with a search; its answer, or None if another process writes it.

    Parameters
    ----------
    protocol
        Of the fit.
    recorded
        The recording, whose table of targets lies in `folder`.
    folder
        Directory of the twin, below the folder of runs.
    options
        Device and number of trials at a time.
    console
        For messages.
    force
        Put an earlier search aside.
    """
    asked = search_protocol(protocol, recorded)
    own = cli.Options(options.device, options.jobs, folder / TABLE, options.out)
    return Job(CultureLearner(), CultureTrials(), asked, own, folder / "search", console).run(force)
