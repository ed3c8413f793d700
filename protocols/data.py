"""The ``data:`` section: which images are learned, which choose, which test."""

from typing import Annotated, Literal

from pydantic import Field

from protocols.section import Section

Label = Annotated[int, Field(ge=0, le=9)]
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
        Images of `classes` held back for all choices: evenly spread over the published training set beyond the pool,
        or over all of it where the pool is ``all``. (Their order is not random: they lie writer by writer.)
    test
        The first so many images of `classes` in the published test set. Nothing is chosen on them.
    size
        Rows and columns after resizing, bilinear with antialiasing.
    """

    source: Literal["mnist", "fashion_mnist", "digits"]
    classes: Annotated[tuple[Label, ...], Field(min_length=2)]
    pool: Annotated[int, Field(ge=1)] | Literal["all"] = "all"
    validation: Annotated[int, Field(ge=1, le=10**6)]
    test: Annotated[int, Field(ge=1)] | Literal["all"] = "all"
    size: tuple[Size, Size]
