"""Compiled programs: built once, kept under the hash of source and compiler, run in a scratch directory on raw arrays.

Needs no Brian2.
"""

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from protocols.runs import scratch
from protocols.runs.machine import processor_features

# No reordering of sums and no special cases: the same numbers, however a loop is vectorised.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math")


def cache_dir() -> Path:
    """Folder of the compiled programs."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "culture_sim" / "programs"


@cache
def compiler() -> str | None:
    """Name and version of the C++ compiler; None if there is none."""
    command = shlex.split(os.environ.get("CXX", "g++"))[0]
    if shutil.which(command) is None or shutil.which("make") is None:
        return None
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    return version.stdout.splitlines()[0] if version.returncode == 0 and version.stdout else None


def compiled(sources: Iterable[Path], flags: Sequence[str] = ()) -> Path:
    """The program of hand-written sources; compiles it unless it is kept already.

    Parameters
    ----------
    sources
        ``program.cpp`` and its headers, but for ``files.h``, which all programs share.
    flags
        Of the compiler, beyond `FLAGS`.

    Raises
    ------
    RuntimeError
        If there is no C++ compiler, or it fails; the message holds the end of what it said.
    """
    if compiler() is None:
        raise RuntimeError("no C++ compiler found (g++ and make); allowed: --device runtime")
    files = (*sources, Path(__file__).parent / "files.h")
    command = (*shlex.split(os.environ.get("CXX", "g++")), *FLAGS, *flags, "program.cpp", "-o", "main")
    key = source_hash({path.name: path for path in files}, (compiler(), command, processor_features()))
    kept = cache_dir() / key / "main"
    if not usable(kept):
        with scratch.new_folder() as project:
            for source in files:
                shutil.copy(source, project)
            keep(kept, project, lambda project: compile_in(project, *command))
    return kept


def keep(program: Path, project: Path, build: Callable[[Path], None]) -> None:
    """Ensure that the program exists: unless it does, build it in the project's folder (as ``main``) and copy it."""
    program.parent.mkdir(parents=True, exist_ok=True)
    with _lock(program.parent / "lock"):
        if not usable(program):
            build(project)
            unfinished = program.with_suffix(".part")
            shutil.copy(project / "main", unfinished)
            unfinished.rename(program)


def compile_in(project: Path, *command: str) -> None:
    """Run a compiler in the folder of a project.

    Raises
    ------
    RuntimeError
        If it fails; the message holds the end of its error output.
    """
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError("the C++ compiler failed:\n" + done.stderr[-2000:])


def usable(program: Path) -> bool:
    """Whether the file is there and can be run."""
    return program.is_file() and program.stat().st_size > 0 and os.access(program, os.X_OK)


def source_hash(sources: Mapping[str, Path], tools: tuple) -> str:
    """Cache key of a compiled program: hash of its sources, by name, and of the tools that compile them."""
    digest = hashlib.sha256(repr(tools).encode())
    for name, path in sorted(sources.items()):
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def inputs_of(directory: Path) -> Iterator[Callable[[str, object, npt.DTypeLike], None]]:
    """The folders ``inputs`` and ``outputs`` of a program; gives a function that writes an array: name, values, type.

    Raises
    ------
    RuntimeError
        If an array cannot be written, for example on a full disk.
    """
    inputs = directory / "inputs"

    def write(name: str, values: object, dtype: npt.DTypeLike) -> None:
        np.asarray(values).astype(dtype, copy=False).tofile(inputs / name)

    try:
        inputs.mkdir()
        (directory / "outputs").mkdir()
        yield write
    except OSError as error:  # NumPy's error of a short write names neither file nor reason
        raise RuntimeError(f"cannot write {inputs}: {error.strerror or 'no space left'}") from None


def execute(program: Path, directory: Path, done: Callable[[int], None]) -> None:
    """Run a program in a directory, calling `done` with every number that it prints on a line of its own.

    Raises
    ------
    RuntimeError
        If the program fails or is killed; the message holds the end of its error output.
    """
    with (
        open(directory / "errors", "w+") as errors,
        subprocess.Popen([program], cwd=directory, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                if line.strip().isdigit():
                    done(int(line))
        except BaseException:
            process.kill()
            raise
        if process.wait():
            raise RuntimeError(failure(process.returncode, errors, program))


def failure(code: int, errors: TextIO, program: Path) -> str:
    """The message of a program that failed or was killed, with the end of its error output."""
    errors.seek(0)
    said = errors.read()[-500:].strip()
    if code < 0:
        said = f"{said} (if this happens again, delete {program.parent})".strip()
    return f"the compiled culture ended with code {code}: {said}"


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
