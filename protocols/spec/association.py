"""The ``association:`` section: an image and its label are presented together; later the image alone recalls it."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from protocols.spec.culture import PositiveTime
from protocols.spec.data import Label
from protocols.spec.section import Section
from protocols.spec.stimuli import Electrodes, PositiveRate

Cell = Annotated[int, Field(ge=0, le=1000)]
Presentations = Annotated[int, Field(ge=1, le=10**6, strict=True)]


def _drawn(regions: Any) -> Any:
    """Read a drawing of the array, one line a row, in which a class' own digit marks its electrodes."""
    if not isinstance(regions, str):
        return regions
    rows = regions.split()
    if set("".join(rows)) - set("0123456789."):
        raise ValueError(
            "may hold only digits (the class an electrode belongs to) and '.', one line a row of the array"
        )
    if len({len(row) for row in rows}) > 1:
        raise ValueError("must draw rows of equal length")
    marks = [(int(mark), (r, c)) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark != "."]
    return {label: [place for mark, place in marks if mark == label] for label in sorted({mark for mark, _ in marks})}


#: electrodes by class label, or a drawing
Regions = Annotated[dict[Label, Electrodes], BeforeValidator(_drawn), Field(min_length=2)]


class ImagePlacement(Section):
    """One electrode a pixel, from the given row and column on; a white pixel is stimulated at `rate`."""

    row: Cell = 0
    column: Cell = 0
    rate: PositiveRate


class LabelPlacement(Section):
    """The electrodes of each class: stimulated at `rate` with the label, read without it."""

    rate: PositiveRate
    regions: Regions


class LearningRate(Section):
    """Factor on the culture's own A_plus and A_minus over the training.

    Parameters
    ----------
    factor
        At the first presentation.
    schedule
        ``constant``; ``linear``, annealed to zero at the end; ``exponential``, annealed with a time constant of a
        quarter of the training.
    """

    factor: Annotated[float, Field(ge=0, le=1000)] = 1.0
    schedule: Literal["constant", "linear", "exponential"] = "constant"


class Training(Section):
    """Presentations of image and label together, with learning.

    Parameters
    ----------
    presentations
        Training budget. Images are repeated where there are fewer.
    order
        ``interleaved``: the classes alternate, equally often, images in random order; ``shuffled``: all images in
        random order; ``sequential``: as in the file; ``blocked``: class after class, images in random order.
    learning_rate
        How plastic the culture is, from the first presentation to the last.
    """

    presentations: Presentations
    order: Literal["interleaved", "shuffled", "sequential", "blocked"] = "interleaved"
    learning_rate: LearningRate = LearningRate()


class Evaluation(Section):
    """Presentations of validation and test images alone, without learning: before, every so often, and at the end.

    Parameters
    ----------
    every
        Training presentations from one evaluation to the next.
    averaged
        The result is the mean over so many last evaluations.
    """

    every: Presentations
    averaged: Annotated[int, Field(ge=1)] = 10


class Probe(Section):
    """What is presented before and after the training, without learning and beside the evaluations.

    Parameters
    ----------
    per_label
        Test images of every label of the data set, learned or not.
    random
        Patterns without structure: the pixels of test images, shuffled.
    """

    per_label: Annotated[int, Field(ge=0, le=1000)] = 20
    random: Annotated[int, Field(ge=0, le=10000)] = 50


class Association(Section):
    """An image drives its electrodes, its label those of the class; the image alone is to recall the label.

    A region's response is the spike count per neuron, over the neurons whose nearest electrode belongs to it.

    Parameters
    ----------
    decision
        ``largest_response``: the answer is the class whose region fires most (Lagani 2021). ``calibrated``: a logistic
        regression on the regions' responses, fitted at every evaluation on the validation images; it corrects for
        regions that are not equally excitable and sees nothing but these few numbers.
    """

    image: ImagePlacement
    label: LabelPlacement
    encoding: Literal["interval", "poisson", "regular"] = "interval"
    presentation: PositiveTime
    training: Training
    evaluation: Evaluation
    decision: Literal["largest_response", "calibrated"] = "largest_response"
    probe: Probe = Probe()
