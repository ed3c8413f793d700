"""Table of a recipe, drawn as text: parameter, starting value, recommended value, range that does as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from matplotlib.axes import Axes

from figures.runs.study_parts import Line
from figures.style import AFTER, GREY

#: left edge as a share of the table's width, and characters that fit at 8 points
COLUMNS = ((0.0, 46), (0.415, 19), (0.595, 17), (0.765, 28))
LINE, PADDING = 0.135, 0.085  # inches: height of a line of text, padding of a row
MUTED, RULE = "#8a8f98", "#d9dce1"
SIZE = 8.0  # points


@dataclass(frozen=True)
class Cell:
    """Text of a cell, in lines, with its colour and weight."""

    lines: list[str]
    color: str = "black"
    weight: str = "normal"


def rows(recipe: Sequence[Line], headings: Sequence[str]) -> list[list[Cell]]:
    """Cells of the table: headings, searched parameters, then fixed ones, each in the recipe's order."""
    ordered = sorted(recipe, key=lambda line: not line.searched)
    table = [[Cell(_lines(text, k), GREY, "bold") for k, text in enumerate(headings)]]
    for line in ordered:
        color = "black" if line.searched else MUTED
        changed = line.best != line.start
        texts = (line.what, line.start, line.best, line.range or ("" if line.searched else "not searched"))
        cells = [Cell(_lines(text, k), color) for k, text in enumerate(texts)]
        cells[2] = Cell(cells[2].lines, AFTER, "bold") if changed else cells[2]
        table.append(cells)
    return table


def height(table: Sequence[Sequence[Cell]]) -> float:
    """Height of the whole table in inches."""
    return sum(map(_height, table))


def draw(ax: Axes, table: Sequence[Sequence[Cell]]) -> None:
    """Draw the table into axes, with smaller text if the axes are lower than the table; a rule below each row."""
    whole = height(table)
    ax.set(xlim=(0, 1), ylim=(whole, 0))
    ax.set_axis_off()
    room = ax.get_position().height * ax.figure.get_figure(root=True).get_figheight()
    size = SIZE * min(1.0, room / whole)
    top = 0.0
    for row in table:
        for cell, (left, _) in zip(row, COLUMNS, strict=True):
            ax.text(
                left, top + _height(row) / 2, "\n".join(cell.lines), color=cell.color, weight=cell.weight,
                fontsize=size, va="center_baseline", linespacing=1.15,
            )  # fmt: skip
        top += _height(row)
        ax.axhline(top, color=GREY if row is table[0] else RULE, lw=0.8 if row is table[0] else 0.5)


def _height(row: Sequence[Cell]) -> float:
    return LINE * max(len(cell.lines) for cell in row) + PADDING


def _lines(text: str, column: int) -> list[str]:
    return wrap(text.replace("cm2", "cm²"), COLUMNS[column][1]) or [""]
