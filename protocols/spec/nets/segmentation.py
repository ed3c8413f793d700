"""The ``segmentation:`` section: a U-Net, its pre-training without masks, and fine-tuning with few."""

from typing import Annotated, Literal

from pydantic import Field

from protocols.spec.nets.architecture import UNet
from protocols.spec.nets.descent import GradientDescent
from protocols.spec.nets.few_masks import Unlabelled
from protocols.spec.nets.masks import MaskData, Size
from protocols.spec.nets.numbers import Count, Fraction, NotNegative
from protocols.spec.nets.pretraining import HebbianPretraining, NoPretraining
from protocols.spec.network import MethodName
from protocols.spec.rules import Positive
from protocols.spec.section import Section

Flip = Literal["horizontal", "vertical", "transpose", "slices"]


class MapHebbianPretraining(HebbianPretraining):
    """Hebbian pre-training of all convolutions and transposed convolutions, or of those that the plan names.

    Parameters
    ----------
    keep_norm
        Whether, after pre-training, the weights of each neuron are scaled to the mean norm that those of its layer had
        before, and the statistics of batch normalisation are taken anew. Rules leave weights of other norms, and Adam,
        whose steps have one size, then changes larger ones more slowly.
    """

    keep_norm: bool = False


class DenoisingPretraining(GradientDescent):
    """Denoising (Vincent et al. 2008): by backprop, the network restores images to which noise was added.

    A 1 x 1 convolution on top of the decoder gives the image; fine-tuning does without it. The epoch with the lowest
    squared error on validation images is kept.

    Parameters
    ----------
    noise
        Standard deviation of the normal noise, in standard deviations of the images' channels.
    """

    pretraining: Literal["denoising"] = "denoising"
    noise: Positive = 0.5


class MapVaePretraining(GradientDescent):
    """A beta-VAE (Kingma and Welling 2013) of which the U-Net is encoder and decoder, by backprop.

    The latents are maps of the deepest level. The connections between encoder and decoder hold zeros in pre-training,
    since they would pass the image by the latents. The loss is the squared error, summed over pixels, plus `beta` times
    the Kullback-Leibler divergence; the epoch with the lowest loss on validation images is kept.

    Parameters
    ----------
    latents
        Number of latent maps.
    beta
        Weight of the Kullback-Leibler divergence.
    """

    pretraining: Literal["vae"] = "vae"
    latents: Count = 16
    beta: NotNegative = 1.0


MaskMethod = Annotated[
    NoPretraining | MapHebbianPretraining | DenoisingPretraining | MapVaePretraining, Field(discriminator="pretraining")
]


class MaskAugmentation(Section):
    """Random changes of training images, anew in every step; geometry changes the mask along with its image.

    Parameters
    ----------
    flips
        ``horizontal`` and ``vertical`` reflections, ``transpose`` of square images (with both: rotations by 90
        degrees), and of volumes the reverse order of ``slices``, each with probability 1/2.
    contrast, brightness
        Standard deviation of the factor of a channel, around 1, and of what is added to it, in standard deviations of
        the images' channels.
    """

    flips: tuple[Flip, ...] = ("horizontal", "vertical")
    contrast: NotNegative = 0.1
    brightness: NotNegative = 0.1


class MaskFinetuning(GradientDescent):
    """Supervised training of the whole U-Net on a fraction of the masks; the epoch is chosen on validation images.

    The loss is the cross-entropy of pixels plus `dice` times the soft Dice loss (Milletari et al. 2016), 1 - 2 sum p m
    / (sum p + sum m) over the pixels of a batch, averaged over the classes but the background.

    Parameters
    ----------
    epoch_images
        Smallest number of images in an epoch: fewer ones are repeated, each time augmented anew, so that small regimes
        have as many steps as larger ones. Null for each image once, or as often as fills a batch.
    dice
        Weight of the Dice loss.
    weight_decay
        L2 penalty.
    unlabelled
        Learning from the training images without masks, too; null to learn from those with masks alone.
    """

    batch: Count = 8
    optimizer: Literal["sgd", "adam"] = "adam"
    halve_at: tuple[Fraction, ...] = (0.5, 0.75)
    epoch_images: Count | None = 64
    dice: NotNegative = 1.0
    weight_decay: NotNegative = 0.0
    augmentation: MaskAugmentation = MaskAugmentation()
    unlabelled: Unlabelled | None = None


