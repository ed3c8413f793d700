"""The ``array:`` section of a culture: electrodes in rows and columns, a named layout, or the contacts of a probe.

Places are in metres: x along the columns, y along the rows; those of a probe are its file's.
"""

import statistics
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_serializer,
    model_validator,
)
from scipy.spatial import KDTree

from protocols.spec.faults import listed, short
from protocols.spec.quantity import Length, parse, spell
from protocols.spec.section import Section

PositiveLength = Annotated[Length, Field(ge=1e-9, le=1)]
ElectrodeCount = Annotated[int, Field(ge=1, le=1000)]
Index = Annotated[int, Field(ge=0, strict=True)]

#: arrays that have a name. 60-electrode MEAs of Multi Channel Systems (60MEA200): 8 x 8 without the corners, 200 um.
#: 4096 electrodes of 21 um (3Brain BioCAM): 42 um, Imfeld et al. 2008, IEEE Trans Biomed Eng 55:2064.
LAYOUTS: dict[str, dict[str, Any]] = {
    "mcs_8x8": {"rows": 8, "columns": 8, "pitch": "200 um", "corners": False},
    "hd_64x64": {"rows": 64, "columns": 64, "pitch": "42 um"},
}


class Rectangle(NamedTuple):
    """A part of the plane, in metres."""

    left: float
    top: float
    width: float
    height: float


class Array(Section):
    """Electrodes in rows and columns; by default, the culture extends half a pitch beyond the outer ones.

    In place of the mapping, the name of a layout: ``mcs_8x8``, the 60 electrodes of the MEAs of Multi Channel Systems
    (200 um, no corners), or ``hd_64x64``, the 4096 of 3Brain's BioCAM (42 um).

    Parameters
    ----------
    pitch
        Distance of neighbouring rows and columns.
    corners
        Whether there are electrodes in the four corners.
    missing
        Further places without an electrode: [row, column] pairs, which count from 0.
    """

    rows: ElectrodeCount = 6
    columns: ElectrodeCount = 10
    pitch: PositiveLength = 500e-6
    corners: bool = True
    missing: tuple[tuple[Index, Index], ...] = ()

    @model_validator(mode="after")
    def _some_are_there(self) -> Self:
        for row, column in self.missing:
            if row >= self.rows or column >= self.columns:
                raise ValueError(
                    f"missing: ({row}, {column}) lies outside the array; "
                    f"allowed: rows 0 to {self.rows - 1}, columns 0 to {self.columns - 1} (both count from 0)"
                )
        if not self.n_electrodes:
            raise ValueError("missing: all electrodes; allowed: at least one that is there")
        return self

    @cached_property
    def absent(self) -> frozenset[tuple[int, int]]:
        """(row, column) of the places without an electrode."""
        rows, columns = (0, self.rows - 1), (0, self.columns - 1)
        return frozenset(self.missing) | frozenset((r, c) for r in rows for c in columns if not self.corners)

    @property
    def n_electrodes(self) -> int:
        """Rows times columns, less the places without an electrode."""
        return self.rows * self.columns - len(self.absent)

    @cached_property
    def places(self) -> dict[tuple[int, int], int]:
        """Number of the electrode at each (row, column) that has one: from 0, row by row."""
        grid = ((row, column) for row in range(self.rows) for column in range(self.columns))
        return {place: number for number, place in enumerate(place for place in grid if place not in self.absent)}

    def numbers(self, electrodes: Sequence[Any]) -> list[int]:
        """Numbers of the electrodes at (row, column) pairs, ascending."""
        return sorted(self.places[electrode] for electrode in electrodes)

    @property
    def area(self) -> Rectangle:
        """The grid's cells of one pitch squared, those without an electrode too."""
        return Rectangle(0.0, 0.0, self.columns * self.pitch, self.rows * self.pitch)

    @property
    def bounds(self) -> Rectangle:
        """The same, whose centre is the array's."""
        return self.area


class Contact(NamedTuple):
    """Contact of a probe: its id in the file, and its place in metres."""

    id: str
    x: float
    y: float


