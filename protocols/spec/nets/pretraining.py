"""Pre-training methods of ``network.methods``: none, Hebbian, a VAE, Forward-Forward."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from protocols.spec.nets.descent import GradientDescent, Precision
from protocols.spec.nets.numbers import Count, NotNegative
from protocols.spec.rules import Positive, Rule
from protocols.spec.section import Section

Patch = Annotated[int, Field(ge=3, le=99, strict=True)]
LayerName = Annotated[str, Field(min_length=1, max_length=200)]


def _one_or_several(given: Any) -> str:
    return "each layer" if isinstance(given, list | tuple) else "all layers"


class NoPretraining(Section):
    """Random weights without pre-training; only the running statistics of batch normalisation are estimated.

    They are estimated in one pass over the unlabelled training images, because every pre-trained network has them too:
    fine-tuning with few labels has too few steps to estimate them, and their effect on the accuracy would be mistaken
    for an effect of pre-training.

    Parameters
    ----------
    weights
        ``drawn``: from U(+-1/sqrt(fan-in)), like the initial weights of the other methods; ``xavier``: from
        U(+-sqrt(6 / (fan-in + fan-out))) (Glorot and Bengio 2010).
    initial_norm
        As in Hebbian pre-training, for a comparison from the same weights; not with ``xavier``.
    whitening, whitening_patch
        As in Hebbian pre-training, for a comparison on the same inputs.
    """

    pretraining: Literal["none"] = "none"
    weights: Literal["drawn", "xavier"] = "drawn"
    initial_norm: Positive | None = None
    whitening: Positive | None = None
    whitening_patch: Patch | None = None


class HebbianPretraining(Section):
    """Hebbian pre-training: every layer learns from the outputs of the layer before it, without labels.

    Parameters
    ----------
    rule
        The learning rule of all layers; or, with `network.layers`, a list with the rule of each.
    plan
        Other rules for some layers, by name or by a pattern such as `blocks.*`; null for layers that stay as they are.
        A name counts for all that the module contains; the first name that fits a layer decides. Not with
        `network.layers`.
    learning_rate
        Step size: weights += learning_rate * update. A list gives that of each layer that learns, in the network's
        order.
    initial_norm
        Weights start as draws from N(0, initial_norm^2 / fan-in), so that a neuron's have about this norm; null for
        U(+-1/sqrt(fan-in)), as in fine-tuning.
    epochs, batch
        Passes over the training images, and images per step.
    at_a_time
        Images per forward pass; null for the whole batch. Smaller values save memory: the batch is processed in parts
        and their sums give one update. Batch normalisation uses the statistics of each part.
    whitening
        Regularisation of the ZCA whitening, which is applied in pre-training, fine-tuning and testing; null for no
        whitening.
    whitening_patch
        Whiten each pixel with the patch around it, of this odd side: for images too large for a whitening matrix of
        all pixels. Null to whiten all pixels at once.
    layers
        ``together``: all layers learn at the same time; ``one_by_one``: each layer learns for all epochs while the
        layers before it are fixed.
    selection
        Which epoch is fine-tuned: ``last``; ``labelled``, the one with the best validation accuracy of a class-mean
        classifier (as the authors do); ``label_free``, the one with the largest effective rank of the features
        (RankMe, Garrido et al. 2023).
    precision
        Precision of the activations; with ``bfloat16``, sums and weights are still float32.
    """

    pretraining: Literal["hebbian"] = "hebbian"
    rule: Annotated[
        Annotated[Rule, Tag("all layers")] | Annotated[tuple[Rule, ...], Field(min_length=1), Tag("each layer")],
        Discriminator(_one_or_several),
    ]
    plan: dict[LayerName, Rule | None] = Field(default_factory=dict)
    learning_rate: Annotated[
        Annotated[Positive, Tag("all layers")]
        | Annotated[tuple[Positive, ...], Field(min_length=1), Tag("each layer")],
        Discriminator(_one_or_several),
    ]
    initial_norm: Positive | None = None
    epochs: Count = 20
    batch: Count = 64
    at_a_time: Count | None = None
    whitening: Positive | None = None
    whitening_patch: Patch | None = None
    layers: Literal["together", "one_by_one"] = "together"
    selection: Literal["last", "labelled", "label_free"] = "last"
    precision: Precision = "float32"


#: methods whose inputs can be whitened
Whitens = HebbianPretraining | NoPretraining


class VaePretraining(GradientDescent):
    """A beta-VAE with the network as encoder (Kingma and Welling 2013, Higgins et al. 2016), trained by backprop.

    Parameters
    ----------
    latents
        Number of Gaussian latent variables.
    beta
        Weight of the Kullback-Leibler divergence.
    reconstruction
        Squared error as a ``sum`` over pixels (the variational bound), or as the ``mean`` over all pixels (authors'
        code; there the divergence dominates and the posterior collapses).
    features
        Input of the classifier: the ``latents`` (paper) or the network's last ``units`` (authors' code).
    """

    pretraining: Literal["vae"] = "vae"
    latents: Count = 256
    beta: NotNegative = 0.5
    reconstruction: Literal["sum", "mean"] = "mean"
    features: Literal["units", "latents"] = "units"


class ForwardForward(GradientDescent):
    """Forward-Forward (Hinton 2022) without labels: each layer tells images from hybrids of two images.

    The goodness of a layer is its activity squared; a logistic loss of its own raises the goodness of images above a
    threshold and lowers that of hybrids below it. The activities that a layer passes on are normalised to mean square
    1. Each layer's loss changes its own weights alone: nothing is propagated back through another layer.

    Parameters
    ----------
    goodness
        Squared activities of all units of a layer for an image: their ``sum``, as published, or their ``mean``.
    threshold
        Mean square activity at which images and hybrids are equally likely; with ``sum``, times the number of units.
    blurs
        Number of times that the random bits of a hybrid's mask are blurred, which makes its patches larger.
    features
        Normalised activities that the classifier gets: of all layers but the first, as published (``later``), or of
        the ``last``.
    """

    pretraining: Literal["forward_forward"] = "forward_forward"
    goodness: Literal["sum", "mean"] = "sum"
    threshold: Positive = 1.0
    blurs: Annotated[int, Field(ge=0, le=1000, strict=True)] = 6
    features: Literal["later", "last"] = "later"


Method = Annotated[
    NoPretraining | HebbianPretraining | VaePretraining | ForwardForward, Field(discriminator="pretraining")
]
