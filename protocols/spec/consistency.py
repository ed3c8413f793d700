"""Consistency checks between the sections of a protocol.

Every check raises ValueError; the message names the path, the given value and the allowed ones.
"""

import math
from collections.abc import Mapping, Sequence

from protocols.spec.array import Array
from protocols.spec.association import Association, AssociationPlan, DrawnRegions
from protocols.spec.culture import Culture
from protocols.spec.data import CLASSES, Data, ImageData
from protocols.spec.dish.living import LivingCulture
from protocols.spec.evoked import Evoked, Phase
from protocols.spec.faults import listed
from protocols.spec.file_data import FileData
from protocols.spec.nets.consistency import check_consistency, check_form, check_layered
from protocols.spec.nets.descent import GradientDescent
from protocols.spec.nets.layers import Convolution, Dense, Layer, Normalisation, Pooling, map_sizes
from protocols.spec.nets.pretraining import HebbianPretraining, NoPretraining, Whitens
from protocols.spec.network import AssociativeNetwork, Network
from protocols.spec.retrieval import Retrieval
from protocols.spec.stimuli import Drawing, Stimulus

MOST_WHITENED = 12_288  # pixels (64 x 64 in colour): the whitening matrix takes 1.2 GB
MOST_STEPS = 2**31 - 1  # simulators count time steps in 32-bit integers


def check_evoked(culture: Culture, stimuli: Mapping[str, Stimulus], phases: Sequence[Phase], evoked: Evoked) -> None:
    """Check stimuli against the array and the time step, phases against stimuli, measurement windows against phases."""
    names = [phase.name for phase in phases]
    if len(set(names)) < len(names):
        raise ValueError(f"phases: names must differ, given {listed(names)}")
    for name, stimulus in stimuli.items():
        _check_stimulus(culture, name, stimulus)
    for phase in phases:
        _check_phase(culture, stimuli, phase)
    _check_windows(culture, stimuli, phases, evoked)
    steps = sum(culture.steps(p.window) * len(p.present) * p.repetitions for p in phases)
    if steps > MOST_STEPS:
        raise ValueError(f"phases: {steps:.3g} time steps in all; allowed: {MOST_STEPS:.3g}")


def check_association(culture: Culture, data: Data, plan: Association) -> None:
    """Check that image and label regions lie on the array without overlap, one region for each class."""
    array = culture.array
    (height, width), image = data.size, plan.image
    if image.row + height > array.rows or image.column + width > array.columns:
        raise ValueError(
            f"data.size: {height} x {width} pixels from row {image.row}, column {image.column} on; "
            f"allowed: what fits onto the array of {array.rows} x {array.columns} electrodes"
        )
    if set(plan.label.regions) != set(data.classes):
        given, allowed = sorted(plan.label.regions), sorted(data.classes)
        raise ValueError(
            f"association.label.regions: regions of {given}; allowed: one for each of data.classes {allowed}"
        )
    if isinstance(plan.label.regions, DrawnRegions):
        _covers_array(culture.array, "association.label.regions", plan.label.regions.lines)
    pixels = {(image.row + r, image.column + c) for r in range(height) for c in range(width)}
    taken: set[tuple[int, int]] = set()
    for label, region in plan.label.regions.items():
        path = f"association.label.regions.{label}"
        inside_array(culture, path, region)
        if pixels & set(region):
            raise ValueError(
                f"{path}: {min(pixels & set(region))} shows a pixel of the image; allowed: other electrodes"
            )
        if taken & set(region):
            raise ValueError(f"{path}: {min(taken & set(region))} belongs to another class; allowed: other electrodes")
        taken |= set(region)
    whole_steps(culture, "association.presentation", plan.presentation)
    for path, rate in (("image", plan.image.rate), ("label", plan.label.rate)):
        at_most_one_pulse_a_step(culture, f"association.{path}.rate", rate)


def check_plan(data: Data, plan: AssociationPlan) -> None:
    """Check the classes, and evaluations against the training."""
    check_classes(data)
    if plan.evaluation.every > plan.training.presentations:
        raise ValueError(
            f"association.evaluation.every: {plan.evaluation.every}; "
            f"allowed: at most the {plan.training.presentations} training presentations"
        )


