"""A neural posterior: the distribution of parameters given measures, learned from simulated recordings.

Neural posterior estimation (Papamakarios and Murray 2016; Greenberg et al. 2019) with spline flows (Durkan et al.
2019), by the library sbi. Parameters are learned on the logit of their place in the unit cube, so that no probability
lies outside the prior; measures are standardised.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from protocols.spec.faults import ProtocolFault, installation

WIDTH, TRANSFORMS = 64, 5  # hidden units of a spline flow, and its number of transforms
BATCH = 100
NEAREST = 1e-6  # of a parameter to the ends of its range
SPREAD = 1.8  # about the standard deviation of the logit of a uniform variable


@dataclass(frozen=True)
class Posterior:
    """Average of the posteriors of several networks.

    Parameters
    ----------
    center, scale : shape (n_measures,)
        Mean and standard deviation of the measures that it learned from.
    networks
        Weights of each network, by name.
    n_parameters
    """

    center: np.ndarray
    scale: np.ndarray
    networks: tuple[Mapping[str, np.ndarray], ...]
    n_parameters: int

    @classmethod
    def trained(cls, unit: np.ndarray, measures: np.ndarray, n_networks: int, seed: int) -> Self:
        """Learn from parameters in the unit cube, shape (n, n_parameters), and measures, shape (n, n_measures)."""
        sbi = _sbi()
        import torch

        center, scale = measures.mean(axis=0), measures.std(axis=0)
        x = torch.as_tensor((measures - center) / scale, dtype=torch.float32)
        theta = torch.as_tensor(_logit(unit), dtype=torch.float32)
        networks = []
        for index in range(n_networks):
            with _quiet(), torch.random.fork_rng():
                torch.manual_seed(seed + index)
                training = sbi.inference.NPE(
                    density_estimator=_builder(), tracker=_Untracked(), show_progress_bars=False, logging_level="ERROR"
                )
                training.append_simulations(theta, x)
                network = training.train(training_batch_size=BATCH)
            networks.append({name: value.numpy().copy() for name, value in network.state_dict().items()})
        return cls(center, scale, tuple(networks), unit.shape[1])

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays by name, for a file."""
        found = {"center": self.center, "scale": self.scale, "n_parameters": np.array(self.n_parameters)}
        return found | {f"network_{k}/{name}": a for k, net in enumerate(self.networks) for name, a in net.items()}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """From the arrays of a file."""
        networks: dict[str, dict[str, np.ndarray]] = {}
        for path, array in arrays.items():
            if path.startswith("network_"):
                network, _, name = path.partition("/")
                networks.setdefault(network, {})[name] = array
        return cls(arrays["center"], arrays["scale"], tuple(networks.values()), int(arrays["n_parameters"]))

    def sample(self, measures: np.ndarray, n: int, seed: int) -> np.ndarray:
        """Draw parameters, given the measures of one or several recordings.

        Parameters
        ----------
        measures : shape (..., n_measures)
            On the scale that it learned.
        n
            Number of draws a recording; as many from each network.
        seed
            Of the draws.

        Returns
        -------
        np.ndarray
            Points of the unit cube, shape (..., n, n_parameters).
        """
        _sbi()
        import torch

        given = np.atleast_2d((measures - self.center) / self.scale)
        x = torch.as_tensor(given, dtype=torch.float32)
        each = -(-n // len(self.networks))
        drawn = []
        with _quiet(), torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            for weights in self.networks:
                network = _builder()(torch.randn(2, self.n_parameters), torch.randn(2, len(self.center)))
                network.load_state_dict({name: torch.as_tensor(array) for name, array in weights.items()})
                network.eval()
                drawn.append(network.sample(torch.Size((each,)), condition=x).numpy())
        theta = np.concatenate(drawn)  # (n, recordings, parameters)
        order = np.random.default_rng(seed).permutation(len(theta))[:n]
        unit = _unit(theta[order].astype(float)).swapaxes(0, 1)
        return unit.reshape(*np.shape(measures)[:-1], n, self.n_parameters)


class _Untracked:
    """Training is not logged; sbi would write TensorBoard files into the working directory."""

    log_dir = None

    def log_metric(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    log_metrics = log_params = add_figure = log_metric

    def flush(self) -> None:
        """Nothing."""


def require() -> None:
    """Refuse to go on without sbi.

    Raises
    ------
    ProtocolFault
        If it is not installed.
    """
    _sbi()


def _sbi() -> Any:
    try:
        with _quiet():
            import sbi.inference
            import sbi.neural_nets
    except ImportError:
        raise ProtocolFault([f"posterior: sbi is not installed ({installation('fit')})"]) from None
    return sbi


def _builder() -> Any:
    return _sbi().neural_nets.posterior_nn(
        "nsf", z_score_theta="none", z_score_x="none", hidden_features=WIDTH, num_transforms=TRANSFORMS
    )


def _logit(unit: np.ndarray) -> np.ndarray:
    inside = np.clip(unit, NEAREST, 1 - NEAREST)
    return np.log(inside / (1 - inside)) / SPREAD


def _unit(theta: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-SPREAD * theta))


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the messages that sbi prints and its libraries warn of."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def central(samples: np.ndarray, shares: Sequence[float] = (0.9,)) -> np.ndarray:
    """Central intervals of samples along the first axis, shape (n_shares, 2, ...)."""
    return np.array([np.quantile(samples, ((1 - share) / 2, (1 + share) / 2), axis=0) for share in shares])
