"""Simulated recordings: what the electrodes hear of a culture with given parameters, and its panel of measures."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from culture_sim.analysis.panel import panel
from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.experiments.dish import kept, learning_intervals
from culture_sim.experiments.dish_measures import DishRecording
from culture_sim.living import LivingCulture, LivingSession, simulate
from culture_sim.model.electrodes import neurons_within
from protocols.loading.overrides import changed
from protocols.plan.dish import electrode_pulses, expand_dish
from protocols.spec.dish.asked import Panel
from protocols.spec.dish.measures import PANEL, Measures
from protocols.spec.protocol import DishProtocol

MOST_RATE = 50.0  # Hz, mean over neurons: beyond it a culture is not measured, no recording shows it


def asked_panel(protocol: DishProtocol) -> Panel:
    """The one panel that the protocol of a fit asks for."""
    (asked,) = (asked for asked in protocol.measure.values() if isinstance(asked, Panel))
    return asked


def definitions_by(rules: Sequence[str], protocol: DishProtocol) -> dict[str, Measures]:
    """The definitions of the panel with other rules of network bursts, by the name of the rule."""
    own = asked_panel(protocol).definitions.model_dump(mode="json")
    return {rule: Measures.model_validate(own | {"network_bursts": {"rule": rule}}) for rule in rules}


def heard(protocol: DishProtocol, device: str, seed: int) -> SpikeTrains | None:
    """What the electrodes hear of one culture in the step of the panel; None if it fires beyond `MOST_RATE`."""
    plan = expand_dish(protocol)
    culture = LivingCulture.grow(protocol.culture, seed)
    session = LivingSession(plan.n_steps, *electrode_pulses(protocol, plan), plastic=learning_intervals(plan))
    recording = simulate(culture, session, device)
    seconds = plan.n_steps * protocol.culture.simulation.dt
    if len(recording.neuron) > MOST_RATE * seconds * len(culture.positions):
        return None
    reached = neurons_within(protocol.record.within, culture.electrodes, culture.positions)
    arrays = {"positions": culture.positions, "electrodes": culture.electrodes, **kept(protocol, reached, recording, 0)}
    return DishRecording.of(protocol, arrays).trains(asked_panel(protocol).panel)


def with_parameters(protocol: DishProtocol, values: dict[str, Any]) -> DishProtocol:
    """The experiment with other values of parameters, by dotted path, as a protocol file spells them."""
    found = changed(protocol, values)
    assert isinstance(found, DishProtocol)  # noqa: S101  (parameters do not change the kind)
    return found


def panel_values(trains: SpikeTrains | None, definitions: Measures) -> np.ndarray:
    """All measures of the panel in the order of `PANEL`, shape (n_measures,); NaN where one is not defined."""
    if trains is None:
        return np.full(len(PANEL), np.nan)
    found = panel(trains, definitions)
    return np.array([found[name].value for name in PANEL])
