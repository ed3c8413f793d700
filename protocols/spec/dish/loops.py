"""Controllers of closed loops: what a ``loop:`` step hands the spikes of every tick to."""

from typing import Annotated, Literal

from pydantic import Discriminator

from protocols.spec.section import Section


class Idle(Section):
    """Does nothing: the step is a rest, tick by tick."""

    controller: Literal["idle"]


class LiveProgram(Section):
    """A program outside of the protocol (`culture_sim.live`): recorded in a finished run, and cannot be run again."""

    controller: Literal["live"]


Controller = Annotated[Idle | LiveProgram, Discriminator("controller")]
