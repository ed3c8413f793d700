"""The ``network:`` section: layers, the ways to pre-train them, fine-tuning with few labels."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from protocols.spec.data import Amount
from protocols.spec.retrieval import Retrieval
from protocols.spec.rules import Positive, Rule, SoftWTA
from protocols.spec.section import Section

Count = Annotated[int, Field(ge=1, le=10**6, strict=True)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
MethodName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]*$", max_length=40)]
Precision = Literal["float32", "bfloat16"]


class Convolution(Section):
    """A convolutional layer of so many neurons, its activation included."""

    conv: Count
    kernel: Count
    stride: Count = 1
    padding: Annotated[int, Field(ge=0, le=1000, strict=True)] = 0


class Pooling(Section):
    """The maximum over squares of `pool` pixels."""

    pool: Annotated[int, Field(ge=2, le=1000, strict=True)]


class Normalisation(Section):
    """Batch normalisation; ``relative`` keeps the neurons' variances relative to each other.

    Relative: the output is multiplied by sqrt(var_i / mean(var)), as in the authors' code.
    """

    norm: Literal["plain", "relative"]


class Dense(Section):
    """A fully connected layer of so many neurons, its activation included."""

    dense: Count


KEYS = {"conv": Convolution, "pool": Pooling, "norm": Normalisation, "dense": Dense}


def _layer_kind(layer: Any) -> str | None:
    """A layer is told by its key."""
    if isinstance(layer, Section):
        return next(key for key, kind in KEYS.items() if isinstance(layer, kind))
    return next((key for key in KEYS if key in layer), None) if isinstance(layer, Mapping) else None


def _known_layer(layer: Any) -> Any:
    if _layer_kind(layer) is None:
        keys = f"keys {', '.join(map(str, layer))}; " if isinstance(layer, Mapping) and layer else "is no layer; "
        raise ValueError(f"{keys}allowed: a mapping with one of {', '.join(KEYS)}")
    return layer


Layer = Annotated[
    Annotated[Convolution, Tag("conv")]
    | Annotated[Pooling, Tag("pool")]
    | Annotated[Normalisation, Tag("norm")]
    | Annotated[Dense, Tag("dense")],
    Discriminator(_layer_kind),
    BeforeValidator(_known_layer),
]


class NoPretraining(Section):
    """The network as it was drawn, but for the running statistics of batch normalisation.

    These are taken from the unlabelled training images, in one pass, as every pre-trained network has them: with few
    labels there are too few steps to find them, and what they are worth would pass for the worth of pre-training.

    Parameters
    ----------
    weights
        ``drawn`` from U(+-1/sqrt(fan-in)), as those that the other methods start from; ``xavier``, from
        U(+-sqrt(6 / (fan-in + fan-out))) (Glorot and Bengio 2010).
    """

    pretraining: Literal["none"] = "none"
    weights: Literal["drawn", "xavier"] = "drawn"


class HebbianPretraining(Section):
    """Every layer learns the outputs of the layer before it, without labels.

    Parameters
    ----------
    rule
        The learning rule of all layers.
    learning_rate
        Of plain steps; weights += learning_rate * update.
    epochs, batch
        Passes over the training images, and images a step.
    at_a_time
        Images that go through the network at once; null for the whole batch. With fewer, a step takes less memory: the
        sums of all parts give its one update. Batch normalisation takes its statistics from each part.
    whitening
        Regularisation of the ZCA whitening, which holds in pre-training, fine-tuning and tests; null for none.
    whitening_patch
        Side of the patches whose centre is whitened, odd, for images too large for a matrix of all pixels; null for
        all pixels at once.
    layers
        ``together``: all layers learn at once; ``one_by_one``: each for all epochs, on the finished ones before it.
    selection
        Which epoch is fine-tuned. ``last``; ``labelled``, the best accuracy of class means on validation images, as
        the authors do; ``label_free``, the largest effective rank of the features (RankMe, Garrido et al. 2023).
    precision
        Of the activations; sums and weights of ``bfloat16`` are float32.
    """

    pretraining: Literal["hebbian"] = "hebbian"
    rule: Rule
    learning_rate: Positive
    epochs: Count = 20
    batch: Count = 64
    at_a_time: Count | None = None
    whitening: Positive | None = None
    whitening_patch: Annotated[int, Field(ge=3, le=99, strict=True)] | None = None
    layers: Literal["together", "one_by_one"] = "together"
    selection: Literal["last", "labelled", "label_free"] = "last"
    precision: Precision = "float32"


class GradientDescent(Section):
    """Backprop by stochastic gradient descent with Nesterov's momentum.

    Parameters
    ----------
    epochs, batch
        Passes over the training images, and images a step.
    at_a_time
        Images that go through the network at once; null for the whole batch. With fewer, a step takes less memory: the
        gradients of all parts give its one update. Batch normalisation takes its statistics from each part.
    learning_rate, momentum
        Of the first epoch; of all epochs.
    halve_from, halve_every
        The rate is halved after so many epochs, and again after every so many.
    """

    epochs: Count = 20
    batch: Count = 64
    at_a_time: Count | None = None
    learning_rate: Positive = 1e-3
    momentum: Share = 0.9
    halve_from: Count = 10
    halve_every: Count = 2


class VaePretraining(GradientDescent):
    """A beta-VAE whose encoder is the network (Kingma and Welling 2013, Higgins et al. 2016), by backprop.

    Parameters
    ----------
    latents
        Gaussian latent variables.
    beta
        Weight of the Kullback-Leibler divergence.
    reconstruction
        The squared error is a ``sum`` over pixels (the variational bound), or the ``mean`` over all of them as in the
        authors' code, where the divergence outweighs it and the posterior collapses.
    features
        What the classifier is put on: the ``latents`` (paper) or the network's last ``units`` (authors' code).
    """

    pretraining: Literal["vae"] = "vae"
    latents: Count = 256
    beta: NotNegative = 0.5
    reconstruction: Literal["sum", "mean"] = "mean"
    features: Literal["units", "latents"] = "units"


Method = Annotated[NoPretraining | HebbianPretraining | VaePretraining, Field(discriminator="pretraining")]


class Finetuning(GradientDescent):
    """Supervised training of the whole network, by backprop, on a part of the labels.

    The epoch with the best accuracy on validation images is the one that is tested.

    Parameters
    ----------
    labels
        Which images are labelled: the first of one list, so that small parts lie within large ones. ``shuffled``: in
        random order, as published; ``stratified``: so that all classes are equally frequent.
    weight_decay
        L2 penalty.
    dropout
        Before the classifier.
    validation
        How many of the validation images, evenly spread, choose the epoch; ``all``, or fewer to save time.
    """

    validation: Amount = None
    labels: Literal["shuffled", "stratified"] = "shuffled"
    weight_decay: NotNegative = 0.0
    dropout: Share = 0.5


class Network(Section):
    """A feed-forward network, pre-trained in several ways, each fine-tuned on several parts of the labels.

    Parameters
    ----------
    layers
        From the image on; the classifier is added by the fine-tuning.
    depth
        Use only the layers up to the so-manyth that has neurons; null for all.
    batch_norm_momentum
        Share of a batch in the running statistics (torch's convention).
    methods
        Ways of pre-training to compare, by the name they have in tables.
    finetuning
        How labels are learned.
    regimes
        Labelled fractions of the training images.
    pretrained
        Directory of a finished run whose pre-trained networks are taken, as this protocol would have trained them;
        null to train them. ImageNet takes hours.
    retrieval
        Whether and how images are sought by codes, after each fine-tuning; null for not.
    """

    layers: Annotated[tuple[Layer, ...], Field(min_length=1)]
    depth: Count | None = None
    batch_norm_momentum: Fraction = 0.1
    methods: Annotated[dict[MethodName, Method], Field(min_length=1)]
    finetuning: Finetuning = Finetuning()
    regimes: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.25, 1.0)
    pretrained: Annotated[str, Field(min_length=1)] | None = None
    retrieval: Retrieval | None = None

    @property
    def used_layers(self) -> tuple[Layer, ...]:
        """The layers up to `depth`: what follows the last one used goes with it, until the next with neurons."""
        starts = [i for i, layer in enumerate(self.layers) if isinstance(layer, Convolution | Dense)]
        if self.depth is None or self.depth >= len(starts):
            return self.layers
        return self.layers[: starts[self.depth]]


class AssociativeNetwork(Section):
    """The network that stands in for the culture of an association: the same presentations, one by one.

    Hidden layers learn the image by their rule; the last layer, one neuron a class, learns class means of the features
    under the label's command (the supervised Hebbian rule). Its scores are cosines.

    Parameters
    ----------
    layers
        Hidden layers: conv, pool and dense; batch normalisation needs batches, and a presentation is one image.
    rule, learning_rate
        Of the hidden layers.
    label_learning_rate
        Of the last layer.
    """

    layers: Annotated[tuple[Layer, ...], Field(min_length=1)]
    rule: Rule = SoftWTA()
    learning_rate: Positive = 0.05
    label_learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.05


def regime_name(fraction: float) -> str:
    """How a labelled fraction is written in metrics and tables: ``1%``."""
    return f"{100 * fraction:g}%"


def n_labelled(fraction: float, n: int) -> int:
    """How many of `n` training images have labels."""
    return round(fraction * n)


def map_sizes(layers: tuple[Layer, ...], channels: int, height: int, width: int) -> list[tuple[int, int, int]]:
    """The shape (neurons, rows, columns) of the map after each layer.

    Raises
    ------
    ValueError
        If a layer does not fit onto the map before it.
    """
    shapes = []
    for index, layer in enumerate(layers):
        path, most = f"network.layers.{index}", min(height, width)
        match layer:
            case Convolution(conv=neurons, kernel=kernel, stride=stride, padding=padding):
                if kernel > most + 2 * padding:
                    raise ValueError(
                        f"{path}.kernel: {kernel}; allowed: at most {most + 2 * padding}, the map before it"
                    )
                height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
                channels = neurons
            case Pooling(pool=pool):
                if pool > most:
                    raise ValueError(f"{path}.pool: {pool}; allowed: at most {most}, the map before it")
                height, width = height // pool, width // pool
            case Dense(dense=neurons):
                channels, height, width = neurons, 1, 1
        shapes.append((channels, height, width))
    return shapes
