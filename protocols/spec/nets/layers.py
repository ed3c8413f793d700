"""Layers of the list ``network.layers``, and the shapes of the maps after them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from protocols.spec.nets.numbers import Count
from protocols.spec.rules import Positive
from protocols.spec.section import Section, ToldByKey

Width = Annotated[int, Field(ge=0, le=1000, strict=True)]


class Convolution(Section):
    """A convolutional layer with `conv` neurons (output channels), activation included.

    Parameters
    ----------
    kernel, stride, padding
        Side of the patches, distance between them, and width of the border around the map, in pixels.
    border
        What the border holds: ``zeros``, or the map's own pixels: ``reflect``, ``replicate``, ``circular``.
    triangle
        Power of the Triangle activation, max(0, u_i - mean(u))^power with the mean over the neurons of a position
        (Coates et al. 2011; Journe et al. 2023), in place of the rule's own activation; null for the rule's.
    """

    conv: Count
    kernel: Count
    stride: Count = 1
    padding: Width = 0
    border: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    triangle: Positive | None = None


class Pooling(Section):
    """Pooling over squares of `pool` x `pool` pixels.

    Parameters
    ----------
    stride
        Distance between squares; null for squares side by side.
    padding
        Width of the border around the map, which is never the largest and counts as 0 in means.
    take
        The ``largest`` value of a square, or the ``mean``.
    """

    pool: Annotated[int, Field(ge=2, le=1000, strict=True)]
    stride: Count | None = None
    padding: Width = 0
    take: Literal["largest", "mean"] = "largest"


class Normalisation(Section):
    """Batch normalisation; ``relative`` preserves the ratios between the neurons' variances.

    With ``relative`` the output of neuron i is multiplied by sqrt(var_i / mean(var)), as in the authors' code.

    Parameters
    ----------
    affine
        Whether fine-tuning learns a scale and a shift of each channel.
    """

    norm: Literal["plain", "relative"]
    affine: bool = True


class Dense(Section):
    """A fully connected layer with `dense` neurons, activation included.

    Parameters
    ----------
    triangle
        As in a convolution.
    """

    dense: Count
    triangle: Positive | None = None


LAYERS = ToldByKey({"conv": Convolution, "pool": Pooling, "norm": Normalisation, "dense": Dense}, nothing="is no layer")
Layer = Annotated[
    Annotated[Convolution, Tag("conv")]
    | Annotated[Pooling, Tag("pool")]
    | Annotated[Normalisation, Tag("norm")]
    | Annotated[Dense, Tag("dense")],
    Discriminator(LAYERS.tag),
    BeforeValidator(LAYERS.known),
]


def map_sizes(layers: tuple[Layer, ...], channels: int, height: int, width: int) -> list[tuple[int, int, int]]:
    """Shape (neurons, rows, columns) of the feature map after each layer.

    Raises
    ------
    ValueError
        If a kernel or pooling square is larger than the feature map before it.
    """
    shapes = []
    for index, layer in enumerate(layers):
        path, most = f"network.layers.{index}", min(height, width)
        match layer:
            case Convolution(conv=neurons, kernel=kernel, stride=stride, padding=padding):
                widest = most - (layer.border == "reflect")
                if layer.border != "zeros" and padding > widest:
                    raise ValueError(
                        f"{path}.padding: {padding}; allowed: at most {widest}, with border {layer.border}"
                    )
                if kernel > most + 2 * padding:
                    raise ValueError(
                        f"{path}.kernel: {kernel}; allowed: at most {most + 2 * padding}, the map before it"
                    )
                height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
                channels = neurons
            case Pooling(pool=pool, padding=padding):
                if padding > pool // 2:
                    raise ValueError(f"{path}.padding: {padding}; allowed: at most {pool // 2}, half of pool")
                if pool > most + 2 * padding:
                    raise ValueError(f"{path}.pool: {pool}; allowed: at most {most + 2 * padding}, the map before it")
                stride = layer.stride or pool
                height, width = ((side + 2 * padding - pool) // stride + 1 for side in (height, width))
            case Dense(dense=neurons):
                channels, height, width = neurons, 1, 1
        shapes.append((channels, height, width))
    return shapes
