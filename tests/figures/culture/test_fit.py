"""Figures and page of fits: what is drawn is what the files hold, and damaged files are one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from figures.culture.fit import calibration, twin
from figures.html import fit as page
from figures.runs.fit import FitData, read_fit
from figures.runs.run import PosteriorRun
from protocols.loading.loader import load
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import FitProtocol


def parameter(label: str, **changes: Any) -> dict[str, Any]:
    row = {"path": label, "label": label, "unit": "mV", "median": 3.0, "low": 2.0, "high": 4.0, "twin": 3.5}
    return row | {"default": None, "gain": 2.5, "coverage_50%": 0.48, "coverage_90%": 0.92} | changes


def measure(name: str, recorded: float, **changes: Any) -> dict[str, Any]:
    row = {"measure": name, "unit": "Hz", "recorded": recorded, "median": 2.0, "low": 1.0, "high": 4.0}
    return row | {"inside": 1 <= recorded <= 4, "of_distance": True, "sd": 0.5} | changes


@pytest.fixture
def content() -> dict[str, Any]:
    return {
        "recording": "dish_7 <b>",
        "metadata": {"age": 7},
        "protocol": "mine",
        "by": "posterior",
        "said": ["It lies 0.5 sd away."],
        "parameters": [parameter("drive mean (mV)"), parameter("U", gain=1.2, default=0.3)],
        "predictive": [measure("rate", 3.0), measure("IBI CV", 6.0), measure("ISI LV", 1, of_distance=False, sd=None)],
        "provenance": {"device": "cpp", "code": {"hash": "abc"}},
    }


@pytest.fixture
def fit(content: dict[str, Any], tmp_path: Path) -> FitData:
    samples = np.random.default_rng(0).random((500, 2))
    samples[:, 1] = 0.5 * samples[:, 0] + 0.5 * samples[:, 1]
    (tmp_path / "fit.json").write_text(json.dumps(content))
    np.savez(tmp_path / "fit.npz", samples=samples)
    return read_fit(tmp_path)


def test_predictive_intervals_are_differences_in_sd_of_the_measures_of_the_distance(fit: FitData) -> None:
    (ax,) = twin.predictive(fit).axes
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 7]
    np.testing.assert_allclose([bar.get_xdata() for bar in bars], [[-4, 2], [-10, -4]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["rate", "IBI CV"]


def test_parameters_are_drawn_with_their_correlations(fit: FitData) -> None:
    axes = np.array(twin.parameters(fit).axes).reshape(2, 2)
    heights = [patch.get_height() for patch in axes[0, 0].patches]
    assert np.sum(heights) / twin.BINS == pytest.approx(1)  # a density
    assert [text.get_text() for text in axes[0, 1].texts] == [f"{np.corrcoef(fit.samples.T)[0, 1]:+.2f}"]
    np.testing.assert_array_equal(axes[1, 0].lines[0].get_xydata(), fit.samples[:1000])


def test_a_search_with_a_single_good_trial_is_drawn(fit: FitData) -> None:
    one = FitData(fit.path, fit.content | {"by": "search"}, fit.samples[:1])
    axes = np.array(twin.parameters(one).axes).reshape(2, 2)
    np.testing.assert_array_equal(axes[1, 0].lines[0].get_xydata(), fit.samples[:1])


def test_the_calibration_counts_every_recording_and_marks_what_chance_allows() -> None:
    protocol = load("spontaneous_fit")
    assert isinstance(protocol, FitProtocol)
    ranks = np.random.default_rng(0).random((80, 5))
    metrics = {"parameters": [parameter(name) for name in "abcde"]}
    run = PosteriorRun(Path("run"), protocol, {"ranks": ranks}, metrics, {})
    axes = [ax for ax in calibration.figure(run).axes if ax.axison]
    assert len(axes) == 5
    for ax, of_one in zip(axes, ranks.T, strict=True):
        bars = [patch.get_height() for patch in ax.patches if patch.get_width() == pytest.approx(0.1)]
        expected = [int(((of_one >= low) & (of_one < low + 0.1)).sum()) for low in np.arange(10) / 10]
        assert bars == expected
        (band,) = [patch for patch in ax.patches if patch.get_width() == 1]
        assert (band.get_y(), band.get_y() + band.get_height()) == tuple(binom.ppf((0.025, 0.975), 80, 0.1))
        assert "48% and 92%" in ax.get_title()


def test_a_page_says_what_the_fit_found_and_escapes_names(fit: FitData) -> None:
    page.draw(fit.path)
    written = {path.name for path in fit.path.iterdir()}
    assert written == {"fit.json", "fit.npz", "predictive.png", "parameters.png", "fit.html"}
    text = (fit.path / "fit.html").read_text()
    for expected in ("It lies 0.5 sd away.", "drive mean (mV)", "IBI CV (Hz)", "outside", "dish_7 &lt;b&gt;", "abc"):
        assert expected in text
    assert "<b>" not in text


@pytest.mark.parametrize(
    ("name", "damage", "expected"),
    [
        ("fit.json", None, "no fit: fit.json is missing"),
        ("fit.json", b"{", "damaged run: fit.json: "),
        ("fit.npz", None, "damaged fit: fit.npz: "),
        ("fit.npz", b"PK", "damaged fit: fit.npz: "),
        ("fit.npz", b"PK\3\4" + bytes(50), "damaged fit: fit.npz: "),
    ],
)
def test_a_damaged_fit_is_one_line(fit: FitData, name: str, damage: bytes | None, expected: str) -> None:
    (fit.path / name).unlink()
    if damage is not None:
        (fit.path / name).write_bytes(damage)
    with pytest.raises(ProtocolFault) as fault:
        read_fit(fit.path)
    (line,) = fault.value.lines
    assert line.startswith(f"{fit.path}: {expected}")
