"""Code that a protocol names: who may let it run, where it is found, the hash of its source.

A network's ``network.module``, and a closed loop's ``timeline.<step>.loop.module``.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from protocols.spec.dish.loops import Code
from protocols.spec.dish.timeline import Loop, Repeat
from protocols.spec.faults import ProtocolFault, short
from protocols.spec.protocol import DishProtocol, NetworkProtocol, Protocol

MODULE, SUM = "network.module", "network.module_sha256"
#: paths that a search must not change: its trials would run code that nobody allowed
CLOSED = ("network", MODULE, SUM)
#: and last keys of such paths in a timeline
HOLDERS = ("timeline", "steps", "loop", "controller", "module", "module_sha256")


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
                if path in CLOSED or _of_loop(path):
                    whole = path.partition(".")[0]
                    raise ProtocolFault([f"search.{key}.{path}: allowed: parts of the {whole} that name no code"])
    if isinstance(protocol, NetworkProtocol) and (module := protocol.network.module) is not None:
        found = _allowed("network", module, protocol.network.module_sha256, folder, changes, allow)
        network = protocol.network.model_copy(update={"module_sha256": found})
        return protocol.model_copy(update={"network": network})
    if isinstance(protocol, DishProtocol):
        timeline = tuple(_step(step, folder, changes, allow) for step in protocol.timeline)
        return protocol.model_copy(update={"timeline": timeline}) if timeline != protocol.timeline else protocol
    return protocol


def _step(step: Any, folder: Path, changes: Mapping[str, Any], allow: bool) -> Any:
    """A step of a timeline, with the hash of the source that its controller names."""
    if isinstance(step, Repeat):
        return step.model_copy(update={"steps": tuple(_step(inner, folder, changes, allow) for inner in step.steps)})
    if not isinstance(step, Loop) or not isinstance(step.loop, Code):
        return step
    path = f"timeline.{step.name or 'loop'}.loop"
    found = _allowed(path, step.loop.module, step.loop.module_sha256, folder, changes, allow)
    return step.model_copy(update={"loop": step.loop.model_copy(update={"module_sha256": found})})


def _of_loop(path: str) -> bool:
    """Whether a path leads to the code of a controller, or to a step, a loop, or a list of steps that may hold some."""
    keys = path.split(".")
    return keys[0] == "timeline" and (keys[-1] in HOLDERS or len(keys) == 2 or keys[-2] == "steps")


def _allowed(path: str, module: str, known: str | None, folder: Path, changes: Mapping[str, Any], allow: bool) -> str:
    """The hash of a module's source, if it may run; modules in the folder can be imported from now on."""
    kind = path.partition(".")[0]
    of_user = (value for key, value in changes.items() if key.startswith(kind) and key.endswith(".module"))
    if not allow and module not in of_user:
        raise ProtocolFault(
            [
                f"{path}.module: {short(module)}: code that the file names; "
                f"allowed: with --allow-code (allow_code=True), or by --set {path}.module"
            ]
        )
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.append(place)  # last: a file in it does not take the place of a library
    found = source_hash(module, f"{path}.module")
    if known not in {None, found}:
        told = f"{path}.module_sha256"
        raise ProtocolFault(
            [f"{told}: {known}, but the source of {short(module)} is {found}; allowed: that source, or {told}=null"]
        )
    return found


def source_hash(factory: str, where: str = MODULE) -> str:
    """Hash of the source of a factory's top-level module: its file, or all Python files of its package.

    Nothing is imported. `where`: path in the protocol, for messages.

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
            [f"{where}: {short(factory)}: no module '{short(name)}'; allowed: beside the protocol or on PYTHONPATH"]
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