class Segmentation(Section):
    """A U-Net, pre-trained without masks by several methods, each fine-tuned on several fractions of the masks.

    Hebbian methods change all convolutions and transposed convolutions; the last one, 1 x 1, comes with fine-tuning.

    Parameters
    ----------
    network
        Sizes of the U-Net.
    patch
        Size of random crops, as `data.size`: training, also that without masks, sees one crop of each image in an
        epoch. Predictions are those of tiles of this size, which overlap by half or more and are blended. Null for
        whole images.
    batch_norm_momentum
        Weight of a new batch in the running statistics (torch's convention).
    methods
        Pre-training methods to compare, by their name in tables.
    finetuning
        Settings of the supervised training.
    regimes
        Fractions of the training images whose masks are known; each contains the smaller ones, and at least one image.
    """

    network: UNet = UNet()
    patch: Size | None = None
    batch_norm_momentum: Fraction = 0.1
    methods: Annotated[dict[MethodName, MaskMethod], Field(min_length=1)]
    finetuning: MaskFinetuning = MaskFinetuning()
    regimes: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.01, 0.02, 0.05, 0.1, 0.2, 1.0)

    def input_shape(self, data: MaskData) -> tuple[int, ...]:
        """Channels and size of what the network sees in a step: an image, a volume, or a patch."""
        return data.channels, *(self.patch or data.size)


def n_masks(fraction: float, n: int) -> int:
    """Number of masks in a regime, of `n` training images with masks."""
    return max(1, round(fraction * n))


def check_segmentation(data: MaskData, spec: Segmentation) -> None:
    """Check the image against the network, and what the methods ask for that only classifiers have.

    Raises
    ------
    ValueError
        With the path, the given value and what is allowed.
    """
    (_, *sides), depth, flips = spec.input_shape(data), spec.network.depth, spec.finetuning.augmentation.flips
    spelled = " x ".join(map(str, sides))
    if len(sides) != data.dimensions:
        raise ValueError(f"segmentation.patch: {spelled}; allowed: {data.dimensions} numbers, as data.size has")
    if any(part > whole for part, whole in zip(sides, data.size, strict=True)):
        whole = " x ".join(map(str, data.size))
        raise ValueError(f"segmentation.patch: {spelled}; allowed: at most data.size, {whole}")
    if any(side % 2**depth for side in sides):
        name = "data.size" if spec.patch is None else "segmentation.patch"
        raise ValueError(f"segmentation.network.depth: {depth}; allowed: 2^depth divides {name} of {spelled}")
    if sides[-2] != sides[-1] and "transpose" in flips:
        raise ValueError(f"segmentation.finetuning.augmentation.flips: transpose; not for {spelled} pixels")
    if data.dimensions == 2 and "slices" in flips:
        raise ValueError("segmentation.finetuning.augmentation.flips: slices; allowed: of volumes, data.size of three")
    if len(set(spec.regimes)) < len(spec.regimes):
        raise ValueError("segmentation.regimes: a fraction is listed twice")
    if 1 in {spec.finetuning.batch, spec.finetuning.at_a_time}:
        raise ValueError("segmentation.finetuning.batch: 1; allowed: at least 2, also for at_a_time")
    for name, method in spec.methods.items():
        path = f"segmentation.methods.{name}"
        match method:
            case HebbianPretraining(selection="labelled"):
                raise ValueError(f"{path}.selection: 'labelled'; allowed: last, label_free")
            case HebbianPretraining(precision="bfloat16"):
                raise ValueError(f"{path}.precision: 'bfloat16'; allowed: float32")
            case HebbianPretraining(rule=tuple()) | HebbianPretraining(learning_rate=tuple()):
                raise ValueError(
                    f"{path}: a list with an entry for each layer; allowed: one rule with a plan, one rate"
                )
        if isinstance(method, NoPretraining | HebbianPretraining) and method.whitening is not None:
            raise ValueError(f"{path}.whitening: {method.whitening:g}; allowed: null for segmentation")
