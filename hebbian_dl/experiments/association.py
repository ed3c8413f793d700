"""Association protocols with a network: it learns from a culture's presentations, one by one."""

import numpy as np
import torch
from torch import Tensor, nn

from hebbian_dl.experiments.gradient import GradientAssociator
from hebbian_dl.layers import rules
from hebbian_dl.layers.hebbian import NotFinite, hebbian_layers
from hebbian_dl.networks.build import build
from hebbian_dl.training.evaluation import BATCH
from hebbian_dl.training.finite import first_not_finite
from hebbian_dl.training.generators import seed_torch
from hebbian_dl.training.loop import Diverged
from protocols.images.examples import Examples
from protocols.plan.curriculum import Curriculum, expand_association
from protocols.results.learning import validation_accuracy
from protocols.results.readout import logistic_accuracy
from protocols.runs.reporting import Report, Watch, unwatched
from protocols.spec.network import AssociativeNetwork, Backprop
from protocols.spec.protocol import AssociationProtocol
from protocols.spec.random_streams import stream


class Associator:
    """Hidden Hebbian layers, and a label layer with one neuron per class.

    Parameters
    ----------
    spec
        The ``network:`` section.
    shape
        Channels, rows and columns of an image.
    n_classes
        Neurons of the label layer; their weights start at 0, so that all scores are 0 before the first presentation.
    """

    def __init__(self, spec: AssociativeNetwork, shape: tuple[int, int, int], n_classes: int) -> None:
        self.spec = spec
        if isinstance(spec.rule, Backprop):
            raise TypeError("a rule that is not Hebbian; allowed: GradientAssociator")
        self.hidden = build(spec.layers, shape, spec.rule)
        width = self.hidden.eval()(torch.zeros(1, *shape)).shape[1]
        self.label = torch.zeros(n_classes, width)

    @torch.no_grad()
    def present(self, image: Tensor, label: int, learning: float) -> None:
        """Present an image with its label: hidden layers learn by their rule, the label's neuron towards the features.

        Parameters
        ----------
        image
            Shape (channels, rows, columns).
        label
            Index of its class.
        learning
            Factor on the learning rates.
        """
        for _, layer in hebbian_layers(self.hidden):
            layer.learning_rate = self.spec.learning_rate * learning
        features = self.hidden.train()(image[None])
        sums = rules.class_means(features, self.label, torch.tensor([label]))
        self.label += self.spec.label_learning_rate * learning * rules.update_of(rules.specs.Hebb(), sums, self.label)

    def features(self, images: Tensor) -> Tensor:
        """Output of the hidden layers for images, without learning, shape (n, n_features)."""
        hidden = self.hidden.eval()
        with torch.no_grad():
            return torch.cat([hidden(part) for part in images.split(BATCH)])

    def scores(self, images: Tensor) -> np.ndarray:
        """Cosine of the features and the weights of each label neuron, shape (n, n_classes)."""
        features = self.features(images)
        return nn.functional.cosine_similarity(features[:, None], self.label[None], dim=2).numpy()


def run_seed(
    protocol: AssociationProtocol, seed: int, report: Report, watch: Watch = unwatched
) -> dict[str, np.ndarray]:
    """Train on the presentations that the culture of this seed gets, and evaluate after the same ones.

    `watch` is called with ``accuracy/validation`` after every evaluation.

    Returns
    -------
    dict
        The arrays that `protocols.results.learning.summarise` takes, and ``filters``, the weights of the first layer.

    Raises
    ------
    Diverged
        If an update, the loss or the weights of a hidden layer are not finite.
    """
    if protocol.network is None:
        raise TypeError("a protocol without a network")
    curriculum = expand_association(protocol, seed)
    seed_torch(np.random.default_rng(stream("network", seed)))
    kind = GradientAssociator if isinstance(protocol.network.rule, Backprop) else Associator
    network = kind(protocol.network, protocol.data.shape, len(protocol.data.classes))
    splits = {"training": curriculum.splits.training, "validation": curriculum.splits.validation}
    splits["test"] = curriculum.splits.test
    images = {name: _standardised(part, curriculum) for name, part in splits.items()}
    truth = {name: part.truth(protocol.data.classes) for name, part in splits.items()}
    learning = curriculum.learning / max(curriculum.learning.max(), 1e-300)  # relative to `spec.learning_rate`
    scores: dict[str, list[np.ndarray]] = {"validation": [], "test": []}
    done = 0
    for end in curriculum.evaluate_after.tolist():
        for k in range(done, end):
            example = int(curriculum.example[k])
            try:
                network.present(images["training"][example], int(truth["training"][example]), float(learning[k]))
            except NotFinite as fault:
                name = next(name for name, layer in hebbian_layers(network.hidden) if layer is fault.layer)
                raise Diverged(f"presentation {k}, layer {name}: {fault}") from None
            except Diverged as fault:
                raise Diverged(f"presentation {k}: {fault}") from None
        if (where := first_not_finite(network.hidden)) is not None:
            raise Diverged(f"presentation {end}: {where}")
        done = end
        for name, found in scores.items():
            found.append(network.scores(images[name]))
        watch("accuracy/validation", validation_accuracy(protocol, scores["validation"][-1], truth["validation"]))
        report(end / max(1, int(curriculum.evaluate_after[-1])))
    return (
        {f"scores/{name}": np.stack(found) for name, found in scores.items()}
        | {f"labels/{name}": truth[name] for name in scores}
        | {"evaluate_after": curriculum.evaluate_after}
        | _ceilings(network, curriculum, images, truth)
        | {"filters": next(network.hidden.parameters()).detach().numpy()}
    )


def _standardised(examples: Examples, curriculum: Curriculum) -> Tensor:
    """Pixels of mean 0 and variance 1 over the training images, shape (n, 1, height, width)."""
    training = curriculum.splits.training.images
    pixels = (examples.images - training.mean()) / max(training.std(), 1e-12)
    return torch.from_numpy(pixels).to(torch.float32)[:, None]


def _ceilings(
    network: Associator | GradientAssociator,
    curriculum: Curriculum,
    images: dict[str, Tensor],
    truth: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Test accuracy of a linear readout of the hidden features, and of one of the pixels."""
    seen = curriculum.read
    features = (network.features(images["training"][seen]).numpy(), network.features(images["test"]).numpy())
    pixels = (images["training"][seen].flatten(1).numpy(), images["test"].flatten(1).numpy())
    return {
        f"ceiling/{name}": np.array(logistic_accuracy(known, truth["training"][seen], asked, truth["test"]))
        for name, (known, asked) in {"activity": features, "pixels": pixels}.items()
    }
