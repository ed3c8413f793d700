"""Read an experiment file: YAML without surprises, overrides, checks."""

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from protocols.loading.objectives import check_objectives
from protocols.loading.overrides import changed, check
from protocols.loading.published import read_targets
from protocols.loading.search_space import check_space
from protocols.spec.faults import TAGS, ProtocolFault, nearest
from protocols.spec.protocol import EvokedProtocol, Protocol

MOST_BASES = 5


class _Loader(yaml.SafeLoader):
    """YAML in which ``1e-3`` is a number, ``off`` and ``2:30`` are words, and a key stands only once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}  # PyYAML's own guesses are the surprises
for _tag, _pattern in {
    "bool": r"true|false",
    "null": r"null|~|",
    "int": r"[-+]?\d+",
    "float": r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?",
}.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), None)
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


def parse_yaml(text: str, source: str) -> Any:
    """Read YAML text; faults name `source` and the line."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (it is a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ProtocolFault([f"{source}{line}: not valid YAML: {error.problem}"]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProtocolFault([f"{source}: not valid YAML: {str(error).splitlines()[0]}"]) from None


def builtin() -> dict[str, Path]:
    """The protocols that come with the project, by bare name."""
    folder = Path(str(resources.files("protocols")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find(name: str) -> Path:
    """The file of a protocol given by path or by bare name."""
    path = Path(name)
    if path.is_dir():
        raise ProtocolFault([f"{name}: is a directory; allowed: a protocol file, or one of {', '.join(builtin())}"])
    if path.exists():
        return path
    bare = path.name.removesuffix(".yaml")
    if bare in builtin() and name in {bare, f"protocols/{bare}.yaml"}:
        return builtin()[bare]
    raise ProtocolFault([f"{name}: no such protocol; {nearest(bare, builtin())}"])


def read(name: str, _above: tuple[str, ...] = ()) -> tuple[dict[str, Any], Path]:
    """The raw content of a protocol file, a mapping; a file with a ``base:`` says only what differs from that one."""
    path = find(name)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ProtocolFault([f"{name}: is not a text file; allowed: YAML in UTF-8"]) from None
    except OSError as error:
        raise ProtocolFault([f"{name}: cannot be read: {error.strerror}"]) from None
    if "\0" in text:
        raise ProtocolFault([f"{name}: is not a text file; allowed: YAML in UTF-8"])
    content = parse_yaml(text, name)
    if content is None:
        raise ProtocolFault([f"{name}: is empty; allowed: a protocol"])
    if not isinstance(content, dict):
        raise ProtocolFault([f"{name}: holds a {type(content).__name__}; allowed: a mapping of keys"])
    base = content.pop("base", None)
    if base is None:
        return content, path
    if len(_above) >= MOST_BASES:
        raise ProtocolFault([f"{name}: base: '{base}'; allowed: a chain of at most {MOST_BASES} files"])
    below = _base(path.parent, base) if isinstance(base, str) else None
    if below is None:
        raise ProtocolFault([f"{name}: base: no such file '{base}' beside {path.name}"])
    return _merged(read(str(below), (*_above, name))[0], content), path


def _base(folder: Path, name: str) -> Path | None:
    """The file that a protocol builds on: one beside it, or a built-in protocol by its bare name."""
    beside = folder / name
    return beside if beside.is_file() else builtin().get(name)


def _merged(base: Any, changes: Any) -> Any:
    """The base with changes laid over it, mapping by mapping; a section of another kind replaces the base's."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    if any(isinstance(changes.get(tag), str) and changes[tag] != base.get(tag) for tag in TAGS):
        return changes
    return base | {key: _merged(base.get(key), value) for key, value in changes.items()}


def load(name: str, overrides: Sequence[str] = (), *, quick: bool = False) -> Protocol:
    """Load and check a protocol.

    Parameters
    ----------
    name
        Path of a YAML file, or the bare name of a built-in protocol.
    overrides
        ``path=value`` strings as given to ``--set``; they win over the file's ``quick:`` block.
    quick
        Whether to apply that block.

    Raises
    ------
    ProtocolFault
        With one line for every fault.
    """
    content, path = read(name)
    protocol = check(content)
    if quick:
        if not protocol.quick:
            raise ProtocolFault([f"{name}: has no 'quick:' block; run it without --quick"])
        protocol = _changed(protocol, protocol.quick)  # first by itself: a section it replaces gets its defaults
    changes: dict[str, Any] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise ProtocolFault([f"--set {override}: allowed: path=value"])
        changes[key] = parse_yaml(value, f"--set {key}")
    if changes:
        protocol = _changed(protocol, changes)
    _check_targets(protocol, path)
    if protocol.search is not None:
        check_space(protocol)
        check_objectives(protocol)
    return protocol


def _changed(protocol: Protocol, changes: dict[str, Any]) -> Protocol:
    try:
        return changed(protocol, changes)
    except ValueError as error:  # of what its 'quick:' block holds
        raise ProtocolFault([f"quick: {str(error).splitlines()[0]}; allowed: paths and plain values"]) from None


def _check_targets(protocol: Protocol, path: Path) -> None:
    """Refuse published values that are not there."""
    quantities: set[str] = set()
    if protocol.targets is not None:
        file = path.parent / protocol.targets
        if not file.is_file():
            raise ProtocolFault([f"targets: no such file '{protocol.targets}' beside {path.name}"])
        quantities = {t.quantity for t in read_targets(file) if t.bin_ms is None and t.subject == "culture"}
    scale = protocol.evoked.calibrate_on if isinstance(protocol, EvokedProtocol) else None
    if scale is not None and scale not in quantities:
        hint = nearest(scale, quantities) if quantities else "allowed: a quantity of the 'targets:' file, none is given"
        raise ProtocolFault([f"evoked.calibrate_on: no published value '{scale}'; {hint}"])
