"""Architectures by name: a residual network, a vision transformer, a U-Net, and where one's own network comes from."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from protocols.spec.section import Section

Size = Annotated[int, Field(ge=1, le=10_000, strict=True)]
FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _known_form(given: str) -> str:
    if not FACTORY.fullmatch(given):
        raise ValueError("allowed: a module and a function in it, such as my_package.networks:build")
    return given


#: where a network of one's own comes from: a module and what in it makes the network
Factory = Annotated[str, Field(max_length=200), AfterValidator(_known_form)]
Argument = bool | int | float | str | None


class ResNet18(Section):
    """Residual network of 18 layers for images of about 32 x 32 pixels (He et al. 2016).

    The form for CIFAR: the first convolution is 3 x 3 and no pooling follows it. The features are the means of the last
    maps, 8 x `width`.

    Parameters
    ----------
    width
        Channels of the first stage; doubled in each of the other three.
    """

    net: Literal["resnet18"] = "resnet18"
    width: Size = 64


class VisionTransformer(Section):
    """Vision transformer (Dosovitskiy et al. 2021) whose projections, the attention's included, are linear layers.

    The features are the means of the last tokens. The tokens carry learnt positions; there is no class token.

    Parameters
    ----------
    patch
        Side of the square patches that become tokens, in pixels.
    width
        Values of a token, a multiple of `heads`.
    depth, heads
        Number of blocks, and of heads in the attention of each.
    expansion
        Width of the hidden layer of each block, in widths of a token.
    """

    net: Literal["vit"] = "vit"
    patch: Size = 4
    width: Size = 192
    depth: Size = 6
    heads: Size = 3
    expansion: Size = 2


class UNet(Section):
    """Convolutional encoder and decoder with connections between maps of equal size (Ronneberger et al. 2015).

    The features are the decoder's last maps, averaged over a grid of 4 x 4.

    Parameters
    ----------
    width
        Channels of the first level; doubled at each level down.
    depth
        Number of times that the maps are halved.
    """

    net: Literal["unet"] = "unet"
    width: Size = 16
    depth: Annotated[int, Field(ge=1, le=6, strict=True)] = 3


def _by_name(given: Any) -> Any:
    return {"net": given} if isinstance(given, str) else given


Architecture = Annotated[
    Annotated[ResNet18 | VisionTransformer | UNet, Field(discriminator="net")], BeforeValidator(_by_name)
]
