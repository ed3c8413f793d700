"""The ``unlabelled:`` section of fine-tuning for segmentation: learning from the images without masks, too."""

from typing import Annotated, Literal

from pydantic import Field

from protocols.spec.nets.numbers import Count, NotNegative, Share
from protocols.spec.rules import Positive
from protocols.spec.section import Section


class Unlabelled(Section):
    """A loss on training images without masks, added to the supervised one (semi-supervised segmentation).

    Its weight rises over the epochs as `weight` x exp(-5 (1 - t)^2), with t from 0 to 1 at `ramp_up` of all epochs
    (Tarvainen and Valpola 2017). Predictions are always those of the network that backprop trains, of two networks
    those of the first. Where every training image has a mask, nothing is added.

    Parameters
    ----------
    method
        ``entropy``: the entropy of the predictions, in nats (Grandvalet and Bengio 2004).
        ``mean_teacher``: squared difference of the probabilities to those of a teacher, whose weights are the running
        mean of the network's, under different noise (Tarvainen and Valpola 2017).
        ``uncertainty``: the same where the teacher is sure: the entropy of its mean over `passes` noisy images is below
        a threshold that rises from 3/4 of the largest entropy to all of it (Yu et al. 2019).
        ``cross_pseudo``: two networks, each learning the other's most probable classes by cross-entropy, also of the
        images with masks (Chen et al. 2021); their last layers start from different weights.
    weight
        Largest weight of the loss.
    ratio
        Images without masks in a step per image with a mask.
    ramp_up
        Share of the epochs after which the weight is the largest one.
    decay
        Share of a teacher's weights that a step keeps; in the first steps less.
    noise
        Standard deviation of the normal noise on the images of student and teacher, in standard deviations of the
        images' channels.
    passes
        Noisy images from which the teacher's uncertainty follows.
    """

    method: Literal["entropy", "mean_teacher", "uncertainty", "cross_pseudo"]
    weight: NotNegative = 0.1
    ratio: Count = 1
    ramp_up: Annotated[float, Field(gt=0, le=1)] = 0.5
    decay: Share = 0.99
    noise: Positive = 0.1
    passes: Annotated[int, Field(ge=2, le=100, strict=True)] = 8
