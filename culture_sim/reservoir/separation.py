"""How many different states a reservoir has, and how much of the classes they tell."""

import numpy as np


def confusion(given: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    """How often each class (row) was answered as each (column), int, shape (n_classes, n_classes)."""
    table = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(table, (truth, given), 1)
    return table


def information(table: np.ndarray) -> float:
    """Mutual information of class and answer in bits, less its bias (Miller 1955; Panzeri and Treves 1996), at least 0.

    Parameters
    ----------
    table : int, shape (n_classes, n_classes)
        Confusions.
    """
    n = table.sum()
    share, rows, columns = table / n, table.sum(axis=1) / n, table.sum(axis=0) / n
    there = table > 0
    bits = (share[there] * np.log2(share[there] / np.outer(rows, columns)[there])).sum()
    bias = (there.sum() - (rows > 0).sum() - (columns > 0).sum() + 1) / (2 * n * np.log(2))
    return float(max(bits - bias, 0))


def standardised(features: np.ndarray) -> np.ndarray:
    """Features less their mean, over their standard deviation; 0 where they do not vary, shape (n_trials, n)."""
    spread = features.std(axis=0)
    return (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)


def effective_rank(states: np.ndarray) -> float:
    """Number of directions that states spread in: exp of the entropy of their shares of the variance.

    Roy and Vetterli 2007, EUSIPCO. At most one less than the number of states; 0 if they are all the same.

    Parameters
    ----------
    states : shape (n_states, n_features)
    """
    variance = np.linalg.svd(states - states.mean(axis=0), compute_uv=False) ** 2
    if not variance.sum():
        return 0.0
    share = variance[variance > 0] / variance.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def ranks(states: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Kernel rank and generalisation rank (Legenstein and Maass 2007, Neural Networks 20:323), as effective ranks.

    The kernel rank is that of the states after different inputs, and should be large; the generalisation rank that of
    the states after repetitions of the same input (mean over the inputs), and should be small. Both are of equally
    many states.

    Parameters
    ----------
    states : shape (n_trials, n_features)
    group : int, shape (n_trials,)
        Which trials have the same input.
    rng
        Chooses among the trials.
    """
    members = [rng.permutation(np.flatnonzero(group == one)) for one in np.unique(group)]
    n = min(len(members), *(len(own) for own in members))
    different = [own[0] for own in rng.permutation(np.array(members, object))[:n]] if n < len(members) else None
    chosen = np.array(different if different is not None else [own[0] for own in members])
    return effective_rank(states[chosen]), float(np.mean([effective_rank(states[own[:n]]) for own in members]))
