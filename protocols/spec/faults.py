"""Messages for mistakes in a protocol, one line each: path, given value, allowed values."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from protocols.spec.quantity import in_unit_of

#: discriminator keys: their value selects a member of a tagged union, and thereby its other keys
TAGS = ("rule", "encoder", "pretraining", "sampler", "net", "controller")
#: bounds of a value in the context of an error
BOUNDS = {"gt", "ge", "lt", "le"}
#: with ``source``, which is not in TAGS because data sections share most keys whatever their source
ALL_TAGS = (*TAGS, "source")
#: sections whose keys are names chosen by the user
NAMED = ("methods", "stimuli", "windows", "regions", "space", "patterns", "measure", "plan")
#: tags that pydantic inserts into the location of an error although they are not keys of the file
LAYERS = {"conv", "pool", "norm", "dense"}  # a layer is identified by having a key of that name
TAG_VALUES = LAYERS | {
    *("uniform", "clustered"),
    *("dense", "sparse", "regular", "poisson", "interval", "spikes"),
    *("hebb", "oja", "hpca", "swta", "wta", "k_wta", "softhebb", "krotov_hopfield", "ica", "sparse_coding"),
    *("none", "hebbian", "vae", "forward_forward", "denoising"),
    *("resnet18", "vit", "unet"),
    *("mnist", "fashion_mnist", "digits", "cifar10", "cifar100", "image_folder", "shards", "synthetic"),
    *("shapes_with_masks", "mask_folder"),
    *("rest step", "probe step", "train step", "pair step", "loop step", "repeat step"),
    *("idle", "burst_suppression", "rate_clamp", "pong", "code", "live"),
    *("panel measure", "evoked measure", "course measure", "paired_pulse measure", "growth measure"),
    *("sttc measure", "connectivity measure", "rally measure", "burst_control measure"),
    *("max_interval", "log_isi", "coincidence", "pooled", "overlap"),
    *("random", "grid", "tpe", "cma_es", "coordinate_descent", "range", "choices"),
}


#: tags that also stand in last place, and are no keys
INNER_TAGS = {"all layers", "each layer", "rows array", "probe array", "electrode places", "probe contacts"}

#: tags below a key of NAMED; with a space, they are no names
SPACED_TAGS = {f"{kind} patterns" for kind in ("positions", "bars", "clock_digits", "images", "xor", "classes")}

#: length of a value or a key in a message, of a list of allowed words, and of what no message exceeds
MOST_VALUE, MOST_LIST, MOST_WORD, MOST_LINE = 60, 160, 150, 700


def installation(extra: str) -> str:
    """The command that installs what is missing, for messages; `extra`: one of pyproject's, or several with commas."""
    return f"pip install -c constraints.txt -e '.[{extra}]'"


class ProtocolFault(Exception):
    """The protocol or the arguments are wrong; ``lines`` holds one message per fault."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = [limited(" ".join(line.splitlines())) for line in lines]
        super().__init__("\n".join(self.lines))


def nearest(word: str, allowed: Iterable[str]) -> str:
    """A hint with the most similar allowed word, or with all of them."""
    allowed = sorted(allowed)
    match = difflib.get_close_matches(short(word), allowed, n=1, cutoff=0.6)
    return f"did you mean '{short(match[0])}'?" if match else f"allowed: {listed(allowed)}"


def short(value: object, most: int = MOST_VALUE) -> str:
    """A value as text of at most so many characters: beginning and end, if it is longer."""
    text = str(value)
    end = most // 4
    return text if len(text) <= most else f"{text[: most - end - 3]}...{text[len(text) - end :]}"


def listed(words: Iterable[str]) -> str:
    """Words with commas between them; the first ones and their number, if they are many."""
    words = [short(word) for word in words]
    for n in range(len(words), 0, -1):
        shown = ", ".join(words[:n])
        if len(shown) <= MOST_LIST or n == 1:
            return shown if n == len(words) else f"{shown}, ... ({len(words)} in all)"
    return ""


def limited(text: str) -> str:
    """A message whose words and lines are not endless: whatever it quotes may be."""
    text = re.sub(rf"\S{{{MOST_WORD + 1},}}", lambda word: short(word[0], MOST_WORD), text)
    return "\n".join(line if len(line) <= MOST_LINE else short(line, 4 * MOST_VALUE) for line in text.split("\n"))


def without_long_values(lines: Iterable[str], content: object) -> list[str]:
    """Messages in which the long texts of a file's content, keys or values, are quoted short."""
    texts = sorted({text for text in _texts(content) if len(text) > MOST_VALUE}, key=len, reverse=True)
    spellings = [(spelt, short(spelt)) for text in texts for spelt in (text, repr(text)[1:-1])]
    found = []
    for line in lines:
        for text, cut in spellings:
            line = line.replace(text, cut)
        found.append(line)
    return found


