"""Linear probe and nearest neighbours on the layers of a pre-trained network: ``python -m hebbian_dl.features.probe``.

Both read the labels of the run's training images from fixed features; the network does not change. Layers are to be
chosen by the accuracy on validation images; that on test images stands beside it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich import box
from rich.table import Table

from hebbian_dl.features.options import MethodOption, RunArgument, SeedOption
from hebbian_dl.run import check_installed
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault, listed

if TYPE_CHECKING:
    from hebbian_dl.features.extract import Extractor
    from hebbian_dl.images.in_memory import Images

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
NEIGHBOURS, GRID = 5, 4


@dataclass(frozen=True)
class Probe:
    """Accuracies, from 0 to 1, of classifiers on the output of a layer.

    Parameters
    ----------
    layer, n_features
        Name of the module, and size of its output after averaging.
    linear, neighbours
        (validation, test) accuracy of logistic regression on standardised features, and of the majority of the nearest
        training images by cosine.
    """

    layer: str
    n_features: int
    linear: tuple[float, float]
    neighbours: tuple[float, float]


@app.command()
def probe(
    run_dir: RunArgument,
    method: MethodOption = None,
    seed: SeedOption = None,
    layer: Annotated[list[str] | None, typer.Option(help="Module to read. Default: all that have weights.")] = None,
    neighbours: Annotated[int, typer.Option(min=1, help="Nearest training images that vote.")] = NEIGHBOURS,
    grid: Annotated[int, typer.Option(min=1, help="Maps are averaged over GRID x GRID fields.")] = GRID,
    images: Annotated[int | None, typer.Option(min=1, help="Training images, evenly spread. Default: all.")] = None,
    allow_code: cli.AllowCodeOption = False,
) -> None:
    """Measure how well the labels can be read from each layer of a pre-trained network."""
    check_installed()
    from hebbian_dl.features.extract import Extractor

    extractor = Extractor.of_run(run_dir, method, seed, allow_code=allow_code)
    found = probes(extractor, layer, neighbours, grid, images)
    shown = Table("layer", box=box.SIMPLE_HEAD, title_justify="left")
    shown.title = f"{extractor.method}, seed {extractor.seed}: accuracy, % (validation, test)"
    for name in ("features", "linear", "", f"{neighbours} nearest", ""):
        shown.add_column(name, justify="right")
    for one in found:
        accuracies = (f"{100 * accuracy:.2f}" for accuracy in (*one.linear, *one.neighbours))
        shown.add_row(one.layer, str(one.n_features), *accuracies)
    cli.result_console().print(shown)


def probes(
    extractor: "Extractor",
    layers: list[str] | None = None,
    neighbours: int = NEIGHBOURS,
    grid: int = GRID,
    most: int | None = None,
) -> list[Probe]:
    """Accuracies on each layer.

    Parameters
    ----------
    extractor
        The network, and the run whose images are read.
    layers
        Names of modules; None for all linear and convolutional ones.
    neighbours
        Number of nearest training images that vote.
    grid
        Maps are averaged over `grid` x `grid` fields.
    most
        Largest number of training images; None for all.

    Raises
    ------
    ProtocolFault
        If the network has no such layer, there are fewer training images than neighbours, or images are missing.
    """
    import torch

    from hebbian_dl.images.in_memory import evenly
    from hebbian_dl.images.prepared import inputs_of
    from hebbian_dl.layers.hebbian import LEARNABLE, Hebbian

    if unknown := sorted(set(layers or ()) - set(extractor.layers())):
        raise ProtocolFault([f"--layer {unknown[0]}: not in the network; allowed: {listed(extractor.layers())}"])
    protocol = extractor.protocol
    splits = inputs_of(protocol.data, protocol.network.methods[extractor.method], torch.device("cpu"))
    training = splits.training
    if most is not None and most < len(training):
        training = training.take(evenly(most, len(training)))
    if neighbours > len(training):
        raise ProtocolFault([f"--neighbours {neighbours}: allowed: at most the {len(training)} training images"])
    weighted = [name for name, module in extractor.network.named_modules() if isinstance(module, (Hebbian, *LEARNABLE))]
    found = []
    for name in layers or weighted:
        read = [_read(extractor, part, name, grid) for part in (training, splits.validation, splits.test)]
        found.append(Probe(name, read[0][0].shape[1], _scores(_linear(), read), _scores(_nearest(neighbours), read)))
    return found


def _read(extractor: "Extractor", images: "Images", layer: str, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of images, and their labels."""
    from hebbian_dl.training.evaluation import outputs

    features, labels = outputs(lambda part: extractor.respond(part, layer, grid), images)
    return features.float().numpy(), labels.numpy()


def _scores(classifier: Any, read: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Accuracy on validation and test images of a classifier that is fitted to the training images."""
    classifier.fit(*read[0])
    return float(classifier.score(*read[1])), float(classifier.score(*read[2]))


def _linear() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def _nearest(k: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(k, metric="cosine")


if __name__ == "__main__":
    cli.main(app)
