"""Import of Brian2, and the lock under which every Brian2 network is built and run.

Brian2 has one device, one set of preferences and one set of names per process, so threads take turns. Modules that use
Brian2 import this module first.
"""

import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Held while a network is built or run in this process.
LOCK = threading.RLock()


def _import() -> None:
    """Import Brian2 in any thread: its handler of SIGINT, which only the main thread may set, is not needed here."""
    set_handler: Callable[..., Any] = signal.signal

    def in_main_thread(number: int, handler: Any) -> Any:
        main = threading.current_thread() is threading.main_thread()
        return set_handler(number, handler) if main else signal.getsignal(number)

    signal.signal = in_main_thread  # type: ignore[assignment]
    try:
        import brian2  # noqa: F401
    finally:
        signal.signal = set_handler


def _without_files() -> None:
    """Delete the log files and the copy of the script that Brian2 opens: a process that is killed would leave them."""
    from brian2 import prefs
    from brian2.utils.logger import BrianLogger, std_silent

    prefs.logging.file_log = prefs.logging.save_script = False
    if BrianLogger.file_handler is not None:
        logging.getLogger("brian2").removeHandler(BrianLogger.file_handler)
        BrianLogger.file_handler.close()
        BrianLogger.file_handler = None
    for path in (BrianLogger.tmp_log, BrianLogger.tmp_script):
        if path is not None:
            Path(path).unlink(missing_ok=True)
    BrianLogger.tmp_log = BrianLogger.tmp_script = None
    for stream in ("stdout", "stderr"):  # output of compilers, which Brian2 shows where one fails
        file = tempfile.TemporaryFile("w+")  # noqa: SIM115  without a name; Brian2 closes it
        setattr(std_silent, f"dest_{stream}", file)
        setattr(std_silent, f"dest_fname_{stream}", f"/dev/fd/{file.fileno()}")


if "brian2" not in sys.modules:  # else the user's program has set it up
    _import()
    _without_files()
