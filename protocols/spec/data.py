"""The ``data:`` section: which images are learned, which choose, which test."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from protocols.spec.section import Section

Label = Annotated[int, Field(ge=0, le=9)]
AnyLabel = Annotated[int, Field(ge=0, le=99)]  # of the data sets with 100 classes, too


def _none_for_all(count: Any) -> Any:
    return None if count == "all" else count


def _all_for_none(count: int | None) -> int | str:
    return "all" if count is None else count


#: a number, or ``all``, which is None in Python
Amount = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_none_for_all), PlainSerializer(_all_for_none)]
#: labels, or ``all``, which is None in Python
Labels = Annotated[
    tuple[AnyLabel, ...] | None,
    BeforeValidator(_none_for_all),
    PlainSerializer(lambda labels: "all" if labels is None else labels),
]
Size = Annotated[int, Field(ge=1, le=1000)]


#: data sets, and the number of their classes
GREY = {"mnist": 10, "fashion_mnist": 10, "digits": 10}
COLOUR = {"cifar10": 10, "cifar100": 100}
CLASSES = GREY | COLOUR
SHAPES = dict.fromkeys(CLASSES, (1, 28, 28)) | {"digits": (1, 8, 8)} | dict.fromkeys(COLOUR, (3, 32, 32))


class ImageData(Section):
    """Labelled images of a published data set.

    Parameters
    ----------
    source
        A data set of `protocols.images.datasets`.
    classes
        The labels to tell apart, or ``all``; images of other labels are never learned.
    pool
        Training images are those of `classes` among the first so many of the published training set.
    validation
        Images held back for all choices: equally many of each class, evenly spread over the published training set
        beyond the pool, or over all of it where the pool is ``all``. (MNIST lies writer by writer, not at random.)
    test
        The first so many images of `classes` in the published test set. Nothing is chosen on them.
    size
        Rows and columns after resizing, bilinear with antialiasing; null for the published size.
    """

    source: Literal["mnist", "fashion_mnist", "digits", "cifar10", "cifar100"]
    classes: Labels = None
    pool: Amount = None
    validation: Annotated[int, Field(ge=1, le=10**6)]
    test: Amount = None
    size: tuple[Size, Size] | None = None

    @property
    def class_list(self) -> tuple[int, ...]:
        """The labels to tell apart."""
        return tuple(range(CLASSES[self.source])) if self.classes is None else self.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        channels, *published = SHAPES[self.source]
        height, width = self.size or published
        return channels, height, width


class Data(ImageData):
    """Grey images that an electrode array can show: classes and size are to be said."""

    source: Literal["mnist", "fashion_mnist", "digits"]
    classes: tuple[Label, ...]
    size: tuple[Size, Size]
