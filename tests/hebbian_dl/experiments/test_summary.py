"""Accuracies, gains and the table of a network's run, computed by hand from invented arrays."""

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from hebbian_dl.experiments import summary, table
from protocols.loading.published import Target
from tests.figures.synthetic_networks import network_protocol

TOP1 = {  # by seed and method, at 1 %, 10 % and 100 % of the labels
    (0, "none"): [0.20, 0.50, 0.80], (0, "HPCA"): [0.30, 0.50, 0.79],
    (1, "none"): [0.10, 0.40, 0.90], (1, "HPCA"): [0.40, 0.60, 0.86],
    (2, "none"): [0.30, 0.60, 0.70], (2, "HPCA"): [0.20, 0.70, 0.72],
}  # fmt: skip


def parts() -> dict[tuple[int, str], dict[str, np.ndarray]]:
    found: dict[tuple[int, str], dict[str, np.ndarray]] = {}
    for (seed, method), top1 in TOP1.items():
        found[seed, method] = {
            "top1": np.array(top1),
            "top5": np.array(top1) + 0.1,
            "validation": np.array(top1) - 0.05,
            "epoch": np.array([seed, 1, 2]),
            "n_labels": np.array([20, 200, 2000]),
            "wall_s": np.array([1.0, 2.0, 3.0]),
            "unreadable": np.array([], np.str_),
        }
        if method == "HPCA":
            found[seed, method] |= {
                "pretraining/effective_rank": np.array([3.0, 9.0, 4.0, 2.0]),
                "pretraining/epoch": np.array(1 + seed),
                "pretraining/wall_s": np.array(10.5 + seed),
            }
    return found


def protocol(**changes: Any) -> Any:
    methods = network_protocol().network.methods
    content = network_protocol(seeds=3, **changes).model_dump(mode="json")
    content["network"]["methods"] = {name: methods[name].model_dump(mode="json") for name in ("none", "HPCA")}
    return type(network_protocol()).model_validate(content)


def published(quantity: str, mean: float) -> Target:
    return Target(
        quantity=quantity, bin_ms=None, value=mean, sd=None, n=5, unit="fraction correct", window_ms=None,
        subject="Lagani 2024", source="", figure="",
    )  # fmt: skip


def test_accuracies_and_paired_gains_by_hand() -> None:
    metrics = summary.summarise(protocol(), parts(), [])
    assert metrics["accuracy/none/1%"]["mean"] == pytest.approx(0.2)
    assert metrics["accuracy/HPCA/1%"]["mean"] == pytest.approx(0.3)
    assert metrics["accuracy/HPCA/10%"]["per_seed"] == [0.5, 0.6, 0.7]
    assert metrics["accuracy/HPCA/10%"]["sd"] == pytest.approx(0.1)
    assert metrics["accuracy/HPCA/10%"]["labels"] == 200
    assert metrics["accuracy/HPCA/100%"]["epoch_per_seed"] == [2, 2, 2]
    assert metrics["accuracy/HPCA/1%"]["epoch_per_seed"] == [0, 1, 2]
    assert metrics["accuracy/none/1%"]["validation_per_seed"] == pytest.approx([0.15, 0.05, 0.25])
    assert metrics["top5/HPCA/100%"]["mean"] == pytest.approx((0.89 + 0.96 + 0.82) / 3)
    assert metrics["gain/HPCA/1%"]["per_seed"] == pytest.approx([0.1, 0.3, -0.1])
    assert metrics["gain/HPCA/10%"]["per_seed"] == pytest.approx([0.0, 0.2, 0.1])
    assert metrics["gain/HPCA/100%"]["mean"] == pytest.approx((-0.01 - 0.04 + 0.02) / 3)
    assert metrics["gain/HPCA/1%"]["over"] == "none"
    assert not any(path.startswith("gain/none") for path in metrics)
    assert metrics["pretraining/HPCA"] == {
        "epochs": 4, "kept_epoch_per_seed": [1, 2, 3], "wall_s_per_seed": [10.5, 11.5, 12.5]
    }  # fmt: skip
    assert "pretraining/none" not in metrics
    assert metrics["targets"] == []


