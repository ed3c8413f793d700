"""How many different states a reservoir has, and how much of the classes they tell."""

import numpy as np

DRAWS = 30  # random choices of the states of a rank


def information(table: np.ndarray, least: float = 0.0) -> float:
    """Mutual information of class and answer in bits, less its bias (Miller 1955; Panzeri and Treves 1996).

    It is at most the entropy of the classes.

    Parameters
    ----------
    table : int, shape (n_classes, n_classes)
        Confusions.
    least
        Smaller values, which the bias can lead to, become this one.
    """
    n = table.sum()
    share, rows, columns = table / n, table.sum(axis=1) / n, table.sum(axis=0) / n
    there = table > 0
    bits = (share[there] * np.log2(share[there] / np.outer(rows, columns)[there])).sum()
    bias = (there.sum() - (rows > 0).sum() - (columns > 0).sum() + 1) / (2 * n * np.log(2))
    entropy = -(rows[rows > 0] * np.log2(rows[rows > 0])).sum()
    return float(np.clip(bits - bias, least, entropy))


def effective_rank(states: np.ndarray) -> float:
    """Number of directions that states spread in: exp of the entropy of their shares of the variance.

    After Roy and Vetterli 2007 (EUSIPCO), who take the singular values where this takes their squares, the variances.
    At most one less than the number of states; 0 if they are all the same.

    Parameters
    ----------
    states : shape (n_states, n_features)
    """
    variance = np.linalg.svd(states - states.mean(axis=0), compute_uv=False) ** 2
    if not variance.sum():
        return 0.0
    share = variance / variance.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def ranks(states: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> tuple[float, float, int]:
    """Kernel rank and generalisation rank (Legenstein and Maass 2007, Neural Networks 20:323), as effective ranks.

    The kernel rank is that of the states after different inputs, and should be large; the generalisation rank that of
    the states after repetitions of the same input (mean over the inputs), and should be small. Both are of equally
    many states, and the mean of `DRAWS` random choices among them.

    Parameters
    ----------
    states : shape (n_trials, n_features)
    group : int, shape (n_trials,)
        Which trials have the same input.
    rng
        Chooses among the trials.

    Returns
    -------
    kernel, generalisation : float
        NaN where there are less than two states.
    n : int
        Number of the states.
    """
    inputs, counts = np.unique(group, return_counts=True)
    n = int(min(len(inputs), counts.min()))
    if n < 2:
        return float("nan"), float("nan"), n
    kernel, generalisation = [], []
    for _ in range(DRAWS):
        members = [rng.permutation(np.flatnonzero(group == one))[:n] for one in inputs]
        kernel.append(effective_rank(states[[members[k][0] for k in rng.permutation(len(inputs))[:n]]]))
        generalisation.append(effective_rank(states[members[int(rng.integers(len(inputs)))]]))
    return float(np.mean(kernel)), float(np.mean(generalisation)), n
