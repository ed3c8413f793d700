"""Sessions: what they accept, and in which order."""

import numpy as np
import pytest

from culture_sim.living import LivingSession

PULSE = {"step": [1], "electrode": [0], "amplitude_A": [1e-6], "width_s": [1e-4]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_steps": 0}, "n_steps: 0; allowed: 1 to"),
        ({"step": [10]}, "step: 10 to 10; allowed: 0 to 9"),
        ({"step": [1, 2]}, "2, 1, 1, 1 entries; allowed: as many of each"),
        ({"step": [1.5]}, "step: 1-dimensional float64; allowed: a 1-dimensional array of integers"),
        ({"electrode": [-1]}, "electrode: -1; allowed: 0 or more"),
        ({"amplitude_A": [0]}, "amplitude_A: allowed: a 1-dimensional array of finite numbers above 0"),
        ({"width_s": [np.nan]}, "width_s: allowed"),
        ({"plastic": [[2, 11]]}, "plastic: allowed: ascending intervals without overlap within 0 to 10"),
        ({"plastic": [[2, 5], [4, 8]]}, "plastic: allowed"),
        ({"plastic": [2, 5, 6]}, "plastic: allowed"),
        ({"plastic": [[2.5, 5]]}, "plastic: 1-dimensional float64; allowed"),
        ({"snapshots": [11]}, "snapshots: allowed: ascending steps from 0 to 10"),
        ({"snapshots": [3, 3]}, "snapshots: allowed"),
    ],
)
def test_bad_sessions_are_refused_in_one_clear_line(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        LivingSession(**{"n_steps": 10, **PULSE, **arguments})
    assert "\n" not in str(caught.value)


def test_pulses_are_sorted_by_time() -> None:
    session = LivingSession(9, step=[5, 2], electrode=[0, 1], amplitude_A=[1e-6, 2e-6], width_s=[1e-4, 2e-4])
    assert session.step.tolist() == [2, 5]
    assert session.amplitude_A.tolist() == [2e-6, 1e-6]
    assert session.electrode.tolist() == [1, 0]
