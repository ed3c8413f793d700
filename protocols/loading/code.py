"""Code that a protocol names (``network.module``): who may let it run, where it is found, the hash of its source."""

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from protocols.spec.faults import ProtocolFault, short
from protocols.spec.protocol import NetworkProtocol, Protocol

MODULE, SUM = "network.module", "network.module_sha256"
#: paths that a search must not change: its trials would run code that nobody allowed
CLOSED = ("network", MODULE, SUM)


def permitted(protocol: Protocol, folder: Path, changes: Mapping[str, Any], allow: bool) -> Protocol:
    """The protocol with the hash of the source that it names; refuses code that the user did not ask for.

    Parameters
    ----------
    protocol
        As it is to run.
    folder
        Of the protocol file; modules in it can be imported from now on.
    changes
        Values given on the command line, by path: they come from the user, and allow the module that they name.
    allow
        Whether the user allowed code that the file names.

    Raises
    ------
    ProtocolFault
        If the code is not allowed, cannot be found, or is not that of the hash in the protocol.
    """
    if protocol.search is not None:
        for key in ("space", "trial"):
            for path in getattr(protocol.search, key):
                if path in CLOSED:
                    raise ProtocolFault([f"search.{key}.{path}: allowed: parts of the network that name no code"])
    if not isinstance(protocol, NetworkProtocol) or (module := protocol.network.module) is None:
        return protocol
    if not allow and changes.get(MODULE) != module:
        raise ProtocolFault(
            [
                f"{MODULE}: {short(module)}: code that the file names; "
                f"allowed: with --allow-code (allow_code=True), or by --set {MODULE}"
            ]
        )
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.append(place)  # last: a file in it does not take the place of a library
    found, known = source_hash(module), protocol.network.module_sha256
    if known not in {None, found}:
        raise ProtocolFault(
            [f"{SUM}: {known}, but the source of {short(module)} is {found}; allowed: that source, or {SUM}=null"]
        )
    network = protocol.network.model_copy(update={"module_sha256": found})
    return protocol.model_copy(update={"network": network})


def source_hash(factory: str) -> str:
    """Hash of the source of a factory's top-level module: its file, or all Python files of its package.

    Nothing is imported.

    Raises
    ------
    ProtocolFault
        If there is no such module.
    """
    name = factory.partition(":")[0].partition(".")[0]
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # of a module that is half imported, or has no origin
        spec = None
    if spec is None or (spec.origin is None and not spec.submodule_search_locations):
        raise ProtocolFault(
            [f"{MODULE}: {short(factory)}: no module '{short(name)}'; allowed: beside the protocol or on PYTHONPATH"]
        )
    digest = hashlib.sha256()
    for path, name in _files(spec):
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _files(spec: Any) -> Iterator[tuple[Path, str]]:
    """Files with the source of a module, and their names within it."""
    for place in spec.submodule_search_locations or ():
        root = Path(place)
        yield from ((path, path.relative_to(root).as_posix()) for path in sorted(root.rglob("*.py")))
    if not spec.submodule_search_locations and Path(spec.origin).is_file():
        yield Path(spec.origin), Path(spec.origin).name
