"""The run directory of a live session: a protocol that says what was done, and the arrays of all that was recorded."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.closed_loop.dish import Dish
from culture_sim.closed_loop.schedule import Pulse
from culture_sim.experiments import dish as dish_experiment
from culture_sim.living import LivingRecording, LivingSession
from culture_sim.model.electrodes import neurons_within
from protocols.loading.overrides import check
from protocols.plan.dish import DishPlan, electrode_pulses
from protocols.runs.run_directory import Run, RunInUse, provenance, resolved, run_hash
from protocols.spec.dish.asked import Panel
from protocols.spec.protocol import DishProtocol

PACKAGES = ("culture_sim", "protocols")
LATE_S = 5e-3  # a tick that is handed out so late is counted


@dataclass(frozen=True)
class Part:
    """A loop of a session: first time step, ticks per second, pace, and number of ticks before it."""

    first: int
    rate_hz: float
    pace: str
    ticks_before: int


@contextlib.contextmanager
def held(protocol: DishProtocol, seed: int, out: Path | None) -> Iterator[Run | None]:
    """Hold the directory of an unfinished session, so that no other program writes to it; None where nothing is kept.

    Raises
    ------
    RunInUse
        If another program has this dish open.
    """
    if out is None:
        yield None
        return
    one = protocol.model_copy(update={"seeds": 1, "first_seed": seed})
    run = Run(out, one, f"live-{run_hash(one, {}, PACKAGES)}")
    with contextlib.ExitStack() as held_one:
        try:
            held_one.enter_context(run.writing(afresh=True))
        except RunInUse:
            raise RunInUse(
                f"another program has this dish open ({protocol.name}, seed {seed}, in {out}); "
                "allowed: another seed, or another folder (out)"
            ) from None
        try:
            yield run
        finally:
            with contextlib.suppress(OSError):
                run.partial.rmdir()  # of a session without a tick


def planned(protocol: DishProtocol, plan: DishPlan) -> list[Pulse]:
    """The pulses of the protocol's timeline; each is called by its pattern."""
    labels = [
        plan.patterns[pulse["pattern"]]
        for pulse in plan.pulses
        for _ in protocol.patterns[plan.patterns[pulse["pattern"]]].electrodes
    ]
    at, electrode, amplitude, width = (column.tolist() for column in electrode_pulses(protocol, plan))
    return [Pulse(*row) for row in zip(at, electrode, amplitude, width, labels, strict=True)]


def complaints(dish: Dish, parts: Sequence[Part]) -> list[str]:
    """Lines about ticks that came late, and about a controller that takes longer than a tick."""
    lines = []
    for name, part, ticks in _named(dish, parts):
        controller, late = np.array(dish.record.controller[ticks]), np.array(dish.record.late[ticks])
        period = 1 / part.rate_hz
        if slow := int((controller > period).sum()):
            lines.append(
                f"{name}: the program took longer than a tick ({period * 1e3:g} ms) in {slow} of {len(controller)} "
                f"ticks, {controller.max() * 1e3:.0f} ms at most"
            )
        if n := int((late > LATE_S).sum()):
            lines.append(
                f"{name}: {n} of {len(late)} ticks came more than {LATE_S * 1e3:g} ms late, "
                f"{late.max() * 1e3:.1f} ms at most"
            )
    return lines


def _named(dish: Dish, parts: Sequence[Part]) -> list[tuple[str, Part, slice]]:
    """Loops that had a tick, with their names and the place of their ticks in the record."""
    ends = [part.ticks_before for part in parts[1:]] + [len(dish.record.ticks)] * bool(parts)
    had = [(part, slice(part.ticks_before, end)) for part, end in zip(parts, ends, strict=True)]
    had = [(part, ticks) for part, ticks in had if ticks.stop > ticks.start]
    return [("live" if k == 0 else f"live_{k + 1}", *each) for k, each in enumerate(had)]


def written(
    run: Run, protocol: DishProtocol, seed: int, dish: Dish, parts: Sequence[Part], device: str, reason: str
) -> Path | None:
    """Write the run directory; None if no tick was simulated."""
    named = _named(dish, parts)
    if not named:
        return None
    done = recorded_protocol(protocol, seed, dish, named)
    first, last = dish.first, dish.record.ticks[-1]
    of_loop = dish.record.arrays(first, last)
    neuron, step, direct = dish.record.all_spikes(first, last)
    recording = LivingRecording(dish.dt, LivingSession(last - first), neuron, step, direct, None)  # type: ignore[arg-type]
    reached = neurons_within(done.record.within, dish.culture.electrodes, dish.culture.positions)
    arrays = dish_experiment.arrays_of(done, dish.culture, dish_experiment.kept(done, reached, recording, 0) | of_loop)
    metrics = dish_experiment.summarise([arrays], [])
    facts: dict[str, Any] = {
        "learner": "culture_sim",
        "seeds": [seed],
        "device": device,
        "live": {
            "ended_by": reason,
            "from_step": first,
            "pulses_not_given": len(dish.schedule.coming),
            "pace": {name: part.pace for name, part, _ in named},
            **dish.record.timing(max(1 / part.rate_hz for _, part, _ in named)),
        },
    }
    finished = Run(run.path.parent.parent, done, _key(done, of_loop))
    finished.partial = run.partial
    finished.finish(
        metrics, provenance(PACKAGES, **facts), {f"seed_{seed}/{path}": array for path, array in arrays.items()}
    )
    return finished.path


def recorded_protocol(
    protocol: DishProtocol, seed: int, dish: Dish, named: Sequence[tuple[str, Part, slice]]
) -> DishProtocol:
    """The protocol of what was done: a step for each loop, the times between them as rests, a panel of each loop."""
    timeline: list[dict[str, Any]] = []
    now, ticks = dish.first, dish.record.ticks
    for name, part, own in named:
        if part.first > now:
            timeline.append({"name": f"before_{name}", "rest": _ms(dish, part.first - now)})
        now = ticks[own.stop - 1]
        loop = {"controller": "live"}
        length = _ms(dish, now - part.first)
        timeline.append({"name": name, "loop": loop, "duration": length, "rate": f"{part.rate_hz!r} Hz"})
    definitions = next((m.definitions for m in protocol.measure.values() if isinstance(m, Panel)), None)
    panel = {} if definitions is None else {"definitions": definitions.model_dump(mode="json")}
    content = protocol.model_dump(mode="json") | {
        "title": f"{protocol.title} (live)",
        "patterns": {},
        "timeline": timeline,
        "measure": {name: {"panel": name} | panel for name, _, _ in named},
        "targets": None,
        "seeds": 1,
        "first_seed": seed,
        "quick": {},
        "search": None,
    }
    done = check(content)
    assert isinstance(done, DishProtocol)  # noqa: S101  (by its sections)
    return done


def _ms(dish: Dish, n_steps: int) -> str:
    return f"{n_steps * dish.dt * 1e3:.9g} ms"


def _key(protocol: DishProtocol, of_loop: dict[str, np.ndarray]) -> str:
    """Name of the run directory: hash of what was done by which code; the same program gives the same."""
    digest = hashlib.sha256(f"{resolved(protocol)} {run_hash(protocol, {}, PACKAGES)}".encode())
    for name, values in sorted(of_loop.items()):
        digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:12]
