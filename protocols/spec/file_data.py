"""The ``data:`` section of images that lie in files and are decoded as they are learned."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from protocols.spec.data import Amount, Size
from protocols.spec.section import Section

Count = Annotated[int, Field(ge=1, le=10**7)]


class FileData(Section):
    """Labelled colour images in files, too many to be held in memory.

    Parameters
    ----------
    n_classes
        How many classes there are; files with more or fewer are a fault.
    validation
        Images held back from the training images for all choices: equally many of each class, evenly spread.
    per_class
        At most so many training images of each class, evenly spread over those that are not held back; or ``all``.
    test
        So many test images, equally many of each class, evenly spread; or ``all``. Nothing is chosen on them.
    size
        Rows and columns that the network sees.
    resize
        Pixels of an image's shorter side before the centre is cut out; null: as many as just hold `size`.
    augmentation
        Of training images: ``none`` (the centre, too), or ``crop_flip``: 8 to 100 % of the area, width : height
        3 : 4 to 4 : 3, resized to `size`, and every other image mirrored.
    most_corrupt
        Images that cannot be read and are left out; one more stops the run.
    workers
        Processes that decode; null: as the machine offers.
    """

    n_classes: Annotated[int, Field(ge=2, le=10**5)]
    validation: Count
    per_class: Amount = None
    test: Amount = None
    size: tuple[Size, Size]
    resize: Size | None = None
    augmentation: Literal["none", "crop_flip"] = "none"
    most_corrupt: Annotated[int, Field(ge=0, le=10**7)] = 100
    workers: Annotated[int, Field(ge=0, le=1000)] | None = None

    @field_validator("resize")
    @classmethod
    def _covers(cls, resize: int | None, info: ValidationInfo) -> int | None:
        larger = max(info.data.get("size", (0,)))
        if resize is not None and resize < larger:
            raise ValueError(f"is too small; allowed: at least {larger}, the larger of data.size")
        return resize

    @property
    def class_list(self) -> tuple[int, ...]:
        """The labels to tell apart."""
        return tuple(range(self.n_classes))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        return 3, *self.size


class FolderData(FileData):
    """Images in a folder of the user's: a folder a class, or tar shards (webdataset).

    Parameters
    ----------
    folder
        Below the data directory (`protocols.images.datasets.data_dir`), or absolute. Its layout:
        `protocols.images.listing`.
    """

    source: Literal["image_folder", "shards"]
    folder: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f]+$")]


class SyntheticData(FileData):
    """Images that are generated, as files in folders of classes, to try what is to run on images of the user's.

    Parameters
    ----------
    images, test_images
        Of each class; validation images are among the first.
    side
        Least and most pixels of a side; sides are drawn one by one.
    corrupt
        How many training images cannot be read: empty, text, or cut short.
    """

    source: Literal["synthetic"]
    images: Count
    test_images: Count
    side: tuple[Annotated[int, Field(ge=8, le=4000)], Annotated[int, Field(ge=8, le=4000)]] = (300, 500)
    corrupt: Annotated[int, Field(ge=0, le=10**7)] = 0

    @field_validator("side")
    @classmethod
    def _ascends(cls, side: tuple[int, int]) -> tuple[int, int]:
        if side[0] > side[1]:
            raise ValueError(f"{side[0]} to {side[1]}; allowed: the smaller first")
        return side

    @field_validator("corrupt")
    @classmethod
    def _are_there(cls, corrupt: int, info: ValidationInfo) -> int:
        training = info.data.get("images", 10**7) * info.data.get("n_classes", 1)
        if corrupt > training:
            raise ValueError(f"is too many; allowed: at most {training}, all training images")
        return corrupt
