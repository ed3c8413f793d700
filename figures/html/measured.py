"""Page of a recording, real or simulated: its measures with their definitions, raster and array."""

import shlex
from collections.abc import Mapping, Sequence

from figures.html import common
from figures.html.blocks import Section, Subject, Table
from figures.html.recording import Recording
from figures.runs.study_parts import labelled

#: value, unit and definition of a measure
Measured = tuple[float, str, str]


def subject(
    name: str,
    metadata: Mapping[str, object],
    measures: Mapping[str, Measured],
    given: Recording,
    command: Sequence[str],
) -> Subject:
    """A recording with its sections.

    Parameters
    ----------
    name
        Of the recording.
    metadata
        What the file says of it.
    measures
        By name; NaN where a measure is not defined.
    given
        Its spikes.
    command
        Words of the command that repeats the page.
    """
    rows = [(key, _spelled(value), unit, definition) for key, (value, unit, definition) in measures.items()]
    sections = [
        Section(
            "What was recorded", [Table(("", ""), [("recording", name), *((k, str(v)) for k, v in metadata.items())])]
        ),
        Section(common.RESULT, [Table(("measure", "value", "unit", "definition"), rows)]),
        Section("Recording and array", [given]),
        Section(common.PROVENANCE, [Table(("", ""), [("repeat it", shlex.join(command))])]),
    ]
    headline = {labelled(key, unit): _spelled(value) for key, (value, unit, _) in measures.items()}
    return Subject(name, name, sections, headline)


def _spelled(value: float) -> str:
    return "not defined" if value != value else f"{value:.4g}"