def check_network(data: ImageData | FileData, network: Network) -> None:
    """Check the classes, the layers against the image size, and the pre-training methods against the layers."""
    if isinstance(data, ImageData):
        check_classes(data)
    check_form(network, data.shape)
    if network.layers:
        _check_layers(network.layers, network.used_layers, data)
        check_layered(network)
    if len(set(network.regimes)) < len(network.regimes):
        raise ValueError("network.regimes: a fraction is listed twice")
    for name, method in network.methods.items():
        if isinstance(method, NoPretraining) and method.weights == "xavier" and method.initial_norm is not None:
            raise ValueError(
                f"network.methods.{name}.initial_norm: {method.initial_norm:g}; allowed: null, with weights: xavier"
            )
        if not isinstance(method, NoPretraining):
            _check_batch(f"network.methods.{name}", method, network)
        if isinstance(method, Whitens):
            _check_whitening(f"network.methods.{name}", method, data.shape)
    _check_batch("network.finetuning", network.finetuning, network)
    check_consistency(data, network)
    if network.retrieval is not None:
        _check_retrieval(network.retrieval, network.finetuning)


def check_associative_network(network: AssociativeNetwork, data: ImageData) -> None:
    """Check the hidden layers against the image size."""
    _check_layers(network.layers, network.layers, data)
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Normalisation):
            raise ValueError(
                f"network.layers.{index}: batch normalisation of single presentations; allowed: conv, pool, dense"
            )


def check_classes(data: ImageData) -> None:
    """Check that the classes are at least two, each once, and those of the data set."""
    classes, published = data.class_list, CLASSES[data.source]
    if len(set(classes)) < len(classes):
        raise ValueError(f"data.classes: a class is listed twice in {listed(map(str, classes))}")
    if len(classes) < 2:
        raise ValueError(f"data.classes: {len(classes)} given; allowed: at least 2")
    if max(classes) >= published:
        raise ValueError(f"data.classes: {max(classes)}; allowed: 0 to {published - 1}")


def _check_layers(layers: tuple[Layer, ...], used: tuple[Layer, ...], data: ImageData | FileData) -> None:
    """Check the order of all layers, and that the used ones fit the image size."""
    map_sizes(used, *data.shape)
    kinds = [type(layer) for layer in layers]
    if kinds[0] is Pooling:
        raise ValueError("network.layers.0: pools the image; allowed: conv, dense or norm")
    if not {Convolution, Dense} & set(kinds):
        raise ValueError("network.layers: no layer has neurons; allowed: at least one conv or dense")
    if Dense in kinds and any(kind is not Dense and kind is not Normalisation for kind in kinds[kinds.index(Dense) :]):
        raise ValueError("network.layers: conv or pool after a dense layer; allowed: dense and norm")


def _check_batch(path: str, training: HebbianPretraining | GradientDescent, network: Network) -> None:
    normalised = not network.layers or any(isinstance(layer, Normalisation) for layer in network.layers)
    for key, n in (("batch", training.batch), ("at_a_time", training.at_a_time)):
        if n == 1 and normalised:
            raise ValueError(f"{path}.{key}: 1; allowed: at least 2, for batch normalisation")
    if training.at_a_time is not None and training.at_a_time > training.batch:
        raise ValueError(f"{path}.at_a_time: {training.at_a_time}; allowed: at most {training.batch}, the batch")


