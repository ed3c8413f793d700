"""What another protocol would do in a fitted culture."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim import living
from culture_sim.fit.amortised.training import fit_protocol
from culture_sim.fit.predictive import outcomes
from culture_sim.fit.space import INTERVAL, Space, check_free
from figures.runs.fit import read_fit
from protocols.runs import cli, run_directory
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol, FitProtocol, Protocol

FIRST_PREDICTION = 5 * 10**6  # seed of the first culture


def predicted(
    paths: list[Path], asked: Protocol, overrides: list[str], draws: int, options: cli.Options
) -> dict[str, Any]:
    """Intervals of the measures of a protocol in cultures with parameters drawn from a fit, also written beside it.

    Parameters
    ----------
    paths
        The directory of one fit.
    asked
        The protocol.
    overrides
        Of the protocol; none may give a fitted parameter a value.
    draws
        Number of cultures.
    options
        Device, and simulations at a time.
    """
    if len(paths) != 1 or not (paths[0] / "fit.json").is_file():
        raise ProtocolFault(["--predict: allowed: with one fitted twin, such as runs/twin_NAME/fit"])
    if not isinstance(asked, DishProtocol) or isinstance(asked, FitProtocol):
        raise ProtocolFault([f"--predict {asked.name}: allowed: a protocol of a living culture with a timeline"])
    fitted = fit_protocol(run_directory.read_protocol(paths[0], ("protocol.yaml", "fit.npz")))
    space = Space(fitted)
    check_free(overrides, space.paths)
    samples = read_fit(paths[0]).samples
    chosen = samples[np.random.default_rng(0).integers(len(samples), size=draws)]
    device = living.prepare(options.device)
    found = outcomes(asked, [space.spelled(unit) for unit in chosen], FIRST_PREDICTION, device, options.jobs or 1)
    rows = []
    for measure, (_, unit) in found[0].items():
        values = np.array([one[measure][0] for one in found])
        values = values[np.isfinite(values)]
        if len(values):
            low, middle, high = (float(v) for v in np.quantile(values, INTERVAL))
            rows.append(
                {"measure": measure, "unit": unit, "median": middle, "low": low, "high": high, "n": len(values)}
            )
    result = {"twin": str(paths[0]), "protocol": asked.name, "cultures": draws, "measures": rows}
    (paths[0] / f"predicted_{asked.name}.json").write_text(json.dumps(result, indent=2) + "\n")
    return result
