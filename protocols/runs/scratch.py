"""Scratch folders in the temporary directory, which no killed process leaves behind for long.

A folder is locked while its process lives. Whoever makes the next one deletes those that nobody holds any more.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from multiprocessing import util
from pathlib import Path

PREFIX = "culture_run_"
LONGEST_SOCKET = 107  # bytes of the path of a Unix socket
SOCKET_BELOW = 33  # of which multiprocessing takes so many below the temporary directory

_own_process = False
_claimed = False


@contextlib.contextmanager
def new_folder() -> Iterator[Path]:
    """A new folder, deleted at the end."""
    clear()
    folder, lock = _locked()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def clear() -> None:
    """Delete the folders of processes that have ended without deleting them."""
    with contextlib.suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                _delete_unless_held(folder)


def own_process() -> None:
    """Let `claim` take effect: the process serves a single command."""
    global _own_process
    _own_process = True


def claim() -> None:
    """Put all further temporary files of this process into one folder, deleted when it ends; once per process.

    Called where a command begins to write. The files of compilers and libraries go there, too.
    """
    global _claimed
    if _claimed or not _own_process:
        return
    _claimed = True
    clear()
    try:
        folder, _ = _locked()  # the lock lasts as long as the process
    except OSError:  # whoever needs a temporary file will say so
        return
    if len(os.fsencode(folder)) + SOCKET_BELOW > LONGEST_SOCKET:
        util.get_temp_dir()  # multiprocessing's sockets stay outside
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    # At exit of this process, not of a forked one, and after multiprocessing has deleted its files (priority -100).
    util.Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-1000)


def _locked() -> tuple[Path, int]:
    """A new folder and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # another process took it for one left behind
        if _is_ours(lock) and folder.is_dir():
            return folder, lock
        os.close(lock)  # another process is deleting it


def _is_ours(lock: int) -> bool:
    """Lock a new folder; False where another process holds it. File systems without locks lock nothing."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _delete_unless_held(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(lock).st_uid == os.getuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where a process holds it
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
