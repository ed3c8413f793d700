"""One page: the template with its style, its script, and the sections of one or several subjects."""

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from figures.html.blocks import Plot, Section, Subject, Table

SCRIPTS = ("tools.js", "plot.js", "array.js", "raster.js", "electrode.js", "recording.js", "start.js")

MOST_NAMED = 3  # subjects in the title


def write(path: Path, subjects: Sequence[Subject], overview: Section | None = None) -> None:
    """Write the page of some subjects, as `page` does; an interruption leaves no partial file at `path`."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(page(subjects, overview), encoding="utf-8")
    unfinished.rename(path)


def page(subjects: Sequence[Subject], overview: Section | None = None) -> str:
    """HTML of a page, all in one: it loads nothing, and a policy in it forbids to.

    Parameters
    ----------
    subjects
        One, or several to compare side by side: equal headings stand beside each other.
    overview
        What concerns all of them, before their own sections.
    """
    data: list[dict[str, Any] | None] = []
    headings = [*([overview.heading] if overview else []), *_headings(subjects)]
    first = _whole(overview, data) if overview else ""
    body = first + "".join(_section(heading, subjects, data) for heading in _headings(subjects))
    names = [subject.name for subject in subjects]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    title = subjects[0].title if len(names) == 1 else f"Comparison of {', '.join(names[:MOST_NAMED])}{more}"
    return template(
        title,
        body,
        data,
        SCRIPTS,
        contents="".join(f'<a href="#{_anchor(h)}">{escape(h)}</a>' for h in headings),
        summary=_comparison(subjects).html(0) if len(subjects) > 1 else "",
    )


def template(
    title: str,
    body: str,
    data: object,
    scripts: Sequence[str],
    *,
    contents: str = "",
    summary: str = "",
    talks: str = "",
) -> str:
    """HTML of a page with the look and the policy of all pages.

    Parameters
    ----------
    title
        Plain text; `body`, `contents` and `summary` are HTML.
    data
        For the scripts, as JSON.
    scripts
        Files of the folder ``template``.
    talks
        Where scripts may send requests to, in the words of a policy; nowhere by default.
    """
    style, script = _file("page.css"), "\n".join(map(_file, scripts))
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    filled = {
        "policy": policy + (f"; connect-src {talks}" if talks else ""),
        "style": style,
        "script": script,
        "title": escape(title),
        "contents": contents,
        "summary": summary,
        "body": body,
        "data": as_script(data),
    }
    before, *places = _file("page.html").split("{{")
    return before + "".join(filled[name] + text for name, _, text in (place.partition("}}") for place in places))


def as_script(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _headings(subjects: Sequence[Subject]) -> list[str]:
    """Headings of all subjects in their order; those of the longest first, so that a missing one does no harm."""
    longest_first = sorted(subjects, key=lambda subject: -len(subject.sections))
    found = list(dict.fromkeys(section.heading for subject in longest_first for section in subject.sections))
    last = [section.heading for section in subjects[0].sections[-1:]]  # provenance
    return [heading for heading in found if heading not in last] + last


def _section(heading: str, subjects: Sequence[Subject], data: list[dict[str, Any] | None]) -> str:
    parts = [(subject, section) for subject in subjects for section in subject.sections if section.heading == heading]
    articles = "".join(_article(subject, section, data, several=len(subjects) > 1) for subject, section in parts)
    side = f'<div class="side">{articles}</div>' if len(subjects) > 1 else articles
    return f'<section id="{_anchor(heading)}"><h2>{escape(heading)}</h2>{side}</section>'


def _whole(section: Section, data: list[dict[str, Any] | None]) -> str:
    blocks = ""
    for block in section.blocks:
        blocks += block.html(len(data))
        data.append(block.data())
    anchor, heading = _anchor(section.heading), escape(section.heading)
    return f'<section id="{anchor}"><h2>{heading}</h2><div class="side">{blocks}</div></section>'


def _article(subject: Subject, section: Section, data: list[dict[str, Any] | None], *, several: bool) -> str:
    html = []
    for k, block in enumerate(section.blocks):
        html.append(block.html(len(data)))
        data.append(block.data())
        if several and isinstance(block, Plot):
            data[-1] = block.data() | {"share": f"{section.heading} {k} {block.x} {block.y}"}
    who = f'<h3 class="who">{escape(subject.name)}</h3>' if several else ""
    return f"<article>{who}{''.join(html)}</article>"


def _comparison(subjects: Sequence[Subject]) -> Table:
    quantities = dict.fromkeys(quantity for subject in subjects for quantity in subject.headline)
    rows = [(q, *(subject.headline.get(q, "-") for subject in subjects)) for q in quantities]
    return Table(("quantity", *(subject.name for subject in subjects)), rows)


def _anchor(heading: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in heading.lower())


def _hash(text: str) -> str:
    """Name of an inline text in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _file(name: str) -> str:
    return resources.files("figures.html").joinpath("template", name).read_text(encoding="utf-8")
