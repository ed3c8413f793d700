"""A live session: a dish from its opening to its run directory."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from culture_sim.closed_loop.dish import Dish, Tick
from culture_sim.closed_loop.engine import opened
from culture_sim.closed_loop.pace import Pace
from culture_sim.closed_loop.schedule import Pulse
from culture_sim.experiments.dish import learning_intervals
from culture_sim.live import recorded, state_file
from culture_sim.living import LivingCulture, LivingState, prepare
from protocols.loading.loader import load
from protocols.plan.dish import expand_dish
from protocols.runs import interruption
from protocols.spec.faults import ProtocolFault, short
from protocols.spec.protocol import DishProtocol

MOST_REASON = 250  # characters of an error in a message


class LiveDish(Dish):
    """A dish for a program of one's own; the methods are those of `Dish`, and these.

    A context manager: `live` makes it. What the protocol's timeline plans, pulses and learning, happens at its time;
    beyond its end nothing does. When the context ends, for whatever reason, all that was recorded goes into a run
    directory, `run_dir`.
    """

    def __init__(self, session: "LiveSession", *arguments: Any) -> None:
        super().__init__(*arguments)
        self.session = session
        #: the run directory, when the session has ended
        self.run_dir: Path | None = None

    def loop(self, rate_hz: float = 100.0, seconds: float | None = None, pace: Pace = "fast") -> Iterator[Tick]:
        """As `Dish.loop`."""
        ticks = super().loop(rate_hz, seconds, pace)
        part = recorded.Part(self.step, rate_hz, pace, len(self.record.ticks))
        self.session.parts.append(part)
        return ticks

    def save(self, path: str | Path) -> None:
        """Save the state, to go on from it with ``live(..., state=path)``; pulses that are still to come, too.

        Raises
        ------
        RuntimeError
            If the simulator fails or was killed.
        OSError
            If the file cannot be written.
        """
        state_file.save(Path(path), self.session.culture_key, self._engine.state(), self.schedule.coming)


class LiveSession:
    """Opens a dish and closes it; see `live`."""

    def __init__(
        self,
        protocol: DishProtocol,
        seed: int,
        out: Path | None,
        device: str,
        state: Path | None,
        *,
        quiet: bool,
        signals: bool,
    ) -> None:
        self.protocol, self.seed, self.out, self.device = protocol, seed, out, device
        self.quiet, self.signals = quiet, signals
        self.culture_key = state_file.culture_key(protocol.culture, seed)
        self.from_state = state
        self.parts: list[recorded.Part] = []

    def __enter__(self) -> LiveDish:
        with contextlib.ExitStack() as resources:
            self.run = resources.enter_context(recorded.held(self.protocol, self.seed, self.out))
            if self.signals:
                resources.enter_context(interruption.noted_if_possible())
            culture = LivingCulture.grow(self.protocol.culture, self.seed)
            state, coming = LivingState.at_rest(culture), list[Pulse]()
            if self.from_state is not None:
                state, coming = state_file.load(self.from_state, self.culture_key, culture)
            self.engine = prepare(self.device)
            engine = resources.enter_context(opened(culture, state, self.engine))
            plastic = learning_intervals(plan := expand_dish(self.protocol))
            self.dish = LiveDish(
                self, culture, engine, state.step, self.protocol.record.within, plastic, self.seed, "live"
            )
            for pulse in coming if self.from_state is not None else recorded.planned(self.protocol, plan):
                self.dish.schedule.add(pulse)
            self.resources = resources.pop_all()
        return self.dish

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.resources, interruption.postponed():
            self._write(error)

    def _write(self, error: BaseException | None) -> None:
        if self.run is None:
            return
        for line in recorded.complaints(self.dish, self.parts):
            self._say(line)
        reason = "the program's end" if error is None else f"{type(error).__name__}: {error}".partition("\n")[0]
        self.dish.run_dir = recorded.written(
            self.run, self.protocol, self.seed, self.dish, self.parts, self.engine, reason
        )
        if self.dish.run_dir is None:
            self._say("No tick was simulated: no run directory.")
        else:
            why = "" if error is None else f" (ended at {self.dish.time:g} s by {short(reason, MOST_REASON)})"
            self._say(f"Run directory: {self.dish.run_dir}{why}")

    def _say(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr)


def live(
    protocol: str | Path | DishProtocol,
    seed: int = 0,
    *,
    out: str | Path | None = "runs",
    device: str = "auto",
    state: str | Path | None = None,
    set: Sequence[str] = (),  # noqa: A002  (the command's option has this name)
    quiet: bool = False,
    signals: bool = True,
) -> LiveSession:
    """Open the dish of a protocol for a program that listens and stimulates.

    Use it as a context manager, which gives a `LiveDish`::

        with live("spontaneous", seed=0) as dish:
            for tick in dish.loop(rate_hz=100, seconds=60):
                if len(tick.spikes.time) > 50:
                    dish.stimulate([27, 36], amplitude="30 uA")

    The same program on the same seed gives the same spikes, whatever the pace.

    Parameters
    ----------
    protocol
        A file, the name of a built-in protocol, or a loaded protocol, of a living culture.
    seed
        Of the culture and its noise.
    out
        Folder of run directories; None: nothing is written.
    device
        ``"auto"``, ``"cpp"`` or ``"runtime"`` (Brian2, slow): the same spikes.
    state
        A file of `LiveDish.save`, to go on from.
    set
        Changes of the protocol, ``path=value``, as those of the command's ``--set``.
    quiet
        Whether to print nothing to stderr.
    signals
        Whether SIGTERM, too, ends the session like Ctrl-C, so that it is written.

    Raises
    ------
    ProtocolFault
        If there is no such protocol, or it is not one of a living culture with a timeline.
    """
    if not isinstance(protocol, DishProtocol):
        loaded = load(str(protocol), set)
        if not isinstance(loaded, DishProtocol):
            raise ProtocolFault(
                [
                    f"{short(str(protocol))}: is not of a living culture with a timeline; "
                    "allowed: culture.model: living, and a timeline of steps"
                ]
            )
        protocol = loaded
    folder = None if out is None else Path(out)
    return LiveSession(
        protocol, seed, folder, device, None if state is None else Path(state), quiet=quiet, signals=signals
    )
