"""Outline of a network's protocol before training: images, layers, floating-point operations."""

from hebbian_dl.experiments import cost
from protocols.images.examples import count_images
from protocols.images.masks.examples import counts
from protocols.images.splits import find_images
from protocols.plan.curriculum import expand_association
from protocols.spec.data import ImageData
from protocols.spec.file_data import FileData
from protocols.spec.nets.layers import Convolution, Dense, Layer, Normalisation, Pooling, map_sizes
from protocols.spec.nets.pretraining import HebbianPretraining, NoPretraining
from protocols.spec.nets.segmentation import n_masks
from protocols.spec.network import Network, n_labelled, regime_name
from protocols.spec.protocol import AssociationProtocol, NetworkProtocol, Protocol, SegmentationProtocol
from protocols.spec.retrieval import Retrieval

UNITS = {"TFLOP": 1e12, "GFLOP": 1e9, "MFLOP": 1e6}
COMPARED_S, RANKED_S = 1.2e-9, 5e-9  # s per query and code, approximately: to compare 64 bits, to rank


def outline(protocol: Protocol) -> list[str]:
    """Data, layers and work, one line each."""
    match protocol:
        case NetworkProtocol():
            return _semi_supervised(protocol)
        case AssociationProtocol():
            return _association(protocol)
        case SegmentationProtocol():
            return _segmentation(protocol)
    raise TypeError(type(protocol))


def _segmentation(protocol: SegmentationProtocol) -> list[str]:
    """Images, the U-Net and its work; nothing is read."""
    from hebbian_dl.segmentation.patches import n_tiles
    from hebbian_dl.segmentation.segmenter import forward_flop as of_segmenter

    spec, data = protocol.segmentation, protocol.data
    (n, n_validation, n_test), tuning = counts(data), spec.finetuning
    each = of_segmenter(spec, data)
    masks = ", ".join(f"{regime_name(r)} ({n_masks(r, n)})" for r in spec.regimes)
    tiles = 1 if spec.patch is None else n_tiles(data.size, spec.patch)
    images = sum(
        max(n_masks(r, n), tuning.epoch_images or tuning.batch) * cost.BACKPROP + tiles * n_validation
        for r in spec.regimes
    )
    unit = "an image" if spec.patch is None else "a patch of {} x {}".format(*spec.patch)
    lines = [
        f"data: {n} training, {n_validation} validation, {n_test} test images with masks, {data.n_classes} classes",
        f"U-Net: {spec.network.width} maps, {spec.network.depth} times halved, {each / 1e9:.3f} GFLOP {unit} forward",
        f"masks: {masks}",
    ]
    for name, method in spec.methods.items():
        if not isinstance(method, NoPretraining):
            factor = cost.HEBBIAN if isinstance(method, HebbianPretraining) else cost.BACKPROP
            lines.append(f"pre-training {name}: {_flop(each * method.epochs * (factor * n + n_validation))}")
    more = f", without that of {tuning.unlabelled.method} on images without masks" if tuning.unlabelled else ""
    return [*lines, f"fine-tuning, each method: {_flop(each * tuning.epochs * images)}{more}, {protocol.seeds} seeds"]


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
    (n, n_validation, n_test), network = n_images(protocol.data), protocol.network
    lines = [
        f"data: {n} training, {n_validation} validation, {n_test} test images, {len(protocol.data.class_list)} classes"
    ]
    if network.layers:
        lines += ["layers:", *_spelled(network.used_layers, protocol.data.shape)]
        each = forward_flop(network.used_layers, protocol.data.shape)
    else:
        from hebbian_dl.networks import own

        lines += own.outline(protocol)
        each = own.forward_flop(network, protocol.data.shape)
    lines.append(f"forward pass: {each / 1e9:.3f} GFLOP an image")
    labels = ", ".join(f"{regime_name(r)} ({n_labelled(r, n)})" for r in network.regimes)
    lines.append(f"labels: {labels}")
    total = 0.0
    for name, method in network.methods.items():
        if not isinstance(method, NoPretraining) and network.pretrained is not None:
            lines.append(f"pre-training {name}: taken from {network.pretrained}")
            continue
        work = each * cost.of_pretraining(method, n, n_validation)
        lines.append(f"pre-training {name}: {_flop(work)}")
        total += work
    tuning = _tuning(network, n, n_validation, each, cost.BACKPROP)
    total += tuning * len(network.methods)
    lines.append(f"fine-tuning, each method: {_flop(tuning)}")
    if network.retrieval is not None:
        work, said = _retrieval(network, network.retrieval, (n, n_validation, n_test), each)
        lines += said
        total += work * len(network.methods)
    lines.append(f"work (one seed): {_flop(total)}, {protocol.seeds} seeds")
    return lines


def n_images(data: ImageData | FileData) -> tuple[int, int, int]:
    """Number of training, validation and test images; files are listed, but not read."""
    if isinstance(data, FileData):
        files = find_images(data)
        return len(files.training), len(files.validation), len(files.test)
    return count_images(data)


def _flop(work: float) -> str:
    """Floating-point operations in a unit that leaves digits before the point."""
    name, unit = next(((name, unit) for name, unit in UNITS.items() if work >= unit / 10), ("MFLOP", 1e6))
    return f"{work / unit:.1f} {name}" if work else "0 FLOP"


def _tuning(network: Network, n: int, n_validation: int, each: float, factor: float) -> float:
    """Operations of supervised training in all regimes; `factor` is that of a step, in forward passes."""
    if network.finetuning.train == "head":  # features of every image once; the classifier's own work is small
        return each * (n_labelled(max(network.regimes), n) + n_validation)
    return each * sum(cost.of_finetuning(network, regime, n, n_validation, factor) for regime in network.regimes)


def _retrieval(network: Network, spec: Retrieval, images: tuple[int, int, int], each: float) -> tuple[float, list[str]]:
    """Cost of retrieval for each method: operations of training the units and computing codes, and lines about it."""
    n, n_validation, n_test = images
    queries, times = min(n_test, spec.queries or n_test), len(network.regimes)
    work = _tuning(network, n, n_validation, each, cost.FORWARD if spec.train == "head" else cost.BACKPROP)
    work += times * each * (n + queries)
    seconds = times * queries * n * (RANKED_S + COMPARED_S * -(-spec.bits // 64))
    return work, [
        f"retrieval, each method: {_flop(work)} for codes of {spec.bits} bits",
        f"  {queries} queries against {n} codes, {times} times: about {seconds:.0f} s of one core",
    ]


def forward_flop(layers: tuple[Layer, ...], shape: tuple[int, int, int]) -> float:
    """Multiplications and additions of the forward pass of one image, in the layers with neurons."""
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
    """Text for a layer, for example ``conv 96, 5 x 5``."""
    match layer:
        case Convolution(conv=neurons, kernel=kernel, stride=stride, padding=padding):
            more = f", stride {stride}" if stride > 1 else ""
            more += f", padding {padding} ({layer.border})" if padding else ""
            return f"conv {neurons}, {kernel} x {kernel}{more}{_triangle(layer)}"
        case Dense(dense=neurons):
            return f"dense {neurons}{_triangle(layer)}"
        case Pooling(pool=pool, stride=stride, padding=padding, take=take):
            more = f", stride {stride}" if stride else ""
            more += f", padding {padding}" if padding else ""
            return f"pool {pool}{more}" + ("" if take == "largest" else f", {take}")
        case Normalisation(norm=norm, affine=affine):
            return f"norm {norm}" + ("" if affine else ", not affine")


def _triangle(layer: Convolution | Dense) -> str:
    return "" if layer.triangle is None else f", triangle {layer.triangle:g}"
