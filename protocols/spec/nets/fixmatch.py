"""The ``consistency:`` section of fine-tuning: learning from images without labels beside the labelled ones."""

from typing import Annotated, Literal

from pydantic import Field

from protocols.spec.section import Section

Weak = Literal["shift", "flip"]
Strong = Literal["geometry", "colour", "cutout"]


class Consistency(Section):
    """Equal answers for two augmentations of an image without a label (FixMatch, Sohn et al. 2020).

    The images are the training images that have no label. The class that the network, without dropout, gives a weakly
    augmented image becomes the target of the same image, strongly augmented, where its probability reaches `threshold`;
    the cross-entropy, averaged over all unlabelled images of the batch, is added to the loss of the labelled images,
    which are not augmented. Pixels are augmented, and normalised and whitened afterwards. Only for images that are held
    in memory, in one process.

    Parameters
    ----------
    weak
        Weak augmentations: ``shift``, by up to an eighth of the image; ``flip``, left to right in half of the images,
        which is wrong for digits, letters and all that has an orientation.
    strong
        Strong augmentations, after a weak one: two operations an image, of ``geometry`` (rotation, shear, shift) and
        ``colour`` (brightness, contrast, saturation, posterise, solarise, stretch); ``cutout`` of a square.
    threshold
        Smallest probability of a class that becomes a target.
    weight
        Weight of the loss on unlabelled images; 0 for fine-tuning alone.
    ratio
        Unlabelled images in a batch per labelled one; 0 for fine-tuning alone.
    """

    weak: tuple[Weak, ...] = ("shift",)
    strong: tuple[Strong, ...] = ("geometry", "colour", "cutout")
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.95
    weight: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = 1.0
    ratio: Annotated[int, Field(ge=0, le=1000, strict=True)] = 7

    @property
    def learns(self) -> bool:
        """Whether unlabelled images have any effect."""
        return self.weight > 0 and self.ratio > 0
