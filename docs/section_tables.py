"""Hook of mkdocs: ``<!-- sections: MODULE -->`` on a line becomes a table of keys per section that the module defines.

A table says which values a key takes, in the spelling of protocol files, its default, and what it means.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import PlainSerializer

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"^<!-- sections: ([\w.]+) -->$", re.MULTILINE)
PARAMETERS = re.compile(r"^Parameters\n-+\n", re.MULTILINE)
PARAMETER = re.compile(r"^(\S.*)\n((?:(?: .*)?\n?)+)", re.MULTILINE)
DRAWN = {"electrodes", "regions"}  # keys that also take a drawing of the array
WORDS = {
    "boolean": "`true`, `false`",
    "integer": "whole number",
    "null": "`null`",
    "number": "number",
    "object": "mapping",
    "string": "text",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put tables of keys in place of the marks of a page."""
    if MARK.search(markdown) and sys.path[0] != str(ROOT):
        sys.path.insert(0, str(ROOT))  # here: mkdocs restores the path after it has loaded its hooks
    return MARK.sub(lambda mark: "\n\n".join(_tables(importlib.import_module(mark[1]))), markdown)


def _tables(module: Any) -> Iterator[str]:
    from protocols.spec.section import Section

    for name, kind in vars(module).items():
        if not (inspect.isclass(kind) and issubclass(kind, Section) and kind.__module__ == module.__name__):
            continue
        about, meanings = _docstring(kind)
        yield f"### {name}\n\n{about}"
        own = [key for key in kind.model_fields if key in inspect.get_annotations(kind)]
        if own:
            yield _table(kind, own, meanings)
        if kind.__base__ is not Section:
            base = kind.__base__.__name__
            yield f"{'Also' if own else 'It has'} the keys of [{base}](#{base.lower()})."


def _docstring(kind: type) -> tuple[str, dict[str, str]]:
    """What stands before the parameters, and what is said of each of them."""
    text = inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
    about, *rest = PARAMETERS.split(text)
    meanings = {
        name: " ".join(meaning.split()).replace("|", "\\|")
        for names, meaning in PARAMETER.findall(rest[0] if rest else "")
        for name in names.split(", ")
    }
    return about.strip(), meanings


def _properties(kind: Any, mode: Any) -> dict[str, Any]:
    """Schemas of the keys; a section that holds sections of its own kind refers to its own definition."""
    schema = kind.model_json_schema(mode=mode)
    return (schema["$defs"][kind.__name__] if "$ref" in schema else schema)["properties"]


def _table(kind: Any, keys: list[str], meanings: Mapping[str, str]) -> str:
    read, written = _properties(kind, "validation"), _properties(kind, "serialization")
    rows = ["| key | allowed | default | meaning |", "|---|---|---|---|"]
    for key in keys:
        field = kind.model_fields[key]
        quantity = _quantity(field)
        allowed = ("a drawing of the array, or " if key in DRAWN else "") + _allowed(read[key], quantity)
        if written[key].get("default") == "all":
            allowed = allowed.replace("`null`", "`all`")  # which is None in Python
        default = "required" if field.is_required() else _default(field, quantity, written[key].get("default"))
        rows.append(f"| `{key}` | {allowed} | {default} | {meanings.get(key, '')} |")
    return "\n".join(rows)


def _quantity(field: Any) -> Any:
    """What writes the quantity that a key takes, anywhere in its type; None where it takes none."""

    def parts(kind: Any) -> Iterator[Any]:
        yield from getattr(kind, "__metadata__", ())
        for argument in getattr(kind, "__args__", ()):
            yield from parts(argument)

    for part in [*field.metadata, *parts(field.annotation)]:
        if isinstance(part, PlainSerializer) and re.fullmatch(r"[\d.]+ [\w/ ]+", str(part.func(1.0))):
            return part.func
    return None


def _default(field: Any, quantity: Any, written: Any) -> str:
    if field.default_factory is not None:
        return "empty"
    if isinstance(written, Mapping):
        return "its defaults"
    if quantity is not None and isinstance(field.default, float):
        return f"`{quantity(field.default)}`"
    return f"`{_yaml(written)}`"


def _yaml(value: Any) -> str:
    """A value as it is written in a file."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def _allowed(shape: Mapping[str, Any], quantity: Any) -> str:
    """The values that a key takes, in words."""
    match shape:
        case {"$ref": reference}:
            name = reference.rsplit("/", 1)[-1]
            return f"[{name}](#{name.lower()})"
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"anyOf": several} | {"oneOf": several}:
            return ", ".join(dict.fromkeys(_allowed(one, quantity) for one in several))
        case {"type": "array", "prefixItems": items}:
            return f"[{', '.join(_allowed(item, quantity) for item in items)}]"
        case {"type": "array", "items": item}:
            return f"list of {_allowed(item, quantity)}"
        case {"type": "object", "patternProperties": {**items}}:
            return f"mapping of names to {', '.join(_allowed(item, quantity) for item in items.values())}"
        case {"type": "object", "additionalProperties": {**item}} if item:
            return f"mapping of names to {_allowed(item, quantity)}"
        case {"type": "number"} if quantity is not None:
            return f"quantity, for example in {str(quantity(1.0)).split(maxsplit=1)[1]}"
        case {"type": kind}:
            return WORDS.get(kind, kind) + _range(shape)
    return "any value"


def _range(shape: Mapping[str, Any]) -> str:
    least = next((shape[key] for key in ("minimum", "ge") if key in shape), None)
    above = next((shape[key] for key in ("exclusiveMinimum", "gt") if key in shape), None)
    most = next((shape[key] for key in ("maximum", "exclusiveMaximum", "le", "lt") if key in shape), None)
    lower = f" from {least:g}" if least is not None else f" above {above:g}" if above is not None else ""
    return lower + (f" to {most:g}" if most is not None and most < 10**5 else "")
