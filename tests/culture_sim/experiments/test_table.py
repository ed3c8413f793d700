"""Tables of evoked responses as they are printed."""

import io
from typing import Any

from rich.console import Console

from culture_sim.experiments import table


def test_a_response_has_one_row_and_growth_is_explained() -> None:
    def value(window_ms: float) -> dict[str, Any]:
        return {"mean": 2.0, "sd": 0.5, "n": 2, "unit": "spikes", "window_ms": [0, window_ms]}

    metrics = {
        "evoked/tee/before": value(20),
        "evoked/tee/after": value(50),
        "evoked/tee/before/20ms": value(20),
        "evoked/tee/before/50ms": value(50),
        "evoked/tee/after/20ms": value(20),
        "evoked/tee/after/50ms": value(50),
        "growth/tee/20ms": {
            "ratio_per_seed": [1.5, None], "grows_per_seed": [True, False], "from": "before", "to": "after"
        },
        "targets": [],
    }  # fmt: skip
    text = io.StringIO()
    table.show(metrics, Console(file=text, width=120))
    lines = text.getvalue().splitlines()
    rows = [line.split()[0] for line in lines if "evoked/" in line]
    assert rows == ["evoked/tee/before", "evoked/tee/after", "evoked/tee/before/50ms", "evoked/tee/after/20ms"]
    assert lines[-2:] == ["tee grows in 1 of 2 cultures (after / before, first 20ms: 1.50, -)", table.GROWS]
