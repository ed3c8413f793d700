"""The ``reservoir.patterns:`` section: sets of electrodes that are stimulated, and the class of each."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WrapSerializer

from protocols.spec.data import Label
from protocols.spec.evoked import Name
from protocols.spec.section import Section, ToldByKey
from protocols.spec.stimuli import Electrodes

Place = Annotated[int, Field(ge=0, le=1000, strict=True)]
Stride = Annotated[int, Field(ge=1, le=100, strict=True)]
Shift = Annotated[int, Field(ge=-100, le=100, strict=True)]


def _none_for_all(given: Any) -> Any:
    return None if given == "all" else given


#: places of electrodes, or ``all`` (None in Python)
AllOrSome = Annotated[
    Electrodes | None,
    BeforeValidator(_none_for_all),
    WrapSerializer(lambda places, written: "all" if places is None else written(places)),
]


class Positions(Section):
    """Which electrode is stimulated? One class for each.

    Parameters
    ----------
    positions
        (row, column) pairs, or a drawing of the array; ``all`` electrodes.
    """

    positions: AllOrSome


class Grid(Section):
    """Where a pattern of points in rows and columns lies on the array.

    Parameters
    ----------
    row, column
        Electrode of its top-left point; null: in the middle.
    stride
        Electrodes from one point to the next.
    """

    row: Place | None = None
    column: Place | None = None
    stride: Stride = 1


class Bars(Section):
    """Which orientation has the bar? Orientations are spread evenly over half a turn, the first is horizontal.

    Parameters
    ----------
    bars
        Number of orientations.
    length
        Electrodes of a bar.
    shifts
        Places of the bars: electrodes across from the middle of the array. Each is a pattern of its own.
    """

    bars: Annotated[int, Field(ge=2, le=16, strict=True)]
    length: Annotated[int, Field(ge=2, le=1000, strict=True)] = 6
    shifts: Annotated[tuple[Shift, ...], Field(min_length=1)] = (0,)


class ClockDigits(Grid):
    """Which digit is drawn? Digits have the seven segments of a clock's.

    Parameters
    ----------
    clock_digits
        The digits.
    size
        Rows (odd) and columns of a digit.
    """

    clock_digits: Annotated[tuple[Label, ...], Field(min_length=2)] = tuple(range(10))
    size: tuple[Annotated[int, Field(ge=5, le=999)], Annotated[int, Field(ge=3, le=1000)]] = (7, 4)


class Images(Grid):
    """Which class has the image? The images are those of the ``data:`` section, each is shown once.

    Parameters
    ----------
    images
        ``grey``: the current of a pixel is its intensity times the amplitude; below a tenth there is none. ``binary``:
        pixels from half of the greatest intensity on have the amplitude, the others none.
    """

    images: Literal["grey", "binary"]


class Xor(Section):
    """Is exactly one of two sets of electrodes stimulated? Neither, the first, the second, both: no line parts them.

    Parameters
    ----------
    xor
        The two sets: (row, column) pairs, or a drawing of the array each.
    """

    xor: tuple[Electrodes, Electrodes]


class OwnClasses(Section):
    """Patterns of one's own.

    Parameters
    ----------
    classes
        For each class, by name, its patterns: a list of drawings of the array, or of lists of (row, column) pairs.
    """

    classes: Annotated[dict[Name, Annotated[tuple[Electrodes, ...], Field(min_length=1)]], Field(min_length=2)]


PATTERNS = ToldByKey(
    {
        "positions": Positions,
        "bars": Bars,
        "clock_digits": ClockDigits,
        "images": Images,
        "xor": Xor,
        "classes": OwnClasses,
    },
    "no patterns",
    suffix=" patterns",
)

Patterns = Annotated[
    Annotated[Positions, Tag("positions patterns")]
    | Annotated[Bars, Tag("bars patterns")]
    | Annotated[ClockDigits, Tag("clock_digits patterns")]
    | Annotated[Images, Tag("images patterns")]
    | Annotated[Xor, Tag("xor patterns")]
    | Annotated[OwnClasses, Tag("classes patterns")],
    Discriminator(PATTERNS.tag),
    BeforeValidator(PATTERNS.known),
]
