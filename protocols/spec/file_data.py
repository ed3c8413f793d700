"""The ``data:`` section for images in files, decoded during training."""

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
        Number of classes; the files must have exactly as many.
    validation
        Number of training images held out for model selection: equally many of each class, evenly spread.
    per_class
        Maximum number of training images of each class, evenly spread over those not held out; or ``all``.
    test
        Number of test images, equally many of each class, evenly spread; or ``all``. Never used for model selection.
    size
        Rows and columns of the network's input.
    resize
        Length in pixels of an image's shorter side before the centre crop; null for the smallest that contains `size`.
    augmentation
        Of training images: ``none``, a centre crop as for test images; ``crop_flip``, a random crop of 8 to 100 % of
        the area with a width : height of 3 : 4 to 4 : 3, resized to `size` and mirrored with probability 1/2.
    most_corrupt
        Maximum number of unreadable images, which are skipped; one more stops the run.
    workers
        Number of decoding processes; null to choose by the number of cores.
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
        """The labels to classify."""
        return tuple(range(self.n_classes))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        return 3, *self.size


class FolderData(FileData):
    """The user's own images: one folder per class (``image_folder``), or tar shards in webdataset layout (``shards``).

    Parameters
    ----------
    folder
        Path, absolute or below the data directory (`protocols.images.datasets.data_dir`). For the expected layout see
        `protocols.images.folders` and `protocols.images.shards`.
    """

    source: Literal["image_folder", "shards"]
    folder: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f]+$")]


class SyntheticData(FileData):
    """Generated image files, one folder per class, to try out a protocol before running it on real images.

    Parameters
    ----------
    images, test_images
        Number of training and test images of each class; validation images are taken from the training images.
    side
        Smallest and largest side in pixels; width and height are drawn independently.
    corrupt
        Number of unreadable training images: empty, text, or truncated.
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
