"""Base class of all sections of a protocol: frozen, no unknown keys; and unions of sections that a key tells apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen part of a protocol; a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class ToldByKey:
    """Members of a union, each told by a key that only it has: for pydantic's `Discriminator` and `BeforeValidator`.

    Parameters
    ----------
    kinds
        Section of each key.
    nothing
        Start of the message about a value that has no key, for example ``is no layer``.
    suffix
        What a tag has after its key, where the key alone is also a key of other sections: messages leave tags out.
    """

    kinds: Mapping[str, type[Section]]
    nothing: str
    suffix: str = ""

    def tag(self, given: Any) -> str | None:
        """Tag of a section, or of what is to become one; None if it has none of the keys."""
        if isinstance(given, Section):
            return next(key + self.suffix for key, kind in self.kinds.items() if isinstance(given, kind))
        if not isinstance(given, Mapping):
            return None
        return next((key + self.suffix for key in self.kinds if key in given), None)

    def known(self, given: Any) -> Any:
        """The value itself, if it has one of the keys, and no more than one."""
        if self.tag(given) is None:
            keys = f"keys {', '.join(map(str, given))}" if isinstance(given, Mapping) and given else self.nothing
            raise ValueError(f"{keys}; allowed: a mapping with one of {', '.join(self.kinds)}")
        if isinstance(given, Mapping) and len(kinds := [key for key in self.kinds if key in given]) > 1:
            raise ValueError(f"keys {', '.join(kinds)}; allowed: one of them")
        return given
