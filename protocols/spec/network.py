"""The ``network:`` section: layers, pre-training methods, and fine-tuning with few labels."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from protocols.spec.data import Amount
from protocols.spec.nets.architecture import Architecture, Argument, Factory
from protocols.spec.nets.fixmatch import Consistency
from protocols.spec.retrieval import Retrieval
from protocols.spec.rules import Positive, Rule, SoftWTA
from protocols.spec.section import Section, ToldByKey

Count = Annotated[int, Field(ge=1, le=10**6, strict=True)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Width = Annotated[int, Field(ge=0, le=1000, strict=True)]
Patch = Annotated[int, Field(ge=3, le=99, strict=True)]
Share = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
LayerName = Annotated[str, Field(min_length=1, max_length=200)]
MethodName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]*$", max_length=40)]
Precision = Literal["float32", "bfloat16"]


def _one_or_several(given: Any) -> str:
    return "each layer" if isinstance(given, list | tuple) else "all layers"


class Convolution(Section):
    """A convolutional layer with `conv` neurons (output channels), activation included.

    Parameters
    ----------
    kernel, stride, padding
        Side of the patches, distance between them, and width of the border around the map, in pixels.
    border
        What the border holds: ``zeros``, or the map's own pixels: ``reflect``, ``replicate``, ``circular``.
    triangle
        Power of the Triangle activation, max(0, u_i - mean(u))^power with the mean over the neurons of a position
        (Coates et al. 2011; Journe et al. 2023), in place of the rule's own activation; null for the rule's.
    """

    conv: Count
    kernel: Count
    stride: Count = 1
    padding: Width = 0
    border: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    triangle: Positive | None = None


class Pooling(Section):
    """Pooling over squares of `pool` x `pool` pixels.

    Parameters
    ----------
    stride
        Distance between squares; null for squares side by side.
    padding
        Width of the border around the map, which is never the largest and counts as 0 in means.
    take
        The ``largest`` value of a square, or the ``mean``.
    """

    pool: Annotated[int, Field(ge=2, le=1000, strict=True)]
    stride: Count | None = None
    padding: Width = 0
    take: Literal["largest", "mean"] = "largest"


class Normalisation(Section):
    """Batch normalisation; ``relative`` preserves the ratios between the neurons' variances.

    With ``relative`` the output of neuron i is multiplied by sqrt(var_i / mean(var)), as in the authors' code.

    Parameters
    ----------
    affine
        Whether fine-tuning learns a scale and a shift of each channel.
    """

    norm: Literal["plain", "relative"]
    affine: bool = True


class Dense(Section):
    """A fully connected layer with `dense` neurons, activation included.

    Parameters
    ----------
    triangle
        As in a convolution.
    """

    dense: Count
    triangle: Positive | None = None


LAYERS = ToldByKey({"conv": Convolution, "pool": Pooling, "norm": Normalisation, "dense": Dense}, nothing="is no layer")

Layer = Annotated[
    Annotated[Convolution, Tag("conv")]
    | Annotated[Pooling, Tag("pool")]
    | Annotated[Normalisation, Tag("norm")]
    | Annotated[Dense, Tag("dense")],
    Discriminator(LAYERS.tag),
    BeforeValidator(LAYERS.known),
]


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


class Network(Section):
    """A network, pre-trained by several methods, each fine-tuned on several fractions of the labels.

    It is given in one of three forms: `layers`, `architecture` or `module`.

    Parameters
    ----------
    layers
        Layers from input to features; fine-tuning adds the classifier.
    architecture
        A network that comes with the project: its name, or a mapping with its sizes.
    module
        A network of one's own: `package.module:factory`, found beside the protocol file or on PYTHONPATH. The factory
        is called with `module_arguments` and returns a torch module: images to features, to which fine-tuning adds the
        classifier. It runs only with `--allow-code`, or where the command line gives the module.
    module_arguments
        Keyword arguments of the factory.
    module_sha256
        Hash of the source of the module's package or file; written by the command, and checked where it is given.
    depth
        Number of layers with neurons (conv, dense) to use, with the pooling and normalisation that follow them; null
        for all.
    batch_norm_momentum
        Weight of a new batch in the running statistics (torch's convention).
    methods
        Pre-training methods to compare, by their name in tables.
    finetuning
        Settings of the supervised training.
    regimes
        Labelled fractions of the training images.
    pretrained
        Directory of a finished run whose pre-trained networks are reused; its pre-training settings must be those of
        this protocol. Null to pre-train, which takes hours on ImageNet.
    retrieval
        Image retrieval by binary codes, for each method and labelled fraction; null for none.
    """

    layers: tuple[Layer, ...] = ()
    architecture: Architecture | None = None
    module: Factory | None = None
    module_arguments: dict[str, Argument] = Field(default_factory=dict)
    module_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    depth: Count | None = None
    batch_norm_momentum: Fraction = 0.1
    methods: Annotated[dict[MethodName, Method], Field(min_length=1)]
    finetuning: Finetuning = Finetuning()
    regimes: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.25, 1.0)
    pretrained: Annotated[str, Field(min_length=1)] | None = None
    retrieval: Retrieval | None = None

    @property
    def normalises(self) -> bool:
        """Whether a batch needs two images, for batch normalisation; of a module of one's own that is assumed."""
        return not self.layers or any(isinstance(layer, Normalisation) for layer in self.used_layers)

    @property
    def used_layers(self) -> tuple[Layer, ...]:
        """Layers up to `depth`, including pooling and normalisation after the last used layer with neurons."""
        starts = [i for i, layer in enumerate(self.layers) if isinstance(layer, Convolution | Dense)]
        if self.depth is None or self.depth >= len(starts):
            return self.layers
        return self.layers[: starts[self.depth]]


class Backprop(Section):
    """Gradient descent on the cross-entropy of the scores, through all layers; these are ReLU and have biases."""

    rule: Literal["backprop"]


class AssociativeNetwork(Section):
    """A network that learns an association from the same presentations as the culture, one image at a time.

    Hidden layers learn the image by their unsupervised rule. The last layer has one neuron per class; the label selects
    the neuron, which learns the class mean of the features (supervised Hebbian rule). Scores are cosines. With the rule
    ``backprop``, for comparison, a step of gradient descent follows every presentation.

    Parameters
    ----------
    layers
        Hidden layers: conv, pool and dense. Batch normalisation is excluded because a presentation is a single image.
    rule, learning_rate
        Learning rule and rate of the hidden layers.
    label_learning_rate
        Learning rate of the last layer.
    """

    layers: Annotated[tuple[Layer, ...], Field(min_length=1)]
    rule: Annotated[Rule | Backprop, Field(discriminator="rule")] = SoftWTA()
    learning_rate: Positive = 0.05
    label_learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.05


def regime_name(fraction: float) -> str:
    """Name of a labelled fraction in metrics and tables, such as ``1%``."""
    return f"{100 * fraction:g}%"


def n_labelled(fraction: float, n: int) -> int:
    """Number of labelled images among `n` training images."""
    return round(fraction * n)


def map_sizes(layers: tuple[Layer, ...], channels: int, height: int, width: int) -> list[tuple[int, int, int]]:
    """Shape (neurons, rows, columns) of the feature map after each layer.

    Raises
    ------
    ValueError
        If a kernel or pooling square is larger than the feature map before it.
    """
    shapes = []
    for index, layer in enumerate(layers):
        path, most = f"network.layers.{index}", min(height, width)
        match layer:
            case Convolution(conv=neurons, kernel=kernel, stride=stride, padding=padding):
                widest = most - (layer.border == "reflect")
                if layer.border != "zeros" and padding > widest:
                    raise ValueError(
                        f"{path}.padding: {padding}; allowed: at most {widest}, with border {layer.border}"
                    )
                if kernel > most + 2 * padding:
                    raise ValueError(
                        f"{path}.kernel: {kernel}; allowed: at most {most + 2 * padding}, the map before it"
                    )
                height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
                channels = neurons
            case Pooling(pool=pool, padding=padding):
                if padding > pool // 2:
                    raise ValueError(f"{path}.padding: {padding}; allowed: at most {pool // 2}, half of pool")
                if pool > most + 2 * padding:
                    raise ValueError(f"{path}.pool: {pool}; allowed: at most {most + 2 * padding}, the map before it")
                stride = layer.stride or pool
                height, width = ((side + 2 * padding - pool) // stride + 1 for side in (height, width))
            case Dense(dense=neurons):
                channels, height, width = neurons, 1, 1
        shapes.append((channels, height, width))
    return shapes
