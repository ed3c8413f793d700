"""Parts of a page: tables, texts, pictures and plots; each gives HTML, and the data that the page's script draws."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, Protocol

import numpy as np

#: how a series of a plot is drawn; ``thin``: a line of one seed; ``bars``: from zero, `x` being the middles of bins
Look = Literal["line", "dashed", "thin", "points", "bars"]


class Block(Protocol):
    """A part of a section."""

    def html(self, number: int) -> str:
        """HTML; `number` identifies the block's data in the page."""

    def data(self) -> dict[str, Any] | None:
        """What the script draws, to be written as JSON; None if nothing."""


@dataclass(frozen=True)
class Section:
    """A heading and the blocks below it."""

    heading: str
    blocks: list[Block]


@dataclass(frozen=True)
class Subject:
    """One run, study or recording of a page.

    Parameters
    ----------
    name
        Short, unlike that of any other subject of the page.
    title
    sections
    headline
        Values that a comparison shows side by side, spelled, by quantity.
    """

    name: str
    title: str
    sections: list[Section]
    headline: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Text:
    """A paragraph, or text in lines as they stand; behind a summary if there is one."""

    text: str
    lines: bool = False
    folded: str = ""

    def html(self, number: int) -> str:
        """The text, escaped."""
        return folded(self.folded, f"<pre>{escape(self.text)}</pre>" if self.lines else f"<p>{escape(self.text)}</p>")

    def data(self) -> None:
        """Nothing to draw."""


@dataclass(frozen=True)
class Table:
    """A table of cells that are text; the first cell of a row is its heading."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    folded: str = ""

    def html(self, number: int) -> str:
        """The table, escaped."""
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in self.header)
        body = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
            for row in self.rows
        )
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        # what scrolls sideways on a phone must be reachable by keyboard
        return folded(self.folded, f'<div class="wide" tabindex="0">{table}</div>{note}')

    def data(self) -> None:
        """Nothing to draw."""


@dataclass(frozen=True)
class Picture:
    """A PNG image, in the page itself."""

    png: bytes
    alt: str

    def html(self, number: int) -> str:
        """The image as a data URI."""
        source = base64.b64encode(self.png).decode()
        return f'<img class="paper" alt="{escape(self.alt)}" src="data:image/png;base64,{source}">'

    def data(self) -> None:
        """Nothing to draw."""


@dataclass(frozen=True)
class Series:
    """Points of a plot.

    Parameters
    ----------
    name
        In the legend; empty: none.
    x, y : shape (n,)
    color
        ``ink``, ``before``, ``after``, ``published``, or a number for one of the eight colours of the page.
    look
    low, high : shape (n,), optional
        Band or whiskers around the points.
    """

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    color: str | int = "after"
    look: Look = "line"
    low: Sequence[float] | np.ndarray | None = None
    high: Sequence[float] | np.ndarray | None = None

    def data(self) -> dict[str, Any]:
        """The series as JSON holds it."""
        points = {key: None if (v := getattr(self, key)) is None else numbers(v) for key in ("x", "y", "low", "high")}
        return {"name": self.name, "color": self.color, "look": self.look, **points}


@dataclass(frozen=True)
class Plot:
    """A plot with axes, drawn by the script.

    Parameters
    ----------
    title, x, y
        Title and labels of the axes, with units.
    series
    log_x, log_y
        Whether the axis is logarithmic.
    ticks
        Place and text of the ticks of the x axis; None: chosen by the script.
    levels
        Horizontal lines: value and name.
    note
        Below the plot.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    log_x: bool = False
    ticks: Sequence[tuple[float, str]] | None = None
    levels: Sequence[tuple[float, str]] = ()
    note: str = ""
    log_y: bool = False

    def html(self, number: int) -> str:
        """The place of the plot."""
        return placeholder("plot", number, self.title)

    def data(self) -> dict[str, Any]:
        """Series and labels."""
        return {
            "x": self.x,
            "y": self.y,
            "logX": self.log_x,
            "logY": self.log_y,
            "ticks": self.ticks,
            "levels": self.levels,
            "note": self.note,
            "series": [series.data() for series in self.series],
        }


def placeholder(kind: str, number: int, title: str) -> str:
    """The place of what the script draws."""
    caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    return f'<figure class="{kind}" data-kind="{kind}" data-number="{number}">{caption}</figure>'


def folded(summary: str, html: str) -> str:
    """HTML behind a summary, which a click opens; as it is if the summary is empty."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>" if summary else html


def numbers(values: Iterable[float] | np.ndarray) -> list[float | None]:
    """Numbers of six digits; None where there is none, as JSON has no NaN."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in map(float, np.ravel(list(values)))]


def packed(values: np.ndarray) -> dict[str, str]:
    """An array as the script unpacks it: its type (``uint8``, ``uint16``, ``float32``) and its bytes in base 64."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return {"type": values.dtype.name, "bytes": base64.b64encode(little.tobytes()).decode()}
