"""Probe files: the contacts of ``culture.array.probe``, from a JSON file of probeinterface."""

import importlib.util
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocols.spec.array import Contact
from protocols.spec.faults import ProtocolFault, installation, short
from protocols.spec.quantity import parse

PATH = "culture.array.probe"
UNITS = ("um", "mm", "m")
#: what probeinterface raises of a file that has its mark but not its content
DAMAGED = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def with_probe(content: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The content of a protocol, with what is in its probe file in place of the file's name.

    Parameters
    ----------
    content
        Of a protocol file.
    folder
        What the name is relative to.

    Raises
    ------
    ProtocolFault
        If the file cannot be read, or holds no probe of 2-D contacts.
    """
    culture = content.get("culture")
    array = culture.get("array") if isinstance(culture, Mapping) else None
    name = array.get("probe") if isinstance(array, Mapping) else None
    if not isinstance(culture, Mapping) or not isinstance(array, Mapping) or not isinstance(name, str):
        return content
    if culture.get("model") != "living":  # refused by its section
        return content
    read = {"file": name, "contacts": read_contacts(folder / name, f"{PATH}: '{short(name)}'")}
    return {**content, "culture": {**culture, "array": {**array, "probe": read}}}


def read_contacts(path: Path, said: str) -> tuple[Contact, ...]:
    """The contacts of the probe in a file, in its order; messages begin with `said`."""
    _check_kind(path, said)
    if importlib.util.find_spec("probeinterface") is None:
        raise ProtocolFault([f"{PATH}: probeinterface is not installed ({installation('lab')})"])
    from probeinterface import read_probeinterface

    try:
        probes = read_probeinterface(path).probes
    except DAMAGED as error:
        raise ProtocolFault([f"{said}: is a damaged probe file: {type(error).__name__}: {short(error)}"]) from None
    if len(probes) != 1:
        raise ProtocolFault([f"{said}: holds {len(probes)} probes; allowed: one"])
    probe = probes[0]
    if probe.ndim != 2:
        raise ProtocolFault([f"{said}: has contacts in {probe.ndim} dimensions; allowed: 2"])
    ids = [" ".join(str(name).split()) or str(number) for number, name in enumerate(probe.contact_ids)]
    places = [[_metres(value, probe.si_units, said) for value in place] for place in probe.contact_positions.tolist()]
    return tuple(Contact(name, x, y) for name, (x, y) in zip(ids, places, strict=True))


def _check_kind(path: Path, said: str) -> None:
    """Refuse a file that is not there, is not JSON, or is not probeinterface's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProtocolFault([f"{said}: no such file in {short(path.parent.resolve())}"]) from None
    except OSError as error:
        raise ProtocolFault([f"{said}: cannot be read: {error.strerror}"]) from None
    except (ValueError, RecursionError):
        raise ProtocolFault([f"{said}: is not JSON; allowed: a probe file of probeinterface"]) from None
    if not isinstance(content, dict) or content.get("specification") != "probeinterface":
        raise ProtocolFault([f"{said}: is no probe file; allowed: JSON with specification: probeinterface"])
    probes = content.get("probes")
    empty = [p for p in probes if isinstance(p, dict) and not p.get("contact_positions")] if probes else []
    if empty:  # of which probeinterface says nothing clear
        raise ProtocolFault([f"{said}: has no contacts; allowed: at least one"])


def _metres(value: float, unit: str, said: str) -> float:
    if unit not in UNITS:
        raise ProtocolFault([f"{said}: si_units '{short(unit)}'; allowed: {', '.join(UNITS)}"])
    metres = parse(f"{value!r} {unit}", "m", "20 um") if math.isfinite(value) else value
    if not abs(metres) <= 1:
        raise ProtocolFault([f"{said}: a contact at {value:g} {unit}; allowed: at most 1 m from the origin"])
    return metres
