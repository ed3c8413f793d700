"""The result of a fit: parameters with intervals, what the twin predicts, and what it cannot explain."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.fit.amortised.trained import FAR, Trained
from culture_sim.fit.measured import Recorded, distance
from culture_sim.fit.point import TABLE, twin_name
from culture_sim.fit.predictive import panels
from culture_sim.fit.said import depends, said
from culture_sim.fit.simulated import asked_panel, with_parameters
from culture_sim.fit.space import INTERVAL, Space, as_dish
from protocols.results.statistics import over_seeds
from protocols.runs import run_directory
from protocols.runs.run_directory import provenance
from protocols.spec.dish.measures import PANEL
from protocols.spec.protocol import DishProtocol, FitProtocol

DRAWS = 4000  # of the posterior that are kept
PREDICTED = 32  # recordings that are simulated, of a posterior each with a draw of its own
NEAREST = 4  # of them, simulated again to choose the twin
CULTURES = 5  # that the twin and the default culture are judged by
FIRST_PREDICTED, FIRST_CHOSEN, FIRST_JUDGED = 2 * 10**6, 3 * 10**6, 4 * 10**6  # seeds, apart from those of training
CORRELATED = 0.5  # posterior correlation from which two parameters stand for each other


def judged(dish: DishProtocol, point: Mapping[str, Any], device: str, jobs: int) -> np.ndarray:
    """Panels of the cultures that a set of parameters is judged by, shape (n, n_measures of `PANEL`)."""
    return panels(dish, [point] * CULTURES, FIRST_JUDGED, device, jobs)


class Fitted:
    """A fit in the making: each step adds to ``content``, which becomes ``fit.json``.

    Parameters
    ----------
    protocol, recorded, sd
        The fit, the recording, and the spread between real cultures of each measure of the distance.
    default
        Panels of the protocol's own culture, of `judged`.
    device, jobs
        Of the simulations.
    """

    def __init__(
        self,
        protocol: FitProtocol,
        recorded: Recorded,
        sd: np.ndarray,
        default: np.ndarray,
        device: str,
        jobs: int,
    ) -> None:
        self.protocol, self.recorded, self.sd, self.default = protocol, recorded, sd, default
        self.device, self.jobs = device, jobs
        self.space, self.dish = Space(protocol), as_dish(protocol)
        self.content: dict[str, Any] = {
            "recording": recorded.name,
            "metadata": dict(recorded.metadata),
            "protocol": protocol.name,
            "distance_over": list(protocol.fit.distance),
        }
        self.arrays: dict[str, np.ndarray] = {"recorded": recorded.values}
        self._seeds = protocol.search.seeds if protocol.search else 1  # of a trial

    def from_posterior(self, trained: Trained) -> None:
        """Draw from the posterior, simulate what it predicts, and choose the draw nearest to the recording as twin."""
        samples = trained.samples(self.recorded, DRAWS)
        points = [self.space.spelled(unit) for unit in samples[:PREDICTED]]
        found = panels(self.dish, points, FIRST_PREDICTED, self.device, self.jobs)
        nearest = np.argsort(self._distance(found), kind="stable")[:NEAREST]
        again = [points[index] for index in nearest for _ in range(2)]
        confirmed = self._distance(panels(self.dish, again, FIRST_CHOSEN, self.device, self.jobs))
        twin = samples[nearest[confirmed.reshape(-1, 2).mean(axis=1).argmin()]]
        self.content |= {"by": "posterior", "trained": str(trained.path)}
        self._judge(twin)
        self._parameters(twin, samples, trained.calibration)
        self._predict(found)
        self._by_other_rules(trained)
        unlike = trained.unlike(self.recorded)
        self.content["unlike"] = round(unlike, 4)
        if unlike > FAR:
            self.content["words"].insert(
                0, f"The recording is further from the simulated ones than {unlike:.1%} of them: trust no interval."
            )
        self.arrays |= {"samples": samples, "predicted": found}

    def _by_other_rules(self, trained: Trained) -> None:
        """Parameters under other rules of network bursts, and in words which depend on the rule."""
        found = trained.samples_by_rule(self.recorded, DRAWS)
        own, rows = asked_panel(self.protocol).definitions.network_bursts.rule, self.content["parameters"]
        for row in rows:
            row["by_rule"] = {}
        for rule, samples in found.items():
            quantiles = np.quantile(self.space.values(samples), INTERVAL, axis=0)
            for row, (low, middle, high) in zip(rows, quantiles.T, strict=True):
                row["by_rule"][rule] = {"median": _short(middle), "low": _short(low), "high": _short(high)}
        self.content["other_rules"] = list(found)
        self.content["depends"] = depends(rows, own, [rule for rule in trained.others if rule not in found])

    def from_search(self, answer: Mapping[str, Any]) -> None:
        """Take the twin of a search's answer; intervals: the values of the trials that did as well."""
        values = answer["best"]["values"]
        twin = self.space.unit(np.array([values[path] for path in self.space.paths], float))
        self.content |= {"by": "search", "trials": answer["budget"]["trials"]}
        self._judge(twin)
        scored = [trial for trial in answer["trials"] if trial["scores"]]
        scores = np.array([trial["scores"][0] for trial in scored])
        (best,) = [found for found in answer["confirmation"] if found["trial"] == answer["best"]["trial"]]
        error = float(np.std(best["per_seed"], ddof=1)) / np.sqrt(self._seeds) if len(best["per_seed"]) > 1 else 0.0
        alike = scores <= max(best["mean"], scores.min()) + 2 * error
        alike |= np.array([trial["number"] == best["trial"] for trial in scored])
        units = np.array([[trial["values"][path] for path in self.space.paths] for trial in scored], float)
        samples = self.space.unit(units[alike])
        self._parameters(twin, samples, None)
        self.content["parameters_from"] = (
            f"range of the {int(alike.sum())} trials within two standard errors of the best; no posterior"
        )
        spelled = [self.space.spelled(twin)] * PREDICTED
        found = panels(self.dish, spelled, FIRST_PREDICTED, self.device, self.jobs)
        self._predict(found)
        self.arrays |= {"samples": samples, "predicted": found}

    def _distance(self, found: np.ndarray) -> np.ndarray:
        return distance(found, self.recorded.values, self.protocol.fit.distance, self.sd)

    def _judge(self, twin: np.ndarray) -> None:
        """Distances of the twin and of the protocol's own culture, each in fresh cultures."""
        spelled = self.space.spelled(twin)
        for name, found in (("default", self.default), ("twin", judged(self.dish, spelled, self.device, self.jobs))):
            each = self._distance(found)
            mean = float(self._distance(_mean_panel(found)))
            self.content[f"distance_{name}"] = over_seeds(each, "sd") | {"of_mean": round(mean, 4)}
            self.arrays[name] = found
        self.content["twin"] = spelled

    def _parameters(self, twin: np.ndarray, samples: np.ndarray, calibration: Mapping[str, Any] | None) -> None:
        values, ends = self.space.values(samples), self.space.values(twin)
        low, middle, high = np.quantile(values, INTERVAL if calibration else (0, 0.5, 1), axis=0)
        told = {row["path"]: row["gain"] for row in calibration["parameters"]} if calibration else {}
        self.content["parameters"] = [
            {
                "path": dimension.path,
                "label": label,
                "unit": dimension.unit,
                "median": _short(middle[k]),
                "low": _short(low[k]),
                "high": _short(high[k]),
                "twin": _short(ends[k]),
                "default": dimension.start,
                "gain": told.get(dimension.path),
            }
            for k, (dimension, label) in enumerate(zip(self.space.dimensions, self.space.labels, strict=True))
        ]
        with np.errstate(invalid="ignore"):  # trials of a search may agree in a parameter
            correlation = np.corrcoef(samples.T) if len(samples) > 2 else np.eye(len(twin))
        self.content["correlated"] = [
            {"pair": [self.space.labels[i], self.space.labels[j]], "correlation": round(float(correlation[i, j]), 2)}
            for i in range(len(twin))
            for j in range(i)
            if abs(correlation[i, j]) >= CORRELATED
        ]

    def _predict(self, found: np.ndarray) -> None:
        """Predictive interval of each measure, and in words what lies outside of it."""
        rows, words = [], []
        for name in PANEL:
            values, given = found[:, PANEL.index(name)], self.recorded.values[PANEL.index(name)]
            defined = values[np.isfinite(values)]
            if not np.isfinite(given):
                continue
            if not len(defined):
                if name in self.protocol.fit.distance:
                    words.append(f"{name}: not defined in any culture that the twin predicts.")
                continue
            low, middle, high = np.quantile(defined, INTERVAL)
            inside = bool(low <= given <= high)
            row = {"measure": name, "unit": self.recorded.measures[name].unit, "recorded": float(given)}
            row |= {"median": float(middle), "low": float(low), "high": float(high), "inside": inside}
            of_distance = name in self.protocol.fit.distance
            spread = float(self.sd[self.protocol.fit.distance.index(name)]) if of_distance else None
            rows.append(row | {"of_distance": of_distance, "sd": spread})
            if name in self.protocol.fit.distance and not inside:
                way = "below" if given < low else "above"
                words.append(
                    f"{name}: {given:.3g} {row['unit']} lies {way} what the twin predicts, {low:.3g} to {high:.3g}."
                )
        self.content["predictive"], self.content["words"] = rows, words

    def write(self, folder: Path) -> None:
        """``fit.npz``, ``protocol.yaml``, ``twin.yaml``, and last ``fit.json``, each whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        self.content["said"] = said(self.content)
        self.content["provenance"] = provenance(("culture_sim", "protocols"), device=self.device)
        np.savez_compressed(folder / "fit.unfinished.npz", **self.arrays)  # type: ignore[arg-type]
        os.replace(folder / "fit.unfinished.npz", folder / "fit.npz")
        texts = {"protocol.yaml": run_directory.resolved(self.protocol), "twin.yaml": twin_file(self)}
        for name, text in (texts | {"fit.json": json.dumps(self.content, indent=2, default=float) + "\n"}).items():
            unfinished = folder / f"{name}.unfinished"
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, folder / name)


def _short(value: float) -> float:
    """Four digits, as many as a protocol spells."""
    return float(f"{value:.4g}")


def _mean_panel(found: np.ndarray) -> np.ndarray:
    """Mean over cultures in which a measure is defined; NaN where it is defined in none."""
    n = np.isfinite(found).sum(axis=0)
    return np.where(n > 0, np.nansum(found, axis=0) / np.maximum(n, 1), np.nan)


def twin_file(fitted: Fitted) -> str:
    """The twin as a protocol that runs by itself, and that others may build on."""
    found = with_parameters(fitted.dish, fitted.content["twin"] | {"targets": TABLE})
    named = found.model_copy(update={"name": twin_name(fitted.recorded), "title": f"A twin of {fitted.recorded.name}"})
    d = fitted.content["distance_twin"]
    intervals = [f"#   {row['label']}: {row['low']:g} to {row['high']:g}" for row in fitted.content["parameters"]]
    head = [
        f"# A twin of {fitted.recorded.name}, by {fitted.content['by']} ({fitted.protocol.name}).",
        f"# Distance {d['mean']:.2f} sd over {', '.join(fitted.protocol.fit.distance)}; n = {d['n']} cultures.",
        "# Intervals of 90 %:" if fitted.content["by"] == "posterior" else "# Trials that did as well:",
        *intervals,
    ]
    return "\n".join(head) + "\n" + run_directory.resolved(named)
