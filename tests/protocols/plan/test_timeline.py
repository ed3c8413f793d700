"""The timeline: properties of the expanded tables, without any simulator."""

import numpy as np
import yaml
from hypothesis import given
from hypothesis import strategies as st

from protocols.loading.loader import builtin, load
from protocols.loading.overrides import check
from protocols.plan.timeline import expand

BASE = yaml.safe_load(builtin()["ruaro2005"].read_text())

phases = st.lists(
    st.builds(
        dict,
        present=st.lists(st.sampled_from(["L", "inverted_L", "tetanus"]), min_size=1, max_size=3, unique=True),
        repetitions=st.integers(1, 5),
        order=st.sampled_from(["interleaved", "blocked", "shuffled"]),
        window=st.integers(400, 700).map(lambda ms: f"{ms} ms"),
        plastic=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


@given(phases, st.integers(0, 5))
def test_any_protocol_expands_to_consistent_tables(drawn: list[dict], seed: int) -> None:
    named = [phase | {"name": f"p{k}"} for k, phase in enumerate(drawn)]
    content = BASE | {"phases": named, "evoked": {"windows": {}}, "targets": None, "quick": {}}
    protocol = check(content)
    timeline = expand(protocol, seed)
    table, drives = timeline.presentations, timeline.drives
    assert len(table) == sum(len(p["present"]) * p["repetitions"] for p in drawn)
    # presentations follow each other without gap or overlap, phase after phase
    np.testing.assert_array_equal(table["onset_step"], np.cumsum(table["n_steps"]) - table["n_steps"])
    assert np.all(np.diff(table["phase"]) >= 0)
    for index, phase in enumerate(protocol.phases):
        rows = table[table["phase"] == index]
        seen = sorted((timeline.stimuli[r["stimulus"]], int(r["trial"])) for r in rows)
        assert seen == sorted((name, trial) for name in phase.present for trial in range(phase.repetitions))
        assert np.all(rows["plastic"] == phase.plastic)
    # every drive lies inside its presentation
    onset, length = table["onset_step"][drives["presentation"]], table["n_steps"][drives["presentation"]]
    assert np.all(drives["onset_step"] >= onset)
    assert np.all(drives["onset_step"] + drives["n_steps"] <= onset + length)
    assert len(drives) == sum(len(protocol.stimuli[timeline.stimuli[row["stimulus"]]].electrodes) for row in table)


def test_orders() -> None:
    def stimuli(order: str, seed: int = 0) -> list[int]:
        protocol = load("ruaro2005", [f"phases.before.order={order}", "phases.before.repetitions=4"])
        return expand(protocol, seed).presentations["stimulus"][:8].tolist()

    assert stimuli("interleaved") == [0, 1] * 4
    assert stimuli("blocked") == [0] * 4 + [1] * 4
    shuffled = {tuple(stimuli("shuffled", seed)) for seed in range(5)}
    assert len(shuffled) > 1
    assert all(sorted(order) == [0] * 4 + [1] * 4 for order in shuffled)


def test_ruaro_is_the_published_experiment() -> None:
    protocol = load("ruaro2005")
    timeline = expand(protocol)
    tetani = timeline.presentations[timeline.presentations["plastic"]]
    assert len(tetani) == 40
    driven = timeline.drives[timeline.drives["presentation"] == np.flatnonzero(timeline.presentations["plastic"])[0]]
    left_and_bottom = sorted({r * 10 for r in range(6)} | {50 + c for c in range(10)})
    np.testing.assert_array_equal(driven["electrode"], left_and_bottom)
    inverted = sorted(set(range(10)) | {r * 10 + 9 for r in range(6)})
    drawn = sorted(r * 10 + c for r, c in protocol.stimuli["inverted_L"].electrodes)
    assert drawn == inverted
    assert len(drawn) == 15
