"""The ``data:`` section for segmentation: images with masks, generated or in folders."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from protocols.spec.nets.numbers import Count
from protocols.spec.section import Section

Side = Annotated[int, Field(ge=8, le=4096, strict=True)]
#: rows and columns; of volumes slices, rows and columns
Size = Annotated[tuple[Side, ...], Field(min_length=2, max_length=3)]
Grade = Annotated[float, Field(ge=0, le=1)]
Value = Annotated[int, Field(ge=0, le=65535, strict=True)]
Kind = Literal["glands", "lesion", "vessels"]


class MaskData(Section):
    """Images with masks, which give each pixel its class; all are held in memory.

    Parameters
    ----------
    validation
        Number of held-out images with masks, on which the epoch and the threshold are chosen.
    test
        Number of test images with masks. Never used for a choice.
    size
        Rows and columns of the network's input; with three numbers, slices, rows and columns: files are then volumes,
        whose pages are their slices, and the U-Net is three-dimensional. Images and masks of other sizes are resized,
        whatever their aspect ratio: images by Pillow's bilinear filter, masks by the nearest pixel.
    channels
        Of the network's input: 3 for colour, 1 for grey.
    """

    validation: Count
    test: Count
    size: Size
    channels: Literal[1, 3] = 3

    @property
    def n_classes(self) -> int:
        """Number of classes of pixels, the background included."""
        return 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, rows and columns of an image; of a volume channels, slices, rows and columns."""
        return self.channels, *self.size

    @property
    def dimensions(self) -> int:
        """Two of images, three of volumes."""
        return len(self.size)


class ShapesData(MaskData):
    """Generated images with masks of two classes: nothing is downloaded, and the same images come back every time.

    Parameters
    ----------
    shapes
        Kinds of images or volumes, equally many of each: ``glands``, several closed contours with a dark wall and a
        bright lumen; ``lesion``, one irregular spot; ``vessels``, a tree of thin tubes.
    images
        Number of training images.
    difficulty
        Range from which the difficulty of each image is drawn, from 0 to 1. It lowers the contrast, and raises the
        variation of stain and illumination, the noise, and the number of things that look similar but are none.
    """

    source: Literal["shapes_with_masks"]
    shapes: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("glands", "lesion", "vessels")
    images: Count = 200
    difficulty: tuple[Grade, Grade] = (0.3, 0.7)

    @field_validator("difficulty")
    @classmethod
    def _ascends(cls, given: tuple[float, float]) -> tuple[float, float]:
        if given[0] > given[1]:
            raise ValueError(f"{given[0]:g} to {given[1]:g}; allowed: the smaller first")
        return given


class MaskFolder(MaskData):
    """Images and masks of one's own: ``<folder>/images/`` and ``<folder>/masks/``.

    A mask has the name of its image, whatever the suffixes of the two files, and the same size, of volumes also the
    same number of pages. Images without a mask serve pre-training only. Validation and test images are drawn at random
    from those with masks, in every run the same ones. If several images are of one patient, `group_pattern` or
    `group_table` keeps them together: validation and test then consist of whole groups, and have at least as many
    images as asked for; images without a mask of their groups are left out.

    Parameters
    ----------
    folder
        Path, absolute or below the data directory (`protocols.images.datasets.data_dir`).
    values
        Pixel values of the classes in masks; the first is the background.
    mask_suffix
        What the names of masks have after those of their images, before the dot: ``_mask`` for ``a.jpg`` and
        ``a_mask.png``.
    group_pattern
        Regular expression that finds the group in the name of an image, without its suffix: what its parentheses match,
        or all that it matches. ``^([^_]+)_``: what stands before the first underscore.
    group_table
        Instead: CSV file in the folder with the columns ``image``, the name with or without suffix, and ``group``.
    empty
        Masks that are all background: ``refuse``, since they are mostly mistakes, or ``keep``.
    """

    source: Literal["mask_folder"]
    folder: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f]+$")]
    values: Annotated[tuple[Value, ...], Field(min_length=2, max_length=100)] = (0, 255)
    mask_suffix: Annotated[str, Field(max_length=40, pattern=r"^[^\x00-\x1f/\\]*$")] = ""
    group_pattern: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    group_table: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f/\\]+$")] | None = None
    empty: Literal["refuse", "keep"] = "refuse"

    @field_validator("group_pattern")
    @classmethod
    def _compiles(cls, given: str | None) -> str | None:
        try:
            re.compile(given or "")
        except re.error as error:
            raise ValueError(f"{error}; allowed: a regular expression") from None
        return given

    @field_validator("values")
    @classmethod
    def _differ(cls, given: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(given)) < len(given):
            raise ValueError("a value stands twice; allowed: a value of its own for each class")
        return given

    @model_validator(mode="after")
    def _grouped_once(self) -> "MaskFolder":
        if self.group_pattern is not None and self.group_table is not None:
            raise ValueError("group_table: beside group_pattern; allowed: one of the two")
        return self

    @property
    def grouped(self) -> str | None:
        """What says the groups: the pattern or the table; None without groups."""
        return self.group_pattern or self.group_table

    @property
    def n_classes(self) -> int:
        """Number of classes of pixels, the background included."""
        return len(self.values)


AnyMasks = Annotated[ShapesData | MaskFolder, Field(discriminator="source")]
