"""Markers of start, best and other trials, the same in all figures of a search."""

from typing import Any

from figures.style import AFTER, BEFORE, PUBLISHED

_EDGE: dict[str, Any] = {"mec": "white", "mew": 0.8, "ls": "none", "zorder": 4}
START: dict[str, Any] = {"marker": "D", "ms": 4.8, "color": PUBLISHED, "label": "start", **_EDGE, "zorder": 5}
BEST: dict[str, Any] = {"marker": "*", "ms": 14, "color": AFTER, "label": "recommended", **_EDGE}
TRIAL: dict[str, Any] = {"marker": "o", "ms": 3.5, "color": BEFORE, "mew": 0, "ls": "none", "label": "trial"}
PRUNED: dict[str, Any] = {"marker": "|", "ms": 6, "color": BEFORE, "ls": "none", "label": "given up early"}
FAILED: dict[str, Any] = {"marker": "x", "ms": 4, "color": PUBLISHED, "ls": "none", "label": "failed"}
