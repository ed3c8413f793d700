"""A pre-trained network as plain modules of torch that compute the same, without this package."""

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn

from hebbian_dl.features.extract import Extractor
from hebbian_dl.layers.hebbian import Hebbian
from hebbian_dl.networks.build import MaxPool, Triangle
from hebbian_dl.networks.forward_forward import LocalNetwork
from hebbian_dl.networks.normalisation import RelativeBatchNorm
from protocols.spec.faults import ProtocolFault
from protocols.spec.rules import HardWTA, HebbianPCA, KrotovHopfield, SoftHebb, SoftWTA, SparseCoding, TopWTA

#: arguments that build a plain module again
ARGUMENTS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Conv2d: ("in_channels", "out_channels", "kernel_size", "stride", "padding", "padding_mode"),
    nn.Linear: ("in_features", "out_features"),
    nn.BatchNorm1d: ("num_features", "eps", "affine"),
    nn.BatchNorm2d: ("num_features", "eps", "affine"),
    nn.MaxPool2d: ("kernel_size", "stride", "padding"),
    nn.AvgPool2d: ("kernel_size", "stride", "padding"),
    nn.Flatten: (),
    nn.ReLU: (),
    Triangle: ("power",),
    nn.Unflatten: ("dim", "unflattened_size"),
}


def plain_network(extractor: Extractor) -> nn.Sequential:
    """Pixels from 0 to 255, shape (n, channels, rows, columns), to features.

    Of a list of layers, modules of torch in one sequence; of another network, the preparation of its inputs and the
    network itself, whose Hebbian layers are plain ones again.
    """
    spec, shape = extractor.protocol.network, extractor.protocol.data.shape
    inputs = list(extractor.prepare.plain(shape))
    if spec.layers:
        network = nn.Sequential(*inputs, *_plain(extractor.network))
    else:
        network = nn.Sequential(nn.Sequential(*inputs), _unwrapped(copy.deepcopy(extractor.network)))
    return network.eval()


def plain_layers(network: nn.Sequential) -> list[tuple[str, dict[str, Any]]] | None:
    """Name and arguments of each module of a sequence, from which torch builds it; None for another network."""
    found = []
    for module in network:
        if type(module) not in ARGUMENTS:
            return None
        arguments = {name: getattr(module, name) for name in ARGUMENTS[type(module)]}
        if isinstance(module, nn.Conv2d | nn.Linear):
            arguments["bias"] = module.bias is not None
        found.append((type(module).__name__, arguments))
    return found


def _plain(module: nn.Module) -> list[nn.Module]:
    """What a module of a list of layers becomes."""
    match module:
        case nn.Sequential():
            return [one for inner in module for one in _plain(inner)]
        case Hebbian(rule=SparseCoding(), activated=True):
            raise ProtocolFault(["export: sparse codes are found step by step; allowed: methods without sparse_coding"])
        case Hebbian():
            activated = isinstance(module.rule, SoftWTA | HardWTA | TopWTA | SoftHebb | KrotovHopfield)
            activated |= isinstance(module.rule, HebbianPCA) and module.rule.activation == "relu"
            return [_weighted(module, module.weight), *([nn.ReLU()] if activated and module.activated else [])]
        case nn.Conv2d() | nn.Linear() | nn.ReLU() | nn.Flatten() | nn.MaxPool2d() | nn.AvgPool2d():
            return [copy.deepcopy(module)]
        case Triangle() | LocalNetwork():
            return [copy.deepcopy(module)]
        case MaxPool(size=size):
            return [nn.MaxPool2d(size)]
        case RelativeBatchNorm(norm=norm):
            variance = cast(Tensor, norm.running_var)
            relative = ((variance + norm.eps) / (variance.mean() + norm.eps)).sqrt()
            return [_normalising(norm, relative)]
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return [_normalising(module, torch.ones(()))]
    raise TypeError(type(module))


def _weighted(layer: Hebbian, weight: Tensor) -> nn.Module:
    """The plain layer of a Hebbian one; a rule that competes by w.x / |w| has weights of norm 1."""
    if layer.activated and isinstance(layer.rule, SoftWTA | HardWTA | TopWTA):
        weight = weight * layer.geometry.spread(layer.geometry.inverse_norms(weight), weight)
    sizes: Any = layer
    if layer.kind == "Linear":
        made: nn.Module = nn.Linear(sizes.in_features, sizes.out_features, bias=layer.bias is not None)
    else:
        options = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups", "padding_mode")}
        if layer.geometry.transposed:
            options["output_padding"] = sizes.output_padding
        made = getattr(nn, layer.kind)(
            sizes.in_channels, sizes.out_channels, sizes.kernel_size, bias=layer.bias is not None, **options
        )
    state = {"weight": weight.detach()} | ({} if layer.bias is None else {"bias": layer.bias.detach()})
    made.load_state_dict(state)
    return made


def _normalising(norm: nn.BatchNorm1d | nn.BatchNorm2d, factor: Tensor) -> nn.Module:
    """Torch's batch normalisation times a factor for each channel."""
    made = (nn.BatchNorm1d if isinstance(norm, nn.BatchNorm1d) else nn.BatchNorm2d)(norm.num_features, norm.eps)
    state = made.state_dict() | norm.state_dict()
    made.load_state_dict(state | {name: state[name] * factor for name in ("weight", "bias")})
    return made


def _unwrapped(network: nn.Module) -> nn.Module:
    """The network with plain layers in place of its Hebbian ones."""
    for name, layer in list(network.named_modules()):
        if isinstance(layer, Hebbian):
            network.set_submodule(name, _weighted(layer, layer.weight))
    return network
