"""Shared fixtures: small cultures, sessions, and a separate cache of compiled programs."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from culture_sim.engines.session import Session
from protocols.spec.culture import Culture as CultureSpec

# One cache for all test workers and test runs of this user, separate from the user's own cache.
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / f"culture_twin_tests_{os.getuid()}")

# The same examples in every run, so that only a change can fail a test; HYPOTHESIS_PROFILE=search tries new ones.
settings.register_profile("same", derandomize=True, deadline=None, max_examples=50)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def spec(count: int = 240, **changes: object) -> CultureSpec:
    """The published biological culture; `changes` by dotted path with underscores doubled, e.g. neurons__rest."""
    content: dict = {
        "neurons": {"count": count},
        "electrode": {"sigma": "0.3 mm", "strength": "40 mV"},
        "excitatory": {"sigma": "1.2 mm", "strength": "40 mV"},
        "inhibitory": {"sigma": "0.15 mm", "strength": "400 mV"},
    }
    for path, value in changes.items():
        section, key = path.split("__")
        content.setdefault(section, {})[key] = value
    return CultureSpec.model_validate(content)


#: "tuned" parameters of the paper at 240 neurons
TUNED = {
    "neurons__rest": "-90 mV",
    "neurons__lower_bound": None,
    "excitatory__strength": "120 mV",
    "inhibitory__strength": "12000 mV",
}


def random_session(
    n: int = 20,
    n_steps: int = 100,
    seed: int = 1,
    rate: float = 0.15,
    n_electrodes: int = 60,
    plastic: np.ndarray | None = None,
    snapshot: np.ndarray | None = None,
) -> Session:
    """Presentations in each of which a random half of the electrodes fires at random."""
    rng = np.random.default_rng(seed)
    driven = rng.random((n, 1, n_electrodes)) < 0.5
    pulses = (rng.random((n, n_steps, n_electrodes)) < rate) & driven
    step, electrode = np.nonzero(pulses.reshape(n * n_steps, n_electrodes))
    learns = np.ones(n, bool) if plastic is None else plastic
    return Session(np.full(n, n_steps), learns, electrode, step, snapshot)


@pytest.fixture
def session() -> Session:
    return random_session()
