"""Consistency checks of networks that are not a list of layers.

Every check raises ValueError; the message names the path, the given value and the allowed ones.
"""

from protocols.spec.data import CLASSES
from protocols.spec.faults import listed
from protocols.spec.file_data import FileData
from protocols.spec.nets.architecture import UNet, VisionTransformer
from protocols.spec.nets.layers import Convolution, Dense, Normalisation, Pooling
from protocols.spec.nets.pretraining import ForwardForward, HebbianPretraining, VaePretraining
from protocols.spec.nets.spiking import SpikingNetwork
from protocols.spec.network import Network

FORMS = ("layers", "architecture", "module")


def check_form(network: Network, shape: tuple[int, int, int]) -> None:
    """Check that the network is given in one form, and that nothing else asks for another one."""
    given = [form for form in FORMS if getattr(network, form)]
    if not given:
        raise ValueError(f"network.layers: missing; allowed: one of {listed(FORMS)}")
    if len(given) > 1:
        raise ValueError(f"network.{given[1]}: beside network.{given[0]}; allowed: one of {listed(FORMS)}")
    if network.module is None and (network.module_arguments or network.module_sha256):
        raise ValueError("network.module_arguments: without network.module; allowed: none")
    if not network.layers:
        _check_own(network)
        _check_architecture(network, shape)


def check_consistency(data: object, network: Network) -> None:
    """Check that images that are to be augmented are held in memory, and seen by the network again and again."""
    if (spec := network.finetuning.consistency) is None or not spec.learns:
        return
    if network.finetuning.train == "head":
        raise ValueError(
            "network.finetuning.consistency: with train: head, which sees every image once; allowed: train: network"
        )
    if isinstance(data, FileData):
        raise ValueError(
            "network.finetuning.consistency: with images in files, which are decoded anew for every batch; "
            f"allowed: null, or data.source of {listed(CLASSES)}"
        )


def check_layered(network: Network) -> None:
    """Check the methods against a list of layers: as many rules and rates as layers; a VAE's decoder mirrors them."""
    n = sum(isinstance(layer, Convolution | Dense) for layer in network.layers)
    for name, method in network.methods.items():
        match method:
            case VaePretraining():
                _check_mirrored(network)
            case ForwardForward():
                n_used = sum(isinstance(layer, Convolution | Dense) for layer in network.used_layers)
                _check_forward_forward(f"network.methods.{name}", method, n_used)
            case HebbianPretraining(plan=plan) if plan:
                raise ValueError(
                    f"network.methods.{name}.plan: with network.layers; allowed: a list of rules, one for each layer"
                )
            case HebbianPretraining():
                for key, given in (("rule", method.rule), ("learning_rate", method.learning_rate)):
                    if isinstance(given, tuple) and len(given) != n:
                        raise ValueError(
                            f"network.methods.{name}.{key}: a list of {len(given)}; "
                            f"allowed: one for all, or {n}, one for each layer with neurons"
                        )


def _check_mirrored(network: Network) -> None:
    """Refuse layers that the decoder of a VAE has no mirror image of."""
    for index, layer in enumerate(network.layers):
        match layer:
            case Convolution() | Dense() if layer.triangle is not None:
                key, given = "triangle", str(layer.triangle)
            case Convolution() if layer.border != "zeros":
                key, given = "border", layer.border
            case Pooling() if (layer.stride, layer.padding, layer.take) != (None, 0, "largest"):
                key, given = "pool", "other than the largest of squares side by side"
            case Normalisation() if index == 0:
                key, given = "norm", "before all layers with neurons"
            case _:
                continue
        raise ValueError(
            f"network.layers.{index}.{key}: {given}; allowed: not with a VAE, whose decoder mirrors the layers"
        )


def _check_forward_forward(path: str, method: ForwardForward, n_learning: int) -> None:
    if method.features == "later" and n_learning < 2:
        raise ValueError(f"{path}.features: 'later' of a network of one layer; allowed: last, or more layers")
    for key, n in (("batch", method.batch), ("at_a_time", method.at_a_time)):
        if n == 1:
            raise ValueError(f"{path}.{key}: 1; allowed: at least 2, for hybrids of two images")


def _check_own(network: Network) -> None:
    """Refuse settings that only a list of layers has."""
    if network.depth is not None:
        raise ValueError(f"network.depth: {network.depth}; allowed: null, without network.layers")
    for name, method in network.methods.items():
        match method:
            case VaePretraining():
                raise ValueError(
                    f"network.methods.{name}.pretraining: 'vae', whose decoder mirrors network.layers; "
                    "allowed: none, hebbian"
                )
            case ForwardForward():
                raise ValueError(
                    f"network.methods.{name}.pretraining: 'forward_forward', which learns network.layers one by one; "
                    "allowed: none, hebbian"
                )
            case HebbianPretraining(rule=tuple()) | HebbianPretraining(learning_rate=tuple()):
                raise ValueError(
                    f"network.methods.{name}: a list with an entry for each layer; allowed: with network.layers; "
                    "one rule with a plan, and one rate, without"
                )
            case HebbianPretraining(precision="bfloat16"):
                raise ValueError(f"network.methods.{name}.precision: 'bfloat16'; allowed: float32 without layers")


def _check_architecture(network: Network, shape: tuple[int, int, int]) -> None:
    """Check that images of this shape fit the architecture."""
    path, sides = "network.architecture", shape[1:]
    match network.architecture:
        case VisionTransformer(width=width, heads=heads) if width % heads:
            raise ValueError(f"{path}.width: {width}; allowed: a multiple of the {heads} heads")
        case VisionTransformer(patch=patch) if any(side % patch for side in sides):
            raise ValueError(f"{path}.patch: {patch}; allowed: what divides the image of {sides[0]} x {sides[1]}")
        case UNet(depth=depth) if any(side % 2**depth for side in sides):
            raise ValueError(f"{path}.depth: {depth}; allowed: 2^depth divides the image of {sides[0]} x {sides[1]}")


def check_spiking(network: SpikingNetwork) -> None:
    """Check durations against the time step, and the rate of the last attempt against one spike a step."""
    shown, dt = network.presentation, network.dt
    for key, duration_s in (("duration", shown.duration), ("rest", shown.rest)):
        steps = duration_s / dt
        if abs(steps - round(steps)) > 1e-6 * max(1, steps):
            raise ValueError(
                f"spiking_network.presentation.{key}: {duration_s * 1e3:g} ms; "
                f"allowed: a whole number of steps of {dt * 1e3:g} ms"
            )
    if (rate := shown.rate + (shown.attempts - 1) * shown.raise_by) * dt > 1:
        raise ValueError(
            f"spiking_network.presentation.attempts: {shown.attempts}; the last has a rate of {rate:g} Hz; "
            f"allowed: at most one spike a step, {1 / dt:g} Hz"
        )