def _texts(content: object) -> Iterator[str]:
    """All keys and values of nested mappings and lists, as text."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _texts(value)
    elif isinstance(content, str | int):
        yield str(content)


def faults_of(error: ValidationError, model: type[BaseModel], content: object = None) -> list[str]:
    """One message for each validation error; `content`, what was validated, gives the names of items of a list."""
    faults = error.errors(include_url=False, include_context=True)
    lines = [_line(fault, model, content) for fault in faults]
    # A misspelt required key is reported twice, as unknown and as missing: keep the line with the hint.
    # A list with an invalid only item is also reported as too short: keep the line about the item.
    return [
        line
        for fault, line in zip(faults, lines, strict=True)
        if not (fault["type"] == "missing" and any(f"did you mean '{fault['loc'][-1]}'" in other for other in lines))
        and not (fault["type"] == "too_short" and any(_below(other["loc"], fault["loc"]) for other in faults))
    ]


def _below(location: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(location) > len(other) and location[: len(other)] == other


def _line(fault: Any, model: type[BaseModel], content: object) -> str:
    location = _without_tags(fault["loc"])
    path = ".".join(str(part) for part in location) + _item_name(location, content)
    message = fault["msg"].removeprefix("Value error, ")
    for bound in BOUNDS & fault.get("ctx", {}).keys():
        if (spelled := in_unit_of(fault["ctx"][bound], fault["input"])) is not None:
            message = f"{message.rpartition(' ')[0]} {spelled}"
    if fault["type"] == "union_tag_invalid":
        key, given, allowed = (fault["ctx"][part] for part in ("discriminator", "tag", "expected_tags"))
        return f"{path}: {key.strip(chr(39))} '{short(given)}'; allowed: {allowed}"
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key; {nearest(str(location[-1]), _keys(model, fault['loc'][:-1]))}"
    if fault["type"] == "missing":
        return f"{path}: missing"
    if fault["type"] == "union_tag_not_found":
        return f"{path}.{fault['ctx']['discriminator'].strip(chr(39))}: missing"
    given = fault["input"]
    drawn = fault["type"] == "value_error" and "\n" in str(given)  # marks of a drawing say nothing on one line
    if (
        drawn
        or isinstance(given, (dict, list, tuple))
        or (given is not None and not isinstance(given, (str, int, float)))
    ):
        shown = ""
    else:
        shown = f"{given!r} "
    if fault["type"] == "value_error":
        return f"{path}: {shown}{message}" if path else message
    return f"{path}: {shown}is not allowed: {message[0].lower()}{message[1:]}"


def _item_name(location: list[Any], content: object) -> str:
    """Name of the innermost item of a list on the way to a location, in brackets; empty if it has none."""
    found = ""
    for part in location:
        try:
            content = content[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(part, int) and isinstance(content, dict) and isinstance(content.get("name"), str):
            found = f" ({short(content['name'])})"
    return found


def _without_tags(location: tuple[Any, ...]) -> list[Any]:
    """Location of an error without union tags: pydantic puts a tag after the key of its union, never in last place."""
    pairs = enumerate(zip(("", *location), location, strict=False), start=1)
    return [
        part
        for place, (above, part) in pairs
        if part not in SPACED_TAGS
        and (above in NAMED or (part not in INNER_TAGS and (part not in TAG_VALUES or place == len(location))))
    ]


def _keys(model: type[BaseModel], location: tuple[Any, ...]) -> set[str]:
    """Keys allowed at a location of the file, found by following the type annotations."""
    types: list[Any] = [model]
    for above, part in zip(("", *location), location, strict=False):
        chosen = [kind for kind in types if _is_section(kind) and _has_tag(kind, part) and above not in NAMED]
        types = chosen or [inner for kind in types for inner in _children(kind, part)]
    return {key for kind in types if _is_section(kind) for key in kind.model_fields}


def _has_tag(kind: Any, part: Any) -> bool:
    """Whether a section is the union member with this tag."""
    tags = [field.annotation for name, field in kind.model_fields.items() if name in ALL_TAGS]
    return any(part in getattr(tag, "__args__", ()) for tag in tags) or _own_key(kind, part)


def _own_key(kind: Any, part: Any) -> bool:
    """Whether a section is the member of a union that is told by this key."""
    key = str(part).removesuffix(" step").removesuffix(" measure").removesuffix(" array")
    return key in kind.model_fields and (part in LAYERS or key != part)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _children(kind: Any, part: Any) -> list[Any]:
    """Types one level down; for a key of a mapping or an index of a list, the type itself (that of the values)."""
    field = kind.model_fields.get(part) if _is_section(kind) else None
    return [kind] if field is None else _members(field.annotation)


def _members(annotation: Any) -> list[Any]:
    """The section types inside an annotation such as ``tuple[Phase, ...]`` or ``A | B``."""
    if _is_section(annotation):
        return [annotation]
    inner = getattr(annotation, "__args__", ()) + tuple(getattr(annotation, "__metadata__", ()))
    return [member for part in inner for member in _members(part)]
