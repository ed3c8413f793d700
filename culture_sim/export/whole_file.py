"""Files of other libraries, written completely or not at all."""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path) -> Iterator[str]:
    """Name of a file beside `path`, of the same suffix, which takes the place of `path` at the end.

    Until then nothing is at `path`, or what was there before. The library's warnings about its own future are silent.
    """
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent, suffix=path.suffix)
    os.close(handle)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield unfinished
        Path(unfinished).chmod(0o644)
        Path(unfinished).replace(path)
    finally:
        Path(unfinished).unlink(missing_ok=True)
