"""Cached index of tar shards, so that the headers of a million images are read only once.

The cache key contains the names, sizes and modification times of the shards. If an index cannot be written or read,
the headers are read again.
"""

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from protocols.images import datasets
from protocols.images.listing import ImageFiles, Labelled
from protocols.runs import dry_run

VERSION = 1  # of the index format
LONG = 2e9  # total size of shards, in bytes, above which a message announces the reading of headers
ARRAYS = ("containers", "container", "names", "offset", "length", "labels")


def kept(root: Path, n_classes: int, read: Callable[[], Labelled]) -> Labelled:
    """Listing of the shards in `root`: from the cached index if the shards are unchanged, otherwise from `read`."""
    try:
        shards = sorted(path for part in ("train", "val") for path in (root / part).iterdir())
        states = [(str(path), status.st_size, status.st_mtime_ns) for path in shards for status in [path.stat()]]
    except OSError:
        return read()  # which reports the error
    text = json.dumps([VERSION, str(root), n_classes, states])
    index = datasets.data_dir() / "index" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"
    if (found := _loaded(index, root)) is not None:
        return found
    if sum(size for _, size, _ in states) > LONG:
        print(f"reading the headers of {len(states)} shards in {root}", file=sys.stderr)
    found = read()
    if dry_run.active():
        return found
    with contextlib.suppress(OSError):
        _save(index, found)
    return found


def _save(index: Path, found: Labelled) -> None:
    parts = {"training": found.training, "test": found.test}
    arrays = {f"{part}/{name}": getattr(files, name) for part, files in parts.items() for name in ARRAYS}
    index.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=index.parent) as temporary:
        np.savez(Path(temporary) / "index.npz", classes=np.array(found.classes), **arrays)
        os.replace(Path(temporary) / "index.npz", index)


def _loaded(index: Path, root: Path) -> Labelled | None:
    try:
        with open(index, "rb") as file:  # np.load(path) would leave a damaged file open
            arrays = np.load(file)
            training, test = (
                ImageFiles(str(root), *(arrays[f"{part}/{name}"] for name in ARRAYS)) for part in ("training", "test")
            )
            return Labelled(training, test, tuple(arrays["classes"].tolist()))
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
