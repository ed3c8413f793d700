"""Settings of backprop: gradient descent, and fine-tuning with few labels."""

from typing import Literal

from protocols.spec.data import Amount
from protocols.spec.nets.fixmatch import Consistency
from protocols.spec.nets.numbers import Count, Fraction, NotNegative, Share
from protocols.spec.rules import Positive
from protocols.spec.section import Section

Precision = Literal["float32", "bfloat16"]


class GradientDescent(Section):
    """Backpropagation with stochastic gradient descent and Nesterov momentum, or with Adam.

    Parameters
    ----------
    epochs, batch
        Passes over the training images, and images per step.
    at_a_time
        Images per forward pass; null for the whole batch. Smaller values save memory: the batch is processed in parts
        and their gradients give one update. Batch normalisation uses the statistics of each part.
    optimizer
        ``sgd`` with Nesterov's `momentum`, or ``adam`` (Kingma and Ba 2015), which has moments of its own.
    learning_rate, momentum
        Initial learning rate; momentum, the same in all epochs.
    halve_from, halve_every
        The learning rate is halved after `halve_from` epochs, and again every `halve_every` epochs.
    halve_at
        Instead: fractions of all epochs after which the learning rate is halved.
    """

    epochs: Count = 20
    batch: Count = 64
    at_a_time: Count | None = None
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: Positive = 1e-3
    momentum: Share = 0.9
    halve_from: Count = 10
    halve_every: Count = 2
    halve_at: tuple[Fraction, ...] = ()


class Finetuning(GradientDescent):
    """Supervised training by backprop, on a fraction of the labels: of the whole network, or of a linear readout.

    Parameters
    ----------
    train
        The whole ``network`` and the linear classifier on top of it, or only the classifier, the ``head``: the network
        stays as it was pre-trained, and computes the features of every image once.
    features
        Precision in which these features are kept; they are multiplied in float32.
    selection
        Which epoch is tested: the one with the best accuracy on ``validation`` images, or the ``last``.
    labels
        Order in which images get labels; a fraction takes the first ones, so that small fractions are subsets of
        larger ones. ``shuffled``: random, as published; ``stratified``: random, with equal numbers of each class.
    weight_decay
        L2 penalty.
    dropout
        Dropout probability before the classifier.
    validation
        Number of validation images, evenly spread, used to choose the epoch; ``all``, or fewer to save time.
    consistency
        Learning from the images without labels, too; null to learn from the labelled ones alone.
    """

    train: Literal["network", "head"] = "network"
    features: Precision = "float32"
    selection: Literal["validation", "last"] = "validation"
    validation: Amount = None
    labels: Literal["shuffled", "stratified"] = "shuffled"
    weight_decay: NotNegative = 0.0
    dropout: Share = 0.5
    consistency: Consistency | None = None
