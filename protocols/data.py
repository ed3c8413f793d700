"""The ``data:`` section: which images are learned, which choose, which test."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from protocols.section import Section

Label = Annotated[int, Field(ge=0, le=9)]


def _none_for_all(count: Any) -> Any:
    return None if count == "all" else count


def _all_for_none(count: int | None) -> int | str:
    return "all" if count is None else count


#: a number, or ``all``, which is None in Python
Amount = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_none_for_all), PlainSerializer(_all_for_none)]
Size = Annotated[int, Field(ge=1, le=1000)]


class Data(Section):
    """Labelled images of a published data set, resized.

    Parameters
    ----------
    source
        A data set of `protocols.datasets`.
    classes
        The labels to tell apart; images of other labels are never learned.
    pool
        Training images are those of `classes` among the first so many of the published training set.
    validation
        Images held back for all choices: equally many of each class, evenly spread over the published training set
        beyond the pool, or over all of it where the pool is ``all``. (It lies writer by writer, not at random.)
    test
        The first so many images of `classes` in the published test set. Nothing is chosen on them.
    size
        Rows and columns after resizing, bilinear with antialiasing.
    """

    source: Literal["mnist", "fashion_mnist", "digits"]
    classes: tuple[Label, ...]
    pool: Amount = None
    validation: Annotated[int, Field(ge=1, le=10**6)]
    test: Amount = None
    size: tuple[Size, Size]
