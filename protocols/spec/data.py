"""The ``data:`` section: the data set, its classes, and the training, validation and test images."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from protocols.spec.section import Section

Label = Annotated[int, Field(ge=0, le=9)]
AnyLabel = Annotated[int, Field(ge=0, le=99)]  # for data sets with up to 100 classes


def _none_for_all(count: Any) -> Any:
    return None if count == "all" else count


def _all_for_none(count: int | None) -> int | str:
    return "all" if count is None else count


#: a number of images, or ``all`` (None in Python)
Amount = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_none_for_all), PlainSerializer(_all_for_none)]
#: a list of labels, or ``all`` (None in Python)
Labels = Annotated[
    tuple[AnyLabel, ...] | None,
    BeforeValidator(_none_for_all),
    PlainSerializer(lambda labels: "all" if labels is None else labels),
]
Size = Annotated[int, Field(ge=1, le=1000)]


#: number of classes of each data set
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
        The labels to classify, or ``all``; images of other labels are never used for training.
    pool
        Training images are those of `classes` among the first `pool` images of the published training set.
    validation
        Number of held-out images for model selection: equally many of each class, evenly spread over the published
        training set beyond the pool, or over all of it if the pool is ``all``. (MNIST is ordered by writer, not at
        random.)
    test
        Number of test images: the first ones of `classes` in the published test set. Never used for model selection.
    size
        Rows and columns after resizing (bilinear, with antialiasing); null for the published size.
    """

    source: Literal["mnist", "fashion_mnist", "digits", "cifar10", "cifar100"]
    classes: Labels = None
    pool: Amount = None
    validation: Annotated[int, Field(ge=1, le=10**6)]
    test: Amount = None
    size: tuple[Size, Size] | None = None

    @property
    def class_list(self) -> tuple[int, ...]:
        """The labels to classify."""
        return tuple(range(CLASSES[self.source])) if self.classes is None else self.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        channels, *published = SHAPES[self.source]
        height, width = self.size or published
        return channels, height, width


class Data(ImageData):
    """Grey images for presentation on an electrode array: `classes` and `size` must be given."""

    source: Literal["mnist", "fashion_mnist", "digits"]
    classes: tuple[Label, ...]
    size: tuple[Size, Size]
