"""Experiments that share one engine give the same results as each alone, also if some end early or fail."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culture_sim.engines import Engine
from culture_sim.engines.base import Progress
from culture_sim.engines.batch import Batch
from culture_sim.engines.recording import Recording
from culture_sim.engines.runtime import RuntimeEngine
from culture_sim.experiments import dispatch
from culture_sim.model.culture import Culture
from culture_sim.search.generation import together
from protocols.loading.loader import load
from protocols.loading.overrides import changed
from protocols.runs.reporting import unheard, unwatched
from protocols.search.trial import scratch_run
from protocols.spec.protocol import Protocol
from tests.conftest import random_session, spec

pytestmark = pytest.mark.whole

TINY = {
    "data.pool": 300,
    "data.test": 8,
    "data.validation": 10,
    "association.presentation": "30 ms",
    "association.training.presentations": 8,
    "association.evaluation.every": 4,
    "association.probe": {"per_label": 1, "random": 1},
    "seeds": 1,
}


def run_alone(protocol: Protocol, engine: Engine) -> dict[str, np.ndarray]:
    with scratch_run(protocol) as run:
        return dispatch.run_seed(protocol, engine, run, 3, unheard, unwatched)


class Counting(RuntimeEngine):
    """An engine that records the number of cultures of each batch."""

    def __init__(self) -> None:
        super().__init__("numpy")
        self.sizes: list[int] = []

    def run_batch(self, batch: Batch, progress: Progress) -> list[Recording]:
        self.sizes.append(len(batch.cultures))
        return super().run_batch(batch, progress)


def test_a_generation_of_trials_gives_what_each_gives_alone(tmp_path: Path) -> None:
    own = changed(load("digits01"), TINY)
    protocols = [
        changed(own, {"culture.neurons.count": 60, "culture.excitatory.strength": "80 mV"}),
        changed(own, {"culture.neurons.count": 45, "culture.inhibitory.sigma": "0.3 mm"}),
        changed(own, {"culture.neurons.count": 60, "association.image.rate": "300 Hz"}),
    ]
    engine = Counting()
    found = together(engine, 60, [partial(run_alone, protocol) for protocol in protocols])
    assert set(engine.sizes) == {3}
    for protocol, arrays in zip(protocols, found, strict=True):
        assert isinstance(arrays, dict), arrays
        alone = run_alone(protocol, RuntimeEngine("numpy"))
        assert arrays.keys() == alone.keys()
        for path, array in alone.items():
            np.testing.assert_allclose(arrays[path], array, rtol=1e-12, atol=1e-15, err_msg=path)


def test_who_fails_or_leaves_early_stops_nobody() -> None:
    engine = Counting()
    culture, session = Culture.grow(spec(30), 1), random_session(2, 20)
    longer = random_session(2, 25)

    def presents(sessions: list[Any], engine: Engine) -> list[int]:
        return [len(engine.run(culture, it, lambda *_: None).neuron) for it in sessions]

    def fails(engine: Engine) -> list[int]:
        engine.run(culture, session, lambda *_: None)
        raise ValueError("no such luck")

    work = [partial(presents, [session] * 3), fails, partial(presents, [session]), partial(presents, [longer, session])]
    found = together(engine, 30, work)
    alone = presents([session, longer], RuntimeEngine("numpy"))
    assert found[0] == [alone[0]] * 3
    assert str(found[1]) == "no such luck"
    assert found[2] == [alone[0]]
    assert found[3] == [alone[1], alone[0]]
    assert sorted(engine.sizes[:2]) == [1, 3]  # presentations of another length form a separate batch
    assert engine.sizes[2:] == [2, 1]


def test_a_batch_that_fails_is_every_members_failure() -> None:
    class Broken(RuntimeEngine):
        def run_batch(self, batch: Batch, progress: Progress) -> list[Recording]:
            raise RuntimeError("the GPU is gone")

    culture, session = Culture.grow(spec(30), 1), random_session(2, 20)
    found = together(Broken("numpy"), 30, [lambda engine: engine.run(culture, session, lambda *_: None)] * 2)
    assert [str(error) for error in found] == ["the GPU is gone"] * 2


@pytest.mark.parametrize("name", ["electrode", "excitatory", "inhibitory"])
def test_filling_up_adds_neurons_without_synapses(name: str) -> None:
    culture = Culture.grow(spec(30), 1)
    more = culture.filled(40)
    dense, own = more.weights[name].toarray(), culture.weights[name].toarray()
    np.testing.assert_array_equal(dense[: len(own), :30], own)
    assert np.count_nonzero(dense) == np.count_nonzero(own)
    assert replace(culture).filled(30).positions.shape == (30, 2)
