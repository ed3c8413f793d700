"""Pong after Kagan et al. 2022 (Neuron 110:3952): the game, what the culture senses of it, and feedback."""

from dataclasses import dataclass, field

import numpy as np

from culture_sim.closed_loop.dish import Dish, Tick
from protocols.spec.dish.loops import Pong
from protocols.spec.dish.timeline import Pattern

STEEPEST = np.pi / 4  # of the ball's direction at a start


@dataclass
class Game:
    """Ball and paddle in a square of side 1; the paddle moves along x = 0.

    Parameters
    ----------
    speed, paddle_speed
        Sides a second.
    paddle
        Length of the paddle.
    rng
        Of the starts.
    """

    speed: float
    paddle: float
    paddle_speed: float
    rng: np.random.Generator
    x: float = field(init=False)
    y: float = field(init=False)
    velocity: tuple[float, float] = field(init=False)
    place: float = 0.5  # of the paddle's middle

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new ball, at a random height of the far side and in a random direction."""
        self.x, self.y = 1.0, float(self.rng.random())
        angle = float(self.rng.uniform(-STEEPEST, STEEPEST))
        self.velocity = (-self.speed * np.cos(angle), self.speed * np.sin(angle))

    def move(self, seconds: float, direction: int) -> str | None:
        """Move on; ``hit`` or ``miss`` if the ball reaches the paddle's side.

        Parameters
        ----------
        direction
            Of the paddle: 1 towards y = 1, -1 towards 0, 0 not at all.
        """
        half = self.paddle / 2
        self.place = min(1 - half, max(half, self.place + direction * self.paddle_speed * seconds))
        vx, vy = self.velocity
        self.x += vx * seconds
        self.y += vy * seconds
        if not 0 <= self.y <= 1:
            self.y, vy = (-self.y if self.y < 0 else 2 - self.y), -vy
        if self.x > 1:
            self.x, vx = 2 - self.x, -vx
        outcome = None
        if self.x < 0:
            outcome = "hit" if abs(self.y - self.place) <= half else "miss"
            self.x, vx = -self.x, -vx
        self.velocity = vx, vy
        return outcome


class PongController:
    """Plays with a dish.

    Parameters
    ----------
    spec
    dish
    sensory, up, down
        The three patterns; only electrodes are taken of `up` and `down`.
    """

    def __init__(self, spec: Pong, dish: Dish, sensory: Pattern, up: Pattern, down: Pattern) -> None:
        self.spec, self.dish, self.pulse = spec, dish, sensory
        array = dish.culture.spec.array
        self.sensory = [array.numbers([place])[0] for place in sensory.electrodes]  # in the pattern's order
        self.motor = [np.isin(np.arange(dish.n_electrodes), array.numbers(p.electrodes)) for p in (up, down)]
        self.game = Game(spec.speed, spec.paddle, spec.paddle_speed, dish.rng)
        self.rates, self.usual = np.zeros(2), np.zeros(2)  # Hz of each motor region
        self.rally, self.now_s, self.due_s, self.resumes_s = 0, dish.time, dish.time, dish.time
        self.outcomes: list[str] = []

    def tick(self, tick: Tick) -> None:
        """Move paddle and ball by a tick, and stimulate."""
        length_s, self.now_s = tick.time - self.now_s, tick.time
        self._listen(tick, length_s)
        if tick.time < self.resumes_s - self.dish.dt / 2:
            return
        up, down = self.rates - self.usual
        outcome = self.game.move(length_s, int(np.sign(up - down)))
        if outcome is None:
            self._sense()
            return
        self.outcomes.append(outcome)
        if outcome == "hit":
            self.rally += 1
            self.dish.note("hit", self.rally)
        else:
            self.dish.note("miss", self.rally)
            self.rally = 0
            self.game.start()
        self._give_feedback(outcome)

    def _listen(self, tick: Tick, length_s: float) -> None:
        """Rates of the motor regions, and what is usual for each."""
        for k, region in enumerate(self.motor):
            rate = np.count_nonzero(region[tick.spikes.electrode]) / length_s
            self.rates[k] += min(1.0, length_s / self.spec.window) * (rate - self.rates[k])
            self.usual[k] += min(1.0, length_s / self.spec.average) * (rate - self.usual[k])

    def _sense(self) -> None:
        """A pulse at the ball's place whenever one is due; the nearer the ball, the sooner the next."""
        if self.now_s < self.due_s - self.dish.dt / 2:
            return
        k = min(len(self.sensory) - 1, int(self.game.y * len(self.sensory)))
        self._stimulate([self.sensory[k]], self.now_s, "ball")
        rate_hz = self.spec.near + (self.spec.far - self.spec.near) * self.game.x
        self.due_s = max(self.due_s, self.now_s - 1 / rate_hz) + 1 / rate_hz

    def _give_feedback(self, outcome: str) -> None:
        """Stimuli of the outcome, or as the control has it; the game waits until they are over."""
        spec, rng, now = self.spec, self.dish.rng, self.now_s
        pauses = {"hit": spec.hit_length, "miss": spec.miss_length}
        given = str(rng.choice(self.outcomes)) if spec.feedback == "shuffled" else outcome
        self.resumes_s = self.due_s = now + pauses[given]
        if spec.feedback == "none":
            return
        if given == "hit":
            for k in range(round(spec.hit_length * spec.hit_rate)):
                self._stimulate(self.sensory, now + k / spec.hit_rate, "predictable")
            return
        for at in np.sort(rng.uniform(0, spec.miss_length, rng.poisson(spec.miss_length * spec.miss_rate))):
            self._stimulate([int(rng.choice(self.sensory))], now + float(at), "unpredictable")

    def _stimulate(self, electrodes: list[int], at_s: float, label: str) -> None:
        self.dish.stimulate(electrodes, self.pulse.amplitude, self.pulse.width, at=at_s, label=label)
