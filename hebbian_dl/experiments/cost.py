"""Arithmetic of trainings, in forward passes of the network on one image."""

from protocols.spec.nets.pretraining import ForwardForward, HebbianPretraining, Method, NoPretraining
from protocols.spec.network import Network, n_labelled

# of a step, for each image
BACKPROP = 3  # forward pass, gradients of inputs and of weights
HEBBIAN = 2  # forward pass and correlation
VAE = 6  # backprop through encoder and decoder
FORWARD_FORWARD = 4  # forward pass and gradients of weights, of an image and of a hybrid
FORWARD = 1


def of_pretraining(method: Method, n: int, n_validation: int) -> float:
    """All epochs, each with its score on the validation images."""
    match method:
        case NoPretraining():
            return 0.0
        case HebbianPretraining():
            factor = HEBBIAN
        case ForwardForward():
            factor = FORWARD_FORWARD
        case _:
            factor = VAE
    return method.epochs * (factor * n + n_validation)


def of_finetuning(network: Network, regime: float, n: int, n_validation: int, factor: float = BACKPROP) -> float:
    """All epochs with a fraction of the images labelled; `factor` is that of a step."""
    validated = min(n_validation, network.finetuning.validation or n_validation)
    if (consistency := network.finetuning.consistency) is not None and consistency.learns and n_labelled(regime, n) < n:
        factor += consistency.ratio * (factor + FORWARD)  # the weakly augmented images, then the strongly augmented
    return network.finetuning.epochs * (factor * n_labelled(regime, n) + validated)


def shares(network: Network, name: str, n: int, n_validation: int) -> list[float]:
    """Fractions of the work of a method: pre-training, then fine-tuning in each regime.

    A readout of stored features does not go by the arithmetic of the network; there, all parts count the same.
    """
    alone = 0.0 if network.pretrained is not None else of_pretraining(network.methods[name], n, n_validation)
    if network.finetuning.train == "head":
        work = [float(alone > 0), *(1.0 for _ in network.regimes)]
    else:
        work = [alone, *(of_finetuning(network, regime, n, n_validation) for regime in network.regimes)]
    return [each / sum(work) for each in work]
