"""The ``network:`` section: layers, pre-training methods, and fine-tuning with few labels."""

from typing import Annotated, Literal

from pydantic import Field

from protocols.spec.nets.architecture import Architecture, Argument, Factory
from protocols.spec.nets.descent import Finetuning
from protocols.spec.nets.layers import Convolution, Dense, Layer, Normalisation
from protocols.spec.nets.numbers import Count, Fraction
from protocols.spec.nets.pretraining import Method
from protocols.spec.retrieval import Retrieval
from protocols.spec.rules import Positive, Rule, SoftWTA
from protocols.spec.section import Section

MethodName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]*$", max_length=40)]


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