def test_the_interval_of_a_gain_is_that_of_the_differences() -> None:
    """All 27 equally likely draws of three seeds with replacement."""
    gain = summary.summarise(protocol(), parts(), [])["gain/HPCA/1%"]
    each = [0.1, 0.3, -0.1]
    means = sorted((a + b + c) / 3 for a in each for b in each for c in each)
    assert gain["ci95"] == pytest.approx([means[0], means[-1]])  # one in 27 is more than 2.5 %


def test_few_classes_have_no_top5() -> None:
    small = protocol(source="digits", data={"source": "digits", "validation": 100, "classes": [0, 1, 2, 3, 4]})
    assert not any(path.startswith("top5") for path in summary.summarise(small, parts(), []))


def test_without_an_untrained_network_there_is_no_gain() -> None:
    content = protocol().model_dump(mode="json")
    del content["network"]["methods"]["none"]
    metrics = summary.summarise(type(protocol()).model_validate(content), parts(), [])
    assert not any(path.startswith("gain") for path in metrics)
    assert metrics["accuracy/HPCA/1%"]["mean"] == pytest.approx(0.3)


def shown(metrics: dict[str, Any]) -> list[str]:
    text = io.StringIO()
    table.show(metrics, Console(file=text, width=150))
    return text.getvalue().splitlines()


def test_the_table_says_each_mean_and_interval_in_per_cent() -> None:
    metrics = summary.summarise(protocol(), parts(), [])
    lines = shown(metrics)
    for regime, labels in (("1%", 20), ("10%", 200), ("100%", 2000)):
        (line,) = [line for line in lines if line.strip().startswith(f"{regime} ")]
        words = [regime, str(labels)]
        for method in ("none", "HPCA"):
            value = metrics[f"accuracy/{method}/{regime}"]
            low, high = (100 * bound for bound in value["ci95"])
            words += [f"{100 * value['mean']:.2f}", f"[{low:.2f},", f"{high:.2f}]"]
        assert line.split() == words
    assert "mean over 3 seeds [95 % interval of the mean]" in lines


def test_published_values_stand_beside_their_method() -> None:
    metrics = summary.summarise(protocol(), parts(), [published("accuracy/HPCA/10%", 0.52)])
    lines = shown(metrics)
    (head,) = [line for line in lines if line.split()[:2] == ["labels", "images"]]
    assert head.split() == ["labels", "images", "none", "HPCA", "published"]
    (line,) = [line for line in lines if line.strip().startswith("10% ")]
    assert line.split()[-1] == "52.00"
    (line,) = [line for line in lines if line.strip().startswith("1% ")]
    assert line.split()[-1].endswith("]")


def test_published_top_5_accuracies_have_a_table_of_their_own() -> None:
    metrics = summary.summarise(protocol(), parts(), [published("top5/HPCA/10%", 0.61)])
    lines = shown(metrics)
    first, second = (place for place, line in enumerate(lines) if line.startswith("test accuracy"))
    assert "(top-1)" in lines[first]
    assert "(top-5)" in lines[second]
    line = next(line for line in lines[second:] if line.strip().startswith("10% "))
    assert line.split()[2] == f"{100 * metrics['top5/none/10%']['mean']:.2f}"
    assert line.split()[-1] == "61.00"
    assert not any("61.00" in line for line in lines[:second])


def test_a_single_seed_has_no_interval() -> None:
    content = protocol().model_dump(mode="json") | {"seeds": 1}
    metrics = summary.summarise(type(protocol()).model_validate(content), parts(), [])
    (line,) = [line for line in shown(metrics) if line.strip().startswith("100% ")]
    assert line.split() == ["100%", "2000", "80.00", "79.00"]
    assert shown(metrics)[-1] == "1 seed: no interval"


def test_the_interval_of_two_seeds_is_their_range_and_unreadable_images_are_counted() -> None:
    content = protocol().model_dump(mode="json") | {"seeds": 2}
    metrics = summary.summarise(type(protocol()).model_validate(content), parts(), [])
    value = metrics["accuracy/none/1%"]
    assert value["ci95"] == [min(value["per_seed"]), max(value["per_seed"])]
    metrics["unreadable"] = {"images": 1, "names": ["a.png"]}
    *_, left_out, legend = shown(metrics)
    assert left_out == "1 images could not be read and were left out; the column 'images' counts them: a.png"
    assert legend == "mean over 2 seeds [95 % interval of the mean: of two seeds, the smaller and the larger]"
