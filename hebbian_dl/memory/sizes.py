"""Peak memory of a training, computed before its first step.

The training's own code takes steps on torch's meta device, whose tensors have shapes but no contents, and the bytes of
all tensors that exist at the same time are added up. The count thus includes activations, gradients, momentum and
temporaries of the rules, and follows changes of the code. Workspaces inside library kernels are not counted.
"""

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hebbian_dl import processes
from hebbian_dl.environment import n_processes
from hebbian_dl.experiments.semi_supervised import STATISTICS_BATCH, take_statistics
from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.images.prepare import Prepare
from hebbian_dl.networks import saved
from hebbian_dl.networks.build import n_features
from hebbian_dl.networks.forward_forward import LocalNetwork, forward_forward_training
from hebbian_dl.networks.vae import BetaVae, vae_training
from hebbian_dl.retrieval.codes import coder
from hebbian_dl.training.consistency import Unlabelled, consistent_loss
from hebbian_dl.training.evaluation import batch_for
from hebbian_dl.training.hebbian import hebbian_training
from hebbian_dl.training.loop import Training
from hebbian_dl.training.readout import readout
from hebbian_dl.training.supervised import classifier, supervised_training
from protocols.spec.nets.descent import Finetuning
from protocols.spec.nets.pretraining import ForwardForward, HebbianPretraining, Method, NoPretraining, VaePretraining
from protocols.spec.protocol import NetworkProtocol

STEPS = 2

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the rank of images and volumes


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are created within the context, until they are freed; views count once.

    Numbers that the program reads from a tensor without contents are all 1.

    Attributes
    ----------
    live, peak : int
        Bytes now, and the most so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._storages: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation of torch, and count the tensors that it returns."""
        if func is torch.ops.aten._local_scalar_dense.default:
            return 1
        result = func(*args, **(kwargs or {}))
        form = FORMATS.get(args[0].dim()) if func is torch.ops.aten.convolution.default else None
        if form is not None and args[0].is_contiguous(memory_format=form):
            result = result.contiguous(memory_format=form)  # as on CPU and GPU; meta does not always
        for tensor in result if isinstance(result, list | tuple) else (result,):
            if isinstance(tensor, Tensor):
                self._take_in(tensor.untyped_storage())
        return result

    def _take_in(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._storages:
            return

        def gone(_: object) -> None:
            if self._storages.pop(key, None) is not None:
                self.live -= size

        self._storages[key] = weakref.ref(storage, gone)
        self.live += size
        self.peak = max(self.peak, self.live)


@contextlib.contextmanager
def counted() -> Iterator[LiveBytes]:
    """Count the tensors that are created within, on the meta device; torch's random state stays as it was."""
    with processes.alone(), torch.random.fork_rng(devices=[]), torch.device("meta"), LiveBytes() as live:
        yield live


def pretraining_bytes(protocol: NetworkProtocol, method: Method) -> int:
    """Peak bytes of a step of pre-training, including the learner and a batch.

    Without pre-training: of the forward pass for the statistics of batch normalisation.
    """
    n_classes, shape = len(protocol.data.class_list), protocol.data.shape
    with counted() as live:
        drawn = saved.draw(protocol, method, 0)
        match method:
            case NoPretraining():
                take_statistics(drawn.features, _images(protocol, batch_for(shape, STATISTICS_BATCH)))
            case HebbianPretraining():
                images = _images(protocol, method.batch)
                splits = Splits(images, images, images)
                take_steps(hebbian_training("", drawn.features, method, splits, n_classes), images)
            case VaePretraining():
                images = _images(protocol, method.batch)
                splits = Splits(images, images, images)
                take_steps(vae_training("", cast(BetaVae, drawn.learner), method, splits), images)
            case ForwardForward():
                images = _images(protocol, method.batch)
                splits = Splits(images, images, images)
                take_steps(forward_forward_training("", cast(LocalNetwork, drawn.learner), method, splits), images)
    return live.peak


def finetuning_bytes(protocol: NetworkProtocol, method: Method, spec: Finetuning) -> int:
    """Peak bytes of a step of fine-tuning or of a readout, including the classifier and a batch."""
    with counted() as live:
        if spec.train == "head":
            width = _width(protocol, method, saved.draw(protocol, method, 0))
            model = readout(width, len(protocol.data.class_list), spec.dropout)
            images = _examples(spec.batch, width)
        else:
            model, images = _classifier(protocol, method), _images(protocol, spec.batch)
        _tuning_steps(model, images, spec)
    return live.peak


def coding_bytes(protocol: NetworkProtocol, method: Method, spec: Finetuning) -> int:
    """Peak bytes of a step of the training of codes, including the network and a batch; 0 without retrieval."""
    if (retrieval := protocol.network.retrieval) is None:
        return 0
    with counted() as live:
        drawn, data = saved.draw(protocol, method, 0), protocol.data
        n_classes, width = len(data.class_list), _width(protocol, method, drawn)
        model = coder(drawn.features, width, n_classes, retrieval, spec.dropout)
        _tuning_steps(model, _images(protocol, spec.batch), spec)
    return live.peak


def _tuning_steps(model: nn.Module, images: Examples, spec: Finetuning) -> None:
    """Take steps of supervised training, with images without labels where the specification asks for them."""
    loss_of = None
    if spec.consistency is not None and spec.consistency.learns:
        one = torch.ones(1, images.shape[0], 1, 1)
        pixels = torch.zeros(2, *images.shape, dtype=torch.uint8)
        loss_of = consistent_loss(model, spec.consistency, Unlabelled(pixels, Prepare(one, one)))
    take_steps(supervised_training("", model, spec, images, Splits(images, images, images), loss_of), images)


def evaluation_bytes(protocol: NetworkProtocol, method: Method) -> int:
    """Peak bytes of the evaluation of one batch, including the classifier."""
    with counted() as live, torch.no_grad():
        model = _classifier(protocol, method).eval()
        model(_images(protocol, batch_for(protocol.data.shape)).images)
    return live.peak


def model_bytes(protocol: NetworkProtocol, method: Method) -> int:
    """Bytes of the weights and running statistics of a classifier."""
    with counted():
        tensors = _classifier(protocol, method).state_dict().values()
    return sum(tensor.nbytes for tensor in tensors)


def _classifier(protocol: NetworkProtocol, method: Method) -> nn.Sequential:
    drawn, data = saved.draw(protocol, method, 0), protocol.data
    return classifier(
        drawn.features, _width(protocol, method, drawn), len(data.class_list), protocol.network.finetuning.dropout
    )


def _width(protocol: NetworkProtocol, method: Method, drawn: saved.Drawn) -> int:
    """Number of features of a method's network."""
    if isinstance(method, VaePretraining) and method.features == "latents":
        return method.latents
    if not protocol.network.layers or isinstance(method, ForwardForward):
        with torch.no_grad():
            return drawn.features.eval()(torch.zeros(2, *protocol.data.shape)).shape[1]
    return n_features(protocol.network.used_layers, protocol.data.shape)


def _images(protocol: NetworkProtocol, n: int) -> Examples:
    """A process's share of a batch of `n` images."""
    return _examples(n, *protocol.data.shape)


def _examples(n: int, *shape: int) -> Examples:
    own = -(-n // n_processes())
    return Examples(torch.empty(own, *shape), torch.zeros(own, dtype=torch.long))


def take_steps(training: Training, batch: Examples) -> None:
    """Take the steps after which no new tensor stays: momentum and pending sums exist from the second one on."""
    training.begin_epoch(0)
    for _ in range(STEPS):
        training.step(batch)
