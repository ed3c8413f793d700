"""Definitions from the command line: a section's defaults with overrides such as ``detection.threshold=4``."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from protocols.loading.loader import parse_override
from protocols.loading.overrides import assign
from protocols.spec.faults import ProtocolFault, faults_of
from protocols.spec.section import Section

AnySection = TypeVar("AnySection", bound=Section)


def overridden(section: AnySection, overrides: Sequence[str]) -> AnySection:
    """A copy of the section with the values that ``--set`` gives.

    Raises
    ------
    ProtocolFault
        If a path does not exist, or its new value is not allowed.
    """
    content = section.model_dump(mode="json")
    for override in overrides:
        path, value = parse_override(override)
        *above, last = path.split(".")
        if last == "rule" and above:  # another rule has other parameters
            assign(content, above, {"rule": value}, path)
        else:
            assign(content, [*above, last], value, path)
    try:
        return type(section).model_validate(content)
    except ValidationError as error:
        raise ProtocolFault(faults_of(error, type(section))) from None
