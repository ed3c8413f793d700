"""Override values of a protocol by dotted path, and validate the result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from protocols.loading.probe import with_probe
from protocols.spec.faults import TAGS, ProtocolFault, faults_of, nearest, short, without_long_values
from protocols.spec.protocol import Protocol, kind_of


def check(content: Mapping[str, Any], folder: Path = Path()) -> Protocol:
    """Validate the content of a file; `folder`: where its probe file lies.

    Raises
    ------
    ProtocolFault
        With one line for every fault.
    """
    content, kind = with_probe(content, folder), kind_of(content)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ProtocolFault(without_long_values(faults_of(error, kind, content), content)) from None


def changed(protocol: Protocol, changes: Mapping[str, Any], folder: Path = Path()) -> Protocol:
    """A copy of the protocol with the values at the given paths replaced, in order; `folder`: as for `check`.

    Raises
    ------
    ProtocolFault
        If a path does not exist, or its new value is not allowed.
    """
    content = protocol.model_dump(mode="json")
    for path, value in changes.items():
        assign(content, path.split("."), value, short(path))
    return check(content, folder)


def assign(node: Any, path: list[str], value: Any, whole: str) -> None:
    """Set a value in nested mappings and lists; an item of a list is addressed by its index or its ``name``."""
    key = path[0]
    if isinstance(node, list):
        names = [str(item.get("name", i)) if isinstance(item, dict) else str(i) for i, item in enumerate(node)]
        if key not in names and not (key.isdecimal() and int(key) < len(node)):
            raise ProtocolFault([f"{whole}: no '{short(key)}'; {nearest(key, names)}"])
        index = names.index(key) if key in names else int(key)
        if len(path) == 1:
            node[index] = value
        else:
            assign(node[index], path[1:], value, whole)
        return
    if not isinstance(node, dict):
        raise ProtocolFault([f"{whole}: '{short(key)}' is below a single value, which has no keys"])
    if len(path) == 1:
        if key not in node and not set(TAGS) & node.keys():  # another member of a union may have other keys
            raise ProtocolFault([f"{whole}: no '{short(key)}'; {nearest(key, node)}"])
        node[key] = value
        return
    if key not in node:
        raise ProtocolFault([f"{whole}: no '{short(key)}'; {nearest(key, node)}"])
    assign(node[key], path[1:], value, whole)
