"""Geometry of torch layers: which are supported, and agreement with torch."""

import pytest
import torch
from torch import nn

from hebbian_dl.layers.geometry import DENSE, Geometry


def test_a_layer_that_is_no_projection_is_refused() -> None:
    with pytest.raises(TypeError, match="BatchNorm2d"):
        Geometry.of(nn.BatchNorm2d(3))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(3, 4, bias=False),
        nn.Conv1d(3, 4, 3, padding="same", bias=False),
        nn.Conv2d(3, 4, (3, 5), padding="same", bias=False),
        nn.Conv2d(3, 4, (2, 3), padding="same", dilation=2, bias=False),  # even, but the dilated span is symmetric
        nn.Conv2d(3, 4, (3, 4), padding="same", bias=False),  # torch pads more after the image than before it
        nn.Conv2d(3, 4, 2, padding="same", padding_mode="circular", bias=False),
        nn.Conv1d(3, 4, 5, 2, padding=3, dilation=2, padding_mode="reflect", bias=False),
        nn.Conv2d(3, 6, 3, padding=(0, 2), groups=3, padding_mode="replicate", bias=False),
        nn.Conv2d(3, 4, 3, padding_mode="reflect", bias=False),
        nn.Conv3d(3, 4, (2, 3, 1), padding=(1, 2, 0), padding_mode="circular", bias=False),
        nn.Conv2d(3, 4, 3, padding="valid", bias=False),
        nn.Conv3d(3, 6, 3, padding=(0, 1, 2), stride=(1, 2, 3), groups=3, bias=False),
        nn.ConvTranspose1d(3, 4, 3, 2, output_padding=1, bias=False),
        nn.ConvTranspose2d(3, 6, (2, 3), (3, 2), padding=1, output_padding=(2, 1), groups=3, bias=False),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_the_projection_is_that_of_the_layer(layer: nn.Module) -> None:
    geometry = Geometry.of(layer)
    inputs = torch.rand(2, 3, *(7,) * geometry.n_dims)
    wanted = layer(inputs)
    assert torch.equal(geometry.project(inputs, layer.weight), wanted)
    assert geometry.n_neurons(layer.weight) == wanted.shape[1]
    assert geometry.channels(layer.weight) == 3
    assert geometry.fan_in(layer.weight) * wanted.shape[1] == layer.weight.numel()
    assert geometry.n_patches(wanted) * wanted.shape[1] == wanted.numel()
    assert torch.equal(geometry.from_rows(geometry.rows(layer.weight), layer.weight), layer.weight)
    patches = geometry.patches(wanted)
    assert patches.shape == (geometry.groups, geometry.n_patches(wanted), wanted.shape[1] // geometry.groups)
    assert patches.sum(1).flatten().allclose(wanted.transpose(0, 1).flatten(1).sum(1), atol=1e-5)
    assert torch.equal(geometry.maps(patches, wanted.shape), wanted)
    factors = torch.arange(1.0, wanted.shape[1] + 1)
    scaled = geometry.rows(layer.weight * geometry.spread(factors, layer.weight))
    assert torch.equal(scaled, geometry.rows(layer.weight) * factors.reshape(geometry.groups, -1, 1))
    assert (geometry == DENSE) == isinstance(layer, nn.Linear)
