"""Parameters of the Hebbian learning rules; for the equations see `hebbian_dl.layers.rules`."""

from typing import Annotated, Literal

from pydantic import Field

from protocols.spec.section import Section

Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class Hebb(Section):
    """Plain Hebbian rule (product of pre- and postsynaptic activity); the weights grow without bound."""

    rule: Literal["hebb"] = "hebb"


class Oja(Section):
    """Oja 1982: each neuron independently converges to the first principal component."""

    rule: Literal["oja"] = "oja"


class HebbianPCA(Section):
    """Hebbian PCA (Sanger 1989; Lagani et al., eq. 4): each neuron learns from the residual of the neurons before it.

    Parameters
    ----------
    activation
        ``relu``, as published, or ``linear``, which finds the principal components.
    divide_by_root_fan_in
        Whether the update is divided by the square root of a neuron's number of weights.
    """

    rule: Literal["hpca"] = "hpca"
    activation: Literal["relu", "linear"] = "relu"
    divide_by_root_fan_in: bool = True


class SoftWTA(Section):
    """Soft winner-takes-all (Lagani et al., eq. 2): weights move towards the patches for which the neuron wins.

    Parameters
    ----------
    temperature
        Temperature of the softmax over neurons.
    score
        Input of the softmax: ``cosine``, ((cos(w, x) + 1) / 2)^2, as in the authors' code; ``activation``, w.x / |w|,
        as in the paper.
    """

    rule: Literal["swta"] = "swta"
    temperature: Positive = 0.02
    score: Literal["cosine", "activation"] = "cosine"


class HardWTA(Section):
    """Winner-takes-all: only the neuron most similar to a patch (cosine) learns it (online k-means)."""

    rule: Literal["wta"] = "wta"


class TopWTA(Section):
    """k-winners-take-all: the `k` neurons most similar to a patch (cosine) learn it, with equal weight."""

    rule: Literal["k_wta"] = "k_wta"
    k: Annotated[int, Field(ge=1, le=10**6)] = 5


class SoftHebb(Section):
    """SoftHebb (Moraitis et al. 2021): softmax of the activations, weight decay scaled by each neuron's activation.

    Parameters
    ----------
    temperature
        Temperature of the softmax over neurons.
    anti_hebbian
        Whether all neurons but the winner learn with the opposite sign (Journe et al. 2023).
    divide_by_largest
        Whether the update of a batch is divided by its largest entry, so that the learning rate is the largest change
        of a weight (Journe et al. 2023).
    norm_exponent
        Exponent p of the factor | |w| - 1 |^p of each neuron's learning rate, which ends its learning when its weights
        have norm 1 (Journe et al. 2023: 0.5); 0 for the same rate of all neurons.
    """

    rule: Literal["softhebb"] = "softhebb"
    temperature: Positive = 1.0
    anti_hebbian: bool = False
    divide_by_largest: bool = False
    norm_exponent: Annotated[float, Field(ge=0, le=10)] = 0.0


class KrotovHopfield(Section):
    """Krotov and Hopfield 2019: the neuron with the strongest response learns, the one of a given rank unlearns.

    The update of a batch is divided by its largest entry, so that the learning rate is the largest change of a weight.

    Parameters
    ----------
    p
        Exponent of the Lebesgue norm; the weights converge to unit p-norm.
    rank
        Rank of the neuron that learns with the opposite sign (anti-Hebbian); 2 is the second strongest.
    strength
        Strength of the anti-Hebbian update relative to the Hebbian one.
    """

    rule: Literal["krotov_hopfield"] = "krotov_hopfield"
    p: Annotated[float, Field(ge=2, le=100)] = 2.0
    rank: Annotated[int, Field(ge=2, le=10**6)] = 2
    strength: Annotated[float, Field(ge=0, le=1)] = 0.4


class HebbianICA(Section):
    """Nonlinear PCA (Karhunen and Joutsensalo 1995): independent components of whitened inputs.

    Parameters
    ----------
    nonlinearity
        ``tanh`` for sources with tails lighter than the normal distribution's, ``cube`` for heavier ones.
    """

    rule: Literal["ica"] = "ica"
    nonlinearity: Literal["tanh", "cube"] = "tanh"


class SparseCoding(Section):
    """Sparse coding (Olshausen and Field 1996): few neurons explain a patch, and learn what they leave unexplained.

    The output are the codes a that minimise |x - B'a|^2 / 2 + threshold * |a|_1, for the weights (atoms) B. The update
    is a (x - B'a)': the negative gradient of the reconstruction error at fixed codes. A convolution codes each patch
    by itself; the reconstructions of patches that overlap are not added up.

    Parameters
    ----------
    inference
        ``ista``: iterative shrinkage-thresholding (Daubechies et al. 2004); ``lca``: locally competitive algorithm
        (Rozell et al. 2008). Both converge to the same codes.
    iterations
        Steps of the inference. In fine-tuning backprop goes through all of them, and each keeps its codes in memory.
    threshold
        Weight of the sum of absolute codes, in units of the layer's input.
    non_negative
        Whether codes are at least 0.
    unit_norm
        Whether atoms have length 1: they are used at this length, and set to it after every update in place.
    """

    rule: Literal["sparse_coding"] = "sparse_coding"
    inference: Literal["ista", "lca"] = "ista"
    iterations: Annotated[int, Field(ge=1, le=10**4, strict=True)] = 30
    threshold: Positive = 0.5
    non_negative: bool = False
    unit_norm: bool = True


Rule = Annotated[
    Hebb | Oja | HebbianPCA | SoftWTA | HardWTA | TopWTA | SoftHebb | KrotovHopfield | HebbianICA | SparseCoding,
    Field(discriminator="rule"),
]
