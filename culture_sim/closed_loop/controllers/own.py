"""A controller of the user's: a class that a protocol names; the loader says whether it may run."""

import importlib
from typing import Any

from culture_sim.closed_loop.dish import Dish
from protocols.spec.dish.loops import Code


def own(spec: Code, dish: Dish) -> Any:
    """The controller, an object with a method ``tick``.

    Raises
    ------
    ValueError
        If the class cannot be imported or made, or it has no such method.
    """
    name, _, attribute = spec.module.partition(":")
    try:
        made = getattr(importlib.import_module(name), attribute)(dish, **spec.arguments)
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"{spec.module}: {error}; allowed: a class that takes the dish and the arguments") from error
    if not callable(getattr(made, "tick", None)):
        raise ValueError(f"{spec.module}: has no method tick; allowed: a class with tick(self, tick)")
    return made
