"""Loading of an experiment file: YAML without surprises, ``base:``, overrides, checks."""

import re
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from protocols.loading.code import permitted
from protocols.loading.objectives import check_objectives
from protocols.loading.overrides import changed, check
from protocols.loading.published import read_targets
from protocols.loading.search_space import check_space
from protocols.spec.faults import TAGS, ProtocolFault, listed, nearest, short
from protocols.spec.protocol import EvokedProtocol, Protocol

MOST_BASES = 5
MOST_PATH = 150  # characters of a path in a message
GRID = {"rows", "columns", "pitch"}  # keys of an array that a probe has not
STDIN = "-"  # name of a protocol that is read from standard input


class _Loader(yaml.SafeLoader):
    """YAML in which ``1e-3`` is a number, ``off`` and ``2:30`` are words, and a key stands only once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{short(key)}' stands twice", node.start_mark
                )
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


def parse_override(override: str) -> tuple[str, Any]:
    """Path and value of ``path=value``, as given to ``--set``."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ProtocolFault([f"--set {short(override)}: allowed: path=value"])
    return key, parse_yaml(value, f"--set {short(key)}")


def builtin() -> dict[str, Path]:
    """The protocols that come with the project, by bare name."""
    folder = Path(str(resources.files("protocols")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def titles() -> dict[str, str]:
    """Title of each built-in protocol, by bare name."""
    return {name: str(read(name)[0].get("title", "")) for name in builtin()}


def find(name: str) -> Path:
    """The file of a protocol given by path or by bare name."""
    path = Path(name)
    try:
        if path.is_dir():
            raise ProtocolFault([f"{short(name)}: is a directory; allowed: a protocol file, or one of {_names()}"])
        if path.exists():
            return path
    except OSError as error:
        raise ProtocolFault(
            [f"{short(name)}: {error.strerror}; allowed: a protocol file, or one of {_names()}"]
        ) from None
    bare = path.name.removesuffix(".yaml")
    if bare in builtin() and name in _spellings(bare):
        return builtin()[bare]
    raise ProtocolFault([f"{short(name)}: no such protocol; {nearest(bare, builtin())}"])


def _spellings(bare: str) -> set[str]:
    """Names that a built-in protocol goes by."""
    return {bare, f"{bare}.yaml", f"protocols/{bare}.yaml"}


def _names() -> str:
    return listed(builtin())


def targets_file(name: str, targets: str) -> Path | None:
    """The file of published values of a protocol loaded by this name: beside it, or beside the built-in protocols."""
    return _beside(Path() if name == STDIN else find(name).parent, targets)


def _beside(folder: Path, name: str) -> Path | None:
    """The file of this relative name in a folder, else in that of the built-in protocols; None if there is none."""
    places = (folder, Path(str(resources.files("protocols"))))
    return next((place / name for place in places if _is_file(place / name)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _text(name: str) -> tuple[str, Path]:
    """Text of a protocol, and the path it was read from; of standard input, a path in the working directory."""
    try:
        if name == STDIN:
            given = "" if sys.stdin is None else getattr(sys.stdin, "buffer", sys.stdin).read()
            return given if isinstance(given, str) else given.decode(), Path("standard input")
        path = find(name)
        return path.read_text(encoding="utf-8"), path
    except UnicodeDecodeError:
        raise ProtocolFault([f"{_said(name)}: is not a text file; allowed: YAML in UTF-8"]) from None
    except OSError as error:
        raise ProtocolFault([f"{_said(name)}: cannot be read: {error.strerror}"]) from None


def _said(name: str) -> str:
    return "standard input" if name == STDIN else short(name, MOST_PATH)


def read(name: str, _above: tuple[str, ...] = ()) -> tuple[dict[str, Any], Path]:
    """The raw content of a protocol file, a mapping; a file with a ``base:`` says only what differs from that one.

    A base is a file beside it, or a built-in protocol by its name.
    """
    text, path = _text(name)
    said = _said(name)
    if "\0" in text:
        raise ProtocolFault([f"{said}: is not a text file; allowed: YAML in UTF-8"])
    content = parse_yaml(text, said)
    if content is None:
        raise ProtocolFault([f"{said}: is empty; allowed: a protocol"])
    if not isinstance(content, dict):
        raise ProtocolFault([f"{said}: holds a {type(content).__name__}; allowed: a mapping of keys"])
    base = content.pop("base", None)
    if base is None:
        return content, path
    if len(_above) >= MOST_BASES:
        raise ProtocolFault([f"{said}: base: '{short(base)}'; allowed: a chain of at most {MOST_BASES} files"])
    below = _base(path.parent, base) if isinstance(base, str) else None
    if below is None:
        raise ProtocolFault(
            [f"{said}: base: no such file '{short(base)}' beside {short(path.name)}, and no built-in protocol"]
        )
    return _merged(read(str(below), (*_above, name))[0], content), path


def _base(folder: Path, name: str) -> Path | None:
    """The file that a protocol builds on: one beside it, or a built-in protocol by its name."""
    beside, bare = folder / name, Path(name).name.removesuffix(".yaml")
    return beside if _is_file(beside) else builtin().get(bare if name in _spellings(bare) else "")


def _merged(base: Any, changes: Any) -> Any:
    """The base with changes laid over it, mapping by mapping; a section of another kind replaces the base's."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    if any(isinstance(changes.get(tag), str) and changes[tag] != base.get(tag) for tag in TAGS):
        return changes
    if any("probe" in one and GRID & other.keys() for one, other in ((base, changes), (changes, base))):
        return changes
    return base | {key: _merged(base.get(key), value) for key, value in changes.items()}


def load(name: str, overrides: Sequence[str] = (), *, quick: bool = False, allow_code: bool = False) -> Protocol:
    """Load and check a protocol.

    Parameters
    ----------
    name
        Path of a YAML file, the bare name of a built-in protocol, or ``-`` for standard input.
    overrides
        ``path=value`` strings as given to ``--set``; they win over the file's ``quick:`` block.
    quick
        Whether to apply that block.
    allow_code
        Whether the file may name code of its own (`network.module`); an override that names it allows it, too.

    Raises
    ------
    ProtocolFault
        With one line for every fault.
    """
    content, path = read(name)
    protocol = check(content, path.parent)
    if quick:
        if not protocol.quick:
            raise ProtocolFault([f"{_said(name)}: has no 'quick:' block; run it without --quick"])
        # first by itself: a section it replaces gets its defaults
        protocol = _changed(protocol, protocol.quick, path.parent)
    changes: dict[str, Any] = {}
    for override in overrides:
        key, value = parse_override(override)
        changes[key] = value
    if changes:
        protocol = _changed(protocol, changes, path.parent)
    _check_targets(protocol, path)
    protocol = permitted(protocol, path.parent, changes, allow_code)
    if protocol.search is not None:
        check_space(protocol)
        check_objectives(protocol)
    return protocol


def _changed(protocol: Protocol, changes: dict[str, Any], folder: Path) -> Protocol:
    try:
        return changed(protocol, changes, folder)
    except ValueError as error:  # of what its 'quick:' block holds
        raise ProtocolFault([f"quick: {str(error).splitlines()[0]}; allowed: paths and plain values"]) from None


def _check_targets(protocol: Protocol, path: Path) -> None:
    """Refuse published values that are not there."""
    quantities: set[str] = set()
    if protocol.targets is not None:
        file = _beside(path.parent, protocol.targets)
        if file is None:
            raise ProtocolFault([f"targets: no such file '{short(protocol.targets)}' beside {short(path.name)}"])
        quantities = {t.quantity for t in read_targets(file) if t.bin_ms is None and t.subject == "culture"}
    scale = protocol.evoked.calibrate_on if isinstance(protocol, EvokedProtocol) else None
    if scale is not None and scale not in quantities:
        hint = nearest(scale, quantities) if quantities else "allowed: a quantity of the 'targets:' file, none is given"
        raise ProtocolFault([f"evoked.calibrate_on: no published value '{short(scale)}'; {hint}"])