def _check_whitening(path: str, method: Whitens, shape: tuple[int, int, int]) -> None:
    side = method.whitening_patch
    if method.whitening is None:
        if side is not None:
            raise ValueError(f"{path}.whitening_patch: {side}; allowed: null, without whitening")
        return
    pixels, most = math.prod(shape), min(99, min(shape[1:]) // 2 * 2 - 1)
    if side is None and pixels > MOST_WHITENED:
        raise ValueError(
            f"{path}.whitening: a matrix of {pixels} x {pixels} pixels, {pixels**2 * 8 / 1e9:.0f} GB; "
            f"allowed: at most {MOST_WHITENED} pixels, or patches (whitening_patch)"
        )
    if side is not None and (side % 2 == 0 or side > most):
        raise ValueError(f"{path}.whitening_patch: {side}; allowed: an odd side, at most {most}")


def _check_retrieval(retrieval: Retrieval, finetuning: GradientDescent) -> None:
    if len(set(retrieval.at)) < len(retrieval.at):
        raise ValueError("network.retrieval.at: a number is listed twice")
    if retrieval.head == "batch_norm" and 1 in (finetuning.batch, finetuning.at_a_time):
        raise ValueError("network.retrieval.head: 'batch_norm' in batches of 1; allowed: tanh, or a larger batch")


def _covers_array(array: Array, path: str, lines: tuple[str, ...]) -> None:
    rows, columns = len(lines), len(lines[0])
    if (rows, columns) != (array.rows, array.columns):
        raise ValueError(f"{path}: a drawing of {rows} x {columns}; allowed: {array.rows} x {array.columns}, the array")


def inside_array(culture: Culture | LivingCulture, path: str, electrodes: tuple[tuple[int, int], ...]) -> None:
    """Check that there are electrodes at these places of a grid, each once, and that a drawing has its size."""
    array = culture.array
    assert isinstance(array, Array)  # noqa: S101  (of a probe, dish.consistency checks contacts)
    if isinstance(electrodes, Drawing):
        _covers_array(array, path, electrodes.lines)
    for row, column in electrodes:
        if not (0 <= row < array.rows and 0 <= column < array.columns):
            raise ValueError(
                f"{path}: ({row}, {column}) lies outside the array; "
                f"allowed: rows 0 to {array.rows - 1}, columns 0 to {array.columns - 1} (both count from 0)"
            )
        if (row, column) in array.absent:
            raise ValueError(f"{path}: ({row}, {column}) has no electrode; allowed: places that culture.array has")
    if len(set(electrodes)) < len(electrodes):
        raise ValueError(f"{path}: an electrode is listed twice")


def at_most_one_pulse_a_step(culture: Culture | LivingCulture, path: str, rate_hz: float) -> None:
    """Check that the pulses of a train are at least a time step apart."""
    dt = culture.simulation.dt
    if rate_hz * dt > 1 + 1e-9:
        raise ValueError(f"{path}: {rate_hz:g} Hz; allowed: at most one pulse a step, {1 / dt:g} Hz")


def _check_stimulus(culture: Culture, name: str, stimulus: Stimulus) -> None:
    inside_array(culture, f"stimuli.{name}.electrodes", stimulus.electrodes)
    at_most_one_pulse_a_step(culture, f"stimuli.{name}.train.rate", getattr(stimulus.train, "rate", 0.0))
    whole_steps(culture, f"stimuli.{name}.onset", stimulus.onset, at_least=0)
    whole_steps(culture, f"stimuli.{name}.duration", stimulus.duration)


def _check_phase(culture: Culture, stimuli: Mapping[str, Stimulus], phase: Phase) -> None:
    whole_steps(culture, f"phases.{phase.name}.window", phase.window)
    if len(set(phase.present)) < len(phase.present):
        raise ValueError(f"phases.{phase.name}.present: a stimulus is listed twice; use 'repetitions'")
    for name in phase.present:
        if name not in stimuli:
            raise ValueError(f"phases.{phase.name}.present: no stimulus '{name}'; allowed: {listed(stimuli)}")
        end = stimuli[name].onset + stimuli[name].duration
        if end > phase.window * (1 + 1e-9):
            raise ValueError(
                f"phases.{phase.name}.window: {phase.window * 1e3:g} ms; stimulus '{name}' ends at {end * 1e3:g} ms"
            )


def _check_windows(culture: Culture, stimuli: Mapping[str, Stimulus], phases: Sequence[Phase], evoked: Evoked) -> None:
    probing = {phase.name: phase for phase in phases if not phase.plastic}
    windows, scale = evoked.windows, evoked.calibrate_on
    for name, window in windows.items():
        if name not in probing:
            raise ValueError(f"evoked.windows.{name}: not a phase without learning; allowed: {listed(probing)}")
        whole_steps(culture, f"evoked.windows.{name}", window)
        for phase in probing.values():
            end = window + max(stimuli[stimulus].onset for stimulus in phase.present)
            if end > phase.window * (1 + 1e-9):
                raise ValueError(
                    f"evoked.windows.{name}: {window * 1e3:g} ms; it ends at {end * 1e3:g} ms, "
                    f"phase '{phase.name}' at {phase.window * 1e3:g} ms"
                )
    if scale is not None and evoked.scale != 1:
        raise ValueError(f"evoked.calibrate_on: '{scale}'; allowed: null, where evoked.scale is given")
    measured = [f"evoked/{stimulus}/{name}" for name in windows for stimulus in probing[name].present]
    if scale is not None and scale not in measured:
        raise ValueError(
            f"evoked.calibrate_on: '{scale}'; allowed: {', '.join(measured) or 'nothing, no window is given'}"
        )


def whole_steps(culture: Culture | LivingCulture, path: str, duration_s: float, at_least: int = 1) -> None:
    """Check that a duration is a whole number of time steps."""
    dt, steps = culture.simulation.dt, culture.steps(duration_s)
    if abs(duration_s / dt - steps) > 1e-6 * max(1, steps) or steps < at_least:
        raise ValueError(f"{path}: {duration_s * 1e3:g} ms; allowed: a whole number of steps of {dt * 1e3:g} ms")
