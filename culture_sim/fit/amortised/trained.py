"""A posterior that was trained, read from its run directory and held against the protocol of a fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.fit.amortised.posterior import Posterior, require
from culture_sim.fit.amortised.training import LEARNER, prefix_of
from culture_sim.fit.measured import Recorded, on_scale
from figures.runs.run import PosteriorRun, read_run
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import FitProtocol

FAR = 0.99  # quantile of the simulated recordings beyond which one is unlike them
OF_FIT = ("seeds", "first_seed", "quick", "search", "fit", "targets", "title", "citation", "name")


@dataclass(frozen=True)
class Trained:
    """A posterior, its protocol, what is known of its calibration, and the recordings that it learned from.

    `others`: posteriors that were learned under other rules of network bursts, by rule.
    """

    path: Path
    protocol: FitProtocol
    posterior: Posterior
    others: Mapping[str, Posterior]
    calibration: dict[str, Any]
    simulated: np.ndarray

    def samples(self, recorded: Recorded, n: int, seed: int = 0) -> np.ndarray:
        """Draws of the parameters of a recording in the unit cube, shape (n, n_parameters)."""
        return self.posterior.sample(on_scale(recorded.values, self.protocol.fit.measures), n, seed)

    def samples_by_rule(self, recorded: Recorded, n: int, seed: int = 0) -> dict[str, np.ndarray]:
        """The same under each other rule of network bursts by which the recording has all measures."""
        given = {rule: on_scale(values, self.protocol.fit.measures) for rule, values in recorded.by_rule.items()}
        return {rule: self.others[rule].sample(x, n, seed) for rule, x in given.items() if np.isfinite(x).all()}

    def unlike(self, recorded: Recorded) -> float:
        """Share of the simulated recordings that lie nearer to their centre than this one (Mahalanobis distance)."""
        x = (self.simulated - self.simulated.mean(axis=0)) / self.simulated.std(axis=0)
        given = on_scale(recorded.values, self.protocol.fit.measures)
        one = (given - self.simulated.mean(axis=0)) / self.simulated.std(axis=0)
        inverse = np.linalg.pinv(np.atleast_2d(np.cov(x.T)))
        of_all = np.einsum("ij,jk,ik->i", x, inverse, x)
        return float((of_all < one @ inverse @ one).mean())


def read_trained(path: Path, protocol: FitProtocol | None = None, option: str = "--trained") -> Trained:
    """Read a trained posterior.

    Parameters
    ----------
    path
        Run directory of ``python -m culture_sim.fit.train``.
    protocol
        Of the fit it is to be used for; None: its own.
    option
        That gave the path, for messages.

    Raises
    ------
    ProtocolFault
        If it is no such run, sbi is not installed, or it was trained for another model, space or panel.
    """
    require()
    run = read_run(path)
    if not isinstance(run, PosteriorRun) or run.provenance.get("learner") != LEARNER:
        raise ProtocolFault([f"{option} {path}: no trained posterior; allowed: a run of culture_sim.fit.train"])
    if protocol is not None:
        _same(path, run.protocol, protocol)
    try:
        posterior = _of(run.arrays, "posterior/")
        others: dict[str, Posterior] = {rule: _of(run.arrays, prefix_of(rule)) for rule in run.protocol.fit.other_rules}
        panels = run.arrays["panel"]
    except (KeyError, ValueError) as error:
        raise ProtocolFault([f"{path}: damaged run: arrays.npz: {error}"]) from None
    x = on_scale(panels, run.protocol.fit.measures)
    return Trained(path, run.protocol, posterior, others, run.metrics, x[np.isfinite(x).all(axis=1)])


def _of(arrays: Mapping[str, np.ndarray], prefix: str) -> Posterior:
    return Posterior.of({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})


def _same(path: Path, trained: FitProtocol, given: FitProtocol) -> None:
    """Refuse a posterior of another model, space, panel or length."""
    content = [
        {key: value for key, value in protocol.model_dump(mode="json").items() if key not in OF_FIT}
        | {"fit.measures": list(protocol.fit.measures), "search.space": _space(protocol)}
        for protocol in (trained, given)
    ]
    if differing := [key for key in content[0] if content[0][key] != content[1].get(key)]:
        raise ProtocolFault(
            [f"--trained {path}: was trained with another {', '.join(differing)}; allowed: the same as of the fit"]
        )


def _space(protocol: FitProtocol) -> Any:
    return None if protocol.search is None else protocol.search.model_dump(mode="json")["space"]
