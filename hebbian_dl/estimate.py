"""What a network's protocol asks for, before anything is trained: images, weights, operations."""

from protocols.curriculum import expand_association
from protocols.examples import ImageSplits, load_images
from protocols.network import (
    Convolution,
    Dense,
    HebbianPretraining,
    Layer,
    Network,
    NoPretraining,
    map_sizes,
    n_labelled,
    regime_name,
)
from protocols.retrieval import Retrieval
from protocols.schema import AssociationProtocol, NetworkProtocol, Protocol

BACKPROP = 3  # operations of forward, backward to inputs and to weights, in forwards
HEBBIAN = 2  # forward and correlation
VAE = 6  # backprop through encoder and decoder
FORWARD = 1
COMPARED_S, RANKED_S = 1.2e-9, 5e-9  # of two codes, about: 64 bits compared, the ranking


def outline(protocol: Protocol) -> list[str]:
    """Data, layers and work, a line each."""
    match protocol:
        case NetworkProtocol():
            return _semi_supervised(protocol)
        case AssociationProtocol():
            return _association(protocol)
    raise TypeError(type(protocol))


def _association(protocol: AssociationProtocol) -> list[str]:
    curriculum = expand_association(protocol)
    layers = protocol.network.layers if protocol.network else ()
    return [
        f"training: {len(curriculum.example)} presentations, one by one, {len(curriculum.seen)} images",
        f"evaluation: {len(curriculum.evaluate_after)} times {len(curriculum.splits.validation)} validation and "
        f"{len(curriculum.splits.test)} test images, no learning",
        "layers:",
        *_spelled(layers, protocol.data.shape),
    ]


def _spelled(layers: tuple[Layer, ...], shape: tuple[int, int, int]) -> list[str]:
    maps = map_sizes(layers, *shape)
    return [f"  {spell(layer):30} -> {' x '.join(map(str, size))}" for layer, size in zip(layers, maps, strict=True)]


def _semi_supervised(protocol: NetworkProtocol) -> list[str]:
    images, network = load_images(protocol.data), protocol.network
    n = len(images.training.labels)
    lines = [
        f"data: {n} training, {len(images.validation.labels)} validation, {len(images.test.labels)} test images, "
        f"{len(protocol.data.class_list)} classes"
    ]
    lines += ["layers:", *_spelled(network.used_layers, protocol.data.shape)]
    each = forward_flop(network.used_layers, protocol.data.shape)
    lines.append(f"forward pass: {each / 1e9:.3f} GFLOP an image")
    labels = ", ".join(f"{regime_name(r)} ({n_labelled(r, n)})" for r in network.regimes)
    lines.append(f"labels: {labels}")
    total = 0.0
    for name, method in network.methods.items():
        work = 0.0
        if not isinstance(method, NoPretraining) and network.pretrained is not None:
            lines.append(f"pre-training {name}: taken from {network.pretrained}")
            continue
        if not isinstance(method, NoPretraining):
            factor = HEBBIAN if isinstance(method, HebbianPretraining) else VAE
            work = each * method.epochs * (factor * n + len(images.validation.labels))
        lines.append(f"pre-training {name}: {work / 1e12:.1f} TFLOP")
        total += work
    tuning = _tuning(network, images, each, BACKPROP)
    total += tuning * len(network.methods)
    lines.append(f"fine-tuning, each method: {tuning / 1e12:.1f} TFLOP")
    if network.retrieval is not None:
        lines += _retrieval(network, network.retrieval, images, each)
        total += _coding(network, network.retrieval, images, each) * len(network.methods)
    lines.append(f"work (one seed): {total / 1e12:.1f} TFLOP, {protocol.seeds} seeds")
    return lines


def _tuning(network: Network, images: ImageSplits, each: float, factor: float) -> float:
    """Operations of learning all regimes' labels; `factor` is that of a step, in forwards."""
    validated = min(len(images.validation.labels), network.finetuning.validation or len(images.validation.labels))
    n = len(images.training.labels)
    return each * network.finetuning.epochs * sum(factor * n_labelled(r, n) + validated for r in network.regimes)


def _coding(network: Network, spec: Retrieval, images: ImageSplits, each: float) -> float:
    """Operations of learning the codes' units, and of coding database and queries, in all regimes."""
    coded = len(images.training.labels) + _queries(spec, images)
    return _tuning(network, images, each, FORWARD if spec.train == "head" else BACKPROP) + (
        each * coded * len(network.regimes)
    )


def _queries(spec: Retrieval, images: ImageSplits) -> int:
    return min(len(images.test.labels), spec.queries or len(images.test.labels))


def _retrieval(network: Network, spec: Retrieval, images: ImageSplits, each: float) -> list[str]:
    """What retrieval costs each method, in words."""
    n, queries = len(images.training.labels), _queries(spec, images)
    seconds = len(network.regimes) * queries * n * (RANKED_S + COMPARED_S * -(-spec.bits // 64))
    work = _coding(network, spec, images, each)
    return [
        f"retrieval, each method: {work / 1e12:.1f} TFLOP for codes of {spec.bits} bits",
        f"  {queries} queries against {n} codes, {len(network.regimes)} times: about {seconds:.0f} s of one core",
    ]


def forward_flop(layers: tuple[Layer, ...], shape: tuple[int, int, int]) -> float:
    """Multiplications and additions of one image's way through the layers with neurons."""
    total, before = 0.0, shape
    for layer, after in zip(layers, map_sizes(layers, *shape), strict=True):
        match layer:
            case Convolution(kernel=kernel):
                total += 2 * before[0] * kernel**2 * after[0] * after[1] * after[2]
            case Dense():
                total += 2 * before[0] * before[1] * before[2] * after[0]
        before = after
    return total


def spell(layer: Layer) -> str:
    """A layer in words."""
    match layer:
        case Convolution(conv=neurons, kernel=kernel, stride=stride, padding=padding):
            more = (f", stride {stride}" if stride > 1 else "") + (f", padding {padding}" if padding else "")
            return f"conv {neurons}, {kernel} x {kernel}{more}"
        case Dense(dense=neurons):
            return f"dense {neurons}"
    return " ".join(f"{key} {value}" for key, value in layer.model_dump().items())
