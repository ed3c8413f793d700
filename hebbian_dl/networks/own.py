"""Networks that are not a list of layers: architectures that come with the project, and modules of one's own."""

import importlib
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hebbian_dl.layers.hebbian import LEARNABLE
from hebbian_dl.layers.hebbianize import hebbianize
from hebbian_dl.layers.layer_table import layer_table
from hebbian_dl.networks import build
from hebbian_dl.networks.architectures.resnet import ResNet
from hebbian_dl.networks.architectures.transformer import Transformer
from hebbian_dl.networks.architectures.unet import EncoderDecoder
from protocols.spec.faults import ProtocolFault, listed, short
from protocols.spec.nets.architecture import ResNet18, UNet, VisionTransformer
from protocols.spec.nets.pretraining import HebbianPretraining, Method
from protocols.spec.network import Network
from protocols.spec.protocol import NetworkProtocol
from protocols.spec.rules import Rule

PATH = "network.module"


def assembled(spec: Network, shape: tuple[int, int, int]) -> nn.Module:
    """The plain network of an architecture or of a module of one's own, with weights by torch's global generator.

    Raises
    ------
    ProtocolFault
        If the module has no such factory, or it raises, or returns no network.
    """
    match spec.architecture:
        case ResNet18():
            return ResNet(spec.architecture, shape[0], spec.batch_norm_momentum)
        case VisionTransformer():
            return Transformer(spec.architecture, shape)
        case UNet():
            return EncoderDecoder(spec.architecture, shape[0], spec.batch_norm_momentum)
    made = _call(spec)
    if not isinstance(made, nn.Module):
        raise ProtocolFault([f"{PATH}: {spec.module}: returned a {type(made).__name__}; allowed: a torch.nn.Module"])
    return made


def learner(spec: Network, shape: tuple[int, int, int], method: Method) -> nn.Sequential:
    """The network of a method, images to features; its layers learn by their rules where the method has some.

    Raises
    ------
    ProtocolFault
        Also if no layer can learn, or the method's plan names one that is not there or cannot learn.
    """
    network = assembled(spec, shape)
    if isinstance(method, HebbianPretraining):
        try:
            rule = cast(Rule, method.rule)  # a list of rules is of `network.layers`
            network = hebbianize(network, method.plan | {"*": method.plan.get("*", rule)})
        except ValueError as error:
            name = next(name for name, other in spec.methods.items() if other is method or other == method)
            raise ProtocolFault([f"network.methods.{name}: {error}"]) from None
    return nn.Sequential(network, nn.Flatten())


def check(protocol: NetworkProtocol) -> None:
    """Refuse a network that no layer list describes and that does not take the images, or cannot learn.

    Raises
    ------
    ProtocolFault
        In one line.
    """
    spec, shape = protocol.network, protocol.data.shape
    if spec.layers:
        return
    with torch.random.fork_rng(devices=[]):
        for method in spec.methods.values():
            width_of(spec, shape, learner(spec, shape, method))


def width_of(spec: Network, shape: tuple[int, int, int], network: nn.Module) -> int:
    """Number of features that a network computes from an image, found by a forward pass.

    Raises
    ------
    ProtocolFault
        If it does not take images of this shape, or returns no features.
    """
    said, n = f"{PATH}: {spec.module}" if spec.module else "network.architecture", 2
    try:
        with torch.no_grad():
            found: Any = network.eval()(torch.zeros(n, *shape))
    except Exception as error:
        raise ProtocolFault([f"{said}: images of shape {(n, *shape)}: {_said(error)}"]) from None
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != n or not found.is_floating_point():
        given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ProtocolFault([f"{said}: gives {given} for {n} images; allowed: a tensor with one row per image"])
    return found.shape[1]


def n_features(spec: Network, shape: tuple[int, int, int]) -> int:
    """Number of features per image of a protocol's network, without latents."""
    if spec.layers:
        return build.n_features(spec.used_layers, shape)
    with torch.random.fork_rng(devices=[]):
        return width_of(spec, shape, nn.Sequential(assembled(spec, shape), nn.Flatten()))


def n_neurons(spec: Network, shape: tuple[int, int, int]) -> int:
    """Number of neurons: outputs of the linear layers, channels of the convolutions."""
    with torch.random.fork_rng(devices=[]):
        return neurons_of(assembled(spec, shape))


def neurons_of(network: nn.Module) -> int:
    """Number of neurons of a network: outputs of its linear layers, channels of its convolutions."""
    layers = [layer for layer in network.modules() if isinstance(layer, LEARNABLE)]
    return sum(int(getattr(layer, "out_features", 0) or getattr(layer, "out_channels", 0)) for layer in layers)


def forward_flop(spec: Network, shape: tuple[int, int, int]) -> float:
    """Multiplications and additions of the matrix products in the forward pass of one image."""
    with torch.random.fork_rng(devices=[]):
        network = assembled(spec, shape).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *shape))
    return float(counter.get_total_flops())


def outline(protocol: NetworkProtocol) -> list[str]:
    """The layers of each Hebbian method: which learn, which stay, which cannot learn."""
    spec, lines = protocol.network, list[str]()
    with torch.random.fork_rng(devices=[]):
        for name, method in spec.methods.items():
            if isinstance(method, HebbianPretraining):
                table = layer_table(learner(spec, protocol.data.shape, method)[0])
                lines += [f"layers of {name}:", *(f"  {line}" for line in str(table).splitlines())]
    return lines


def _call(spec: Network) -> Any:
    """What the factory of a protocol returns."""
    name, _, factory = str(spec.module).partition(":")
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise ProtocolFault([f"{PATH}: {spec.module}: cannot be imported: {_said(error)}"]) from None
    if not callable(getattr(module, factory, None)):
        offered = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ProtocolFault(
            [f"{PATH}: {spec.module}: no function '{factory}' in it; allowed: {listed(offered) or 'none is there'}"]
        )
    try:
        return getattr(module, factory)(**spec.module_arguments)
    except Exception as error:
        raise ProtocolFault([f"{PATH}: {spec.module}: raised {_said(error)}"]) from None


def _said(error: Exception) -> str:
    """An exception in one line."""
    return short(f"{type(error).__name__}: {' '.join(str(error).split())}", 240)