def _read_contacts(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    contacts = []
    for line in given.splitlines():
        name, *numbers = line.rsplit(maxsplit=4)
        if len(numbers) != 4:
            raise ValueError(f"line '{short(line)}'; allowed: an id, x and y, for example 'A1 20 um 40 um'")
        x, y = (parse(" ".join(numbers[k : k + 2]), "m", "20 um") for k in (0, 2))
        contacts.append(Contact(name, x, y))
    return contacts


class ProbeFile(Section):
    """What was read from a probe file; in a protocol, the file's name stands for it.

    Parameters
    ----------
    contacts
        A line each: id, x and y, for example ``A1 20 um 40 um``.
    """

    file: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f]+$")]
    contacts: Annotated[
        tuple[Contact, ...], Field(min_length=1), BeforeValidator(_read_contacts), WithJsonSchema({"type": "string"})
    ]

    @field_serializer("contacts")
    def _written(self, contacts: tuple[Contact, ...]) -> str:
        return "".join(f"{name} {spell(x, 'm', 'u')} {spell(y, 'm', 'u')}\n" for name, x, y in contacts)


def _is_read(given: Any) -> Any:
    if isinstance(given, str):
        raise ValueError("is not read yet; allowed: in a protocol that is loaded from a file")
    return given


class ProbeArray(Section):
    """The contacts of a probe, described by a JSON file of probeinterface; read with the extra ``lab``.

    The resolved protocol holds the contacts, so that a run depends on them and not on the file. By default, the culture
    extends half the median distance of nearest contacts beyond the outer ones.

    Parameters
    ----------
    probe
        Name of the file, relative to the protocol's folder.
    """

    probe: Annotated[ProbeFile, BeforeValidator(_is_read)]

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """The contacts in the order of the file, which numbers the electrodes."""
        return self.probe.contacts

    @property
    def n_electrodes(self) -> int:
        """Number of contacts."""
        return len(self.contacts)

    def numbers(self, electrodes: Sequence[Any]) -> list[int]:
        """Numbers of the electrodes given by number (int) or contact id (str), ascending."""
        of = {contact.id: number for number, contact in enumerate(self.contacts)}
        return sorted(of[electrode] if isinstance(electrode, str) else electrode for electrode in electrodes)

    @cached_property
    def bounds(self) -> Rectangle:
        """The smallest rectangle around the contacts."""
        _, x, y = zip(*self.contacts, strict=True)
        return Rectangle(min(x), min(y), max(x) - min(x), max(y) - min(y))

    @cached_property
    def area(self) -> Rectangle:
        """The same, widened on each side by half the median distance of a contact to the nearest one.

        Raises
        ------
        ValueError
            Of a single contact.
        """
        if self.n_electrodes < 2:
            raise ValueError("area: null, with a single contact; allowed: a width and a height")
        places = [(x, y) for _, x, y in self.contacts]
        pitch = statistics.median(KDTree(places).query(places, 2)[0][:, 1].tolist())
        left, top, width, height = self.bounds
        return Rectangle(left - pitch / 2, top - pitch / 2, width + pitch, height + pitch)


def _by_name(given: Any) -> Any:
    """The layout of a name."""
    if isinstance(given, str):
        if given not in LAYOUTS:
            names = ", ".join(LAYOUTS)
            raise ValueError(
                f"is no layout; allowed: {names}, a mapping with rows, columns and pitch, or one with probe"
            )
        return LAYOUTS[given]
    return given


def _grid(given: Any) -> Any:
    if isinstance(given, Mapping) and "probe" in given:
        raise ValueError("a probe; allowed: rows, columns and pitch (a probe needs culture.model: living)")
    return _by_name(given)


def _full(array: Array) -> Array:
    if array.absent:
        places = listed(map(str, sorted(array.absent)))
        raise ValueError(f"has no electrode at {places}; allowed: a full grid (others need culture.model: living)")
    return array


#: a grid without missing electrodes, as the published model needs it
FullGrid = Annotated[Array, BeforeValidator(_grid), AfterValidator(_full)]


def _kind(given: Any) -> str:
    has_probe = isinstance(given, ProbeArray) or (isinstance(given, Mapping) and "probe" in given)
    return "probe array" if has_probe else "rows array"


AnyArray = Annotated[
    Annotated[Array, Tag("rows array")] | Annotated[ProbeArray, Tag("probe array")],
    Discriminator(_kind),
    BeforeValidator(_by_name),
]
