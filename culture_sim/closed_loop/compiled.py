"""The compiled program, kept alive between stretches: binary frames over pipes (living/frames.h)."""

import contextlib
import os
import shutil
import struct
import subprocess
from types import TracebackType
from typing import Self

import numpy as np

from culture_sim.closed_loop.advanced import Advanced
from culture_sim.engines.compiled import failure
from culture_sim.living import LivingCulture, LivingSession, LivingState, cpp
from protocols.runs import scratch

REQUEST, REPLY = struct.Struct("=4q"), struct.Struct("=2q")
ADVANCE, SAVE = 0, 1
PER_SPIKE = 9  # bytes: neuron, step, whether by a pulse
CHUNK = 1 << 16  # bytes read at a time: what a pipe holds


class CompiledEngine:
    """One process for the whole session.

    Parameters
    ----------
    culture, state
        What to simulate, and where to begin.
    """

    def __init__(self, culture: LivingCulture, state: LivingState) -> None:
        self.culture, self.before, self.done = culture, state, 0
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        executable = cpp.program()
        self.resources = contextlib.ExitStack()
        with self.resources:
            self.directory = self.resources.enter_context(scratch.new_folder())
            cpp.write_inputs(self.directory, self.culture, LivingSession(1), self.before)
            self.errors = self.resources.enter_context(open(self.directory / "errors", "w+"))
            self.process = subprocess.Popen(
                [executable, "live"],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                cwd=self.directory,
            )
            self.resources.callback(self._end)
            self.resources = self.resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resources.close()

    def advance(self, n_steps: int, step: np.ndarray, cell: np.ndarray, learning: bool) -> Advanced:
        """As `Engine.advance`."""
        head = REQUEST.pack(ADVANCE, n_steps, learning, len(step))
        n, took_ns, spikes = self._exchanged(head + step.astype(np.int32).tobytes() + cell.astype(np.int32).tobytes())
        self.done += n_steps
        return Advanced(
            np.frombuffer(spikes, np.int32, n),
            np.frombuffer(spikes, np.int32, n, 4 * n),
            np.frombuffer(spikes, np.bool_, n, 8 * n),
            took_ns * 1e-9,
        )

    def state(self) -> LivingState:
        """As `Engine.state`."""
        outputs = self.directory / "outputs"
        shutil.rmtree(outputs)
        outputs.mkdir()
        self._exchanged(REQUEST.pack(SAVE, 0, 0, 0))
        return cpp.read_state(outputs, self.culture, self.before.step + self.done)

    def _exchanged(self, request: bytes) -> tuple[int, int, bytes]:
        """Send a frame and receive its answer: number of spikes, computing time (ns), the spikes."""
        process = self.process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the culture is not simulated any more")
        try:
            to, of = process.stdin.fileno(), process.stdout.fileno()
            while request:
                request = request[os.write(to, request) :]
            answer = self._read(of, REPLY.size)
            n, took_ns = REPLY.unpack_from(answer)
            missing = REPLY.size + PER_SPIKE * n - len(answer)
            return n, took_ns, answer[REPLY.size :] + (self._read(of, missing) if missing > 0 else b"")
        except (BrokenPipeError, EOFError):
            raise RuntimeError(failure(process.wait(), self.errors, cpp.program())) from None
        except BaseException:  # interrupted between question and answer: the next answer would be to another question
            self._end()
            raise

    @staticmethod
    def _read(pipe: int, least: int) -> bytes:
        """At least so many bytes, and what else is there."""
        found = b""
        while len(found) < least:
            if not (more := os.read(pipe, CHUNK)):
                raise EOFError
            found += more
        return found

    def _end(self) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.kill()
            process.wait()
