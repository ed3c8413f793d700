"""Vision transformer (Dosovitskiy et al. 2021) of linear layers: each projection is a module that can learn by itself.

`torch.nn.MultiheadAttention` reads the weights of its projections in place of calling them, so that no rule sees their
inputs; here queries, keys, values and outputs have a linear layer each.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from protocols.spec.nets.architecture import VisionTransformer


class Attention(nn.Module):
    """Attention of tokens to each other in several heads: softmax(q k' / sqrt(width of a head)) v.

    Parameters
    ----------
    width
        Values of a token.
    heads
        Number of heads, a divisor of `width`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Shape (n, n_tokens, width) -> the same."""
        projections = (self.query(tokens), self.key(tokens), self.value(tokens))
        q, k, v = (one.unflatten(2, (self.heads, -1)).transpose(1, 2) for one in projections)  # (n, heads, tokens, w)
        attended = functional.scaled_dot_product_attention(q, k, v)
        return cast(Tensor, self.out(attended.transpose(1, 2).flatten(2)))


class Block(nn.Module):
    """Attention, then a hidden layer for each token; both read normalised tokens and are added to them.

    Parameters
    ----------
    width, heads
        As in `Attention`.
    hidden
        Neurons of the hidden layer.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2, self.hidden, self.out = nn.LayerNorm(width), nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Shape (n, n_tokens, width) -> the same."""
        tokens = tokens + self.attention(self.norm1(tokens))
        return cast(Tensor, tokens + self.out(functional.gelu(self.hidden(self.norm2(tokens)))))


class Transformer(nn.Module):
    """Patches become tokens; blocks of attention; mean over tokens.

    Parameters
    ----------
    spec
        Its sizes.
    shape
        Channels, rows and columns of an image.
    """

    def __init__(self, spec: VisionTransformer, shape: tuple[int, int, int]) -> None:
        super().__init__()
        n_tokens = (shape[1] // spec.patch) * (shape[2] // spec.patch)
        self.embed = nn.Conv2d(shape[0], spec.width, spec.patch, spec.patch)
        self.positions = nn.Parameter(0.02 * torch.randn(n_tokens, spec.width))
        hidden = spec.width * spec.expansion
        self.blocks = nn.Sequential(*(Block(spec.width, spec.heads, hidden) for _ in range(spec.depth)))
        self.norm = nn.LayerNorm(spec.width)

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, channels, height, width) -> features (n, width)."""
        tokens = self.embed(images).flatten(2).transpose(1, 2) + self.positions
        return cast(Tensor, self.norm(self.blocks(tokens)).mean(1))
