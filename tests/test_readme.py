"""The README's example runs as it stands."""

import re
from pathlib import Path

import numpy as np


def test_library_example_runs_and_says_what_it_shows() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(example.strip().splitlines()) <= 12
    names: dict = {}
    exec(example, names)
    recording, culture = names["recording"], names["culture"]
    assert len(recording.neuron) > 100
    assert recording.neuron.max() < culture.spec.neurons.count
    assert np.all(np.diff(recording.step) >= 0)
    assert np.any(recording.weights["excitatory"].data != culture.weights["excitatory"].data)
