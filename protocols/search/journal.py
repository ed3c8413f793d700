"""Storage of a study: a journal of JSON lines, intact even if a writing process is killed, or a database."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from protocols.spec.faults import ProtocolFault


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file; the operating system releases it if the process is killed."""
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def storage(path: Path, url: str | None) -> Any:
    """Optuna's storage: the journal at `path`, or the database at `url`.

    Raises
    ------
    ProtocolFault
        If the database cannot be reached.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if url is None:
        lock: Any = WholeLines(path)
        backend = JournalFileBackend(str(path), lock_obj=lock)
        lock.acquire()  # removes a half-written line, which Optuna could not read
        lock.release()
        return optuna.storages.JournalStorage(backend)
    try:
        return optuna.storages.RDBStorage(url)
    except Exception as error:  # whatever the database's driver raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        shown = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)
        raise ProtocolFault([f"--storage {shown}: {reason}; allowed: the URL of a database, or none"]) from None


class WholeLines:
    """Optuna's lock on a journal; acquiring it removes a half-written line.

    A killed process or a full disk leaves such a line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held = contextlib.ExitStack()

    def acquire(self) -> bool:
        """Wait until no other process writes."""
        self.held.enter_context(alone(self.path.with_name(f"{self.path.name}.lock")))
        drop_half_line(self.path)
        return True

    def release(self) -> None:
        """Release the lock."""
        self.held.close()


def drop_half_line(path: Path) -> None:
    """Remove an incomplete last line."""
    with open(path, "rb+") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(0, end - 65536)
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
            if newline >= 0:
                end = begin + newline + 1
                break
            end = begin
        if end < size:
            file.truncate(end)
