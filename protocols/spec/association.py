"""The ``association:`` section: image and label are presented together; later the image alone must recall the label."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidatorFunctionWrapHandler,
    WrapSerializer,
    WrapValidator,
)

from protocols.spec.culture import PositiveTime
from protocols.spec.data import Label
from protocols.spec.section import Section
from protocols.spec.stimuli import Electrodes, PositiveRate, drawn_lines

Cell = Annotated[int, Field(ge=0, le=1000)]
Presentations = Annotated[int, Field(ge=1, le=10**6, strict=True)]


class DrawnRegions(dict[int, tuple[tuple[int, int], ...]]):
    """Electrodes of each class label, as a drawing of the array marks them; `lines`: the drawing itself."""

    lines: tuple[str, ...]


def _read(regions: Any, validated: ValidatorFunctionWrapHandler) -> Any:
    """Convert a drawing of the array (one line per row, each electrode marked with its class digit) to a mapping."""
    if not isinstance(regions, str):
        return validated(regions)
    meaning = "digits (the class an electrode belongs to) and '.', one line a row of the array"
    lines = drawn_lines(regions, "0123456789.", meaning)
    marks = [(int(mark), (r, c)) for r, line in enumerate(lines) for c, mark in enumerate(line) if mark != "."]
    labels = sorted({mark for mark, _ in marks})
    drawn = DrawnRegions(validated({label: [place for mark, place in marks if mark == label] for label in labels}))
    drawn.lines = lines
    return drawn


def _written(regions: Any, serialised: SerializerFunctionWrapHandler) -> Any:
    """The drawing that was read, or the mapping."""
    return "\n".join(regions.lines) + "\n" if isinstance(regions, DrawnRegions) else serialised(regions)


#: electrodes of each class label, as a mapping or as a drawing
Regions = Annotated[dict[Label, Electrodes], WrapValidator(_read), Field(min_length=2), WrapSerializer(_written)]


class ImagePlacement(Section):
    """One electrode per pixel; the top-left pixel is at `row`, `column`. A white pixel is stimulated at `rate`."""

    row: Cell = 0
    column: Cell = 0
    rate: PositiveRate


class LabelPlacement(Section):
    """Electrodes of each class: stimulated at `rate` when the label is presented, read out when it is not."""

    rate: PositiveRate
    regions: Regions


class LearningRate(Section):
    """Factor on the culture's A_plus and A_minus during training.

    Parameters
    ----------
    factor
        Value at the first presentation.
    schedule
        ``constant``; ``linear``, annealed to zero at the end of training; ``exponential``, with a time constant of a
        quarter of the training.
    """

    factor: Annotated[float, Field(ge=0, le=1000)] = 1.0
    schedule: Literal["constant", "linear", "exponential"] = "constant"


class Training(Section):
    """Presentations of image and label together, with learning.

    Parameters
    ----------
    presentations
        Number of training presentations. Images are repeated if there are fewer.
    order
        ``interleaved``: the classes alternate, equally often, images in random order; ``shuffled``: all images in
        random order; ``sequential``: as in the file; ``blocked``: class after class, images in random order.
    learning_rate
        Factor on the plasticity, from the first presentation to the last.
    """

    presentations: Presentations
    order: Literal["interleaved", "shuffled", "sequential", "blocked"] = "interleaved"
    learning_rate: LearningRate = LearningRate()


class Evaluation(Section):
    """Presentations of validation and test images alone, without learning: before, during and at the end of training.

    Parameters
    ----------
    every
        Training presentations between two evaluations.
    averaged
        Number of final evaluations whose mean is the result.
    """

    every: Presentations
    averaged: Annotated[int, Field(ge=1)] = 10


class Probe(Section):
    """Additional presentations before and after training, without learning.

    Parameters
    ----------
    per_label
        Number of test images of each label of the data set, trained or not.
    random
        Number of patterns without structure: test images with shuffled pixels.
    """

    per_label: Annotated[int, Field(ge=0, le=1000)] = 20
    random: Annotated[int, Field(ge=0, le=10000)] = 50


class AssociationPlan(Section):
    """Training on images and labels, and evaluation on images alone.

    Parameters
    ----------
    decision
        ``largest_response``: the answer is the class with the largest score, in a culture the one whose region fires
        most (Lagani 2021). ``calibrated``: a logistic regression on the scores of all classes, fitted at every
        evaluation on the validation images; it corrects for differences in excitability between regions. Its only
        inputs are the scores.
    """

    training: Training
    evaluation: Evaluation
    decision: Literal["largest_response", "calibrated"] = "largest_response"


class Association(AssociationPlan):
    """Association in a culture: image and label drive their electrodes in training; then the image must recall it.

    A region's response is the spike count per neuron, over the neurons whose nearest electrode belongs to the region.
    """

    image: ImagePlacement
    label: LabelPlacement
    encoding: Literal["interval", "poisson", "regular"] = "interval"
    presentation: PositiveTime
    probe: Probe = Probe()
