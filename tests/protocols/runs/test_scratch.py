"""Scratch folders: gone at the end, and after a kill with the next folder; those of living processes stay."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.runs import scratch

ROOT = Path(__file__).parents[3]
HOLDS = """
import sys
from protocols.runs import scratch
with scratch.new_folder() as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""
CLAIMS = """
import multiprocessing, tempfile
from protocols.runs import scratch
if __name__ == "__main__":
    scratch.claim()
    assert not scratch._claimed
    scratch.own_process()
    scratch.claim()
    folder = tempfile.gettempdir()
    scratch.claim()
    assert tempfile.gettempdir() == folder
    tempfile.mkstemp()
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        print(folder, pool.apply(tempfile.gettempdir))
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def holding(code: str = HOLDS) -> tuple[subprocess.Popen, Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen, number: int) -> None:
    process.send_signal(number)
    process.communicate()


def test_a_folder_is_gone_at_the_end_whatever_happens(temporary: Path) -> None:
    with pytest.raises(FileNotFoundError), scratch.new_folder() as folder:
        (folder / "absent" / "file").write_text("x")
    assert not list(temporary.iterdir())


def test_the_next_folder_clears_what_a_killed_process_left_and_nothing_else(temporary: Path) -> None:
    living, held = holding()
    killed, left = holding()
    end(killed, signal.SIGKILL)
    other = temporary / "culture_sim_of_another_program"
    other.mkdir()
    (temporary / f"{scratch.PREFIX}file").write_text("no folder")
    assert (left / "file").exists()
    with scratch.new_folder() as folder:
        assert not left.exists()
        assert (held / "file").exists()
        with scratch.new_folder():
            assert folder.exists()
    living.communicate("")
    assert sorted(temporary.iterdir()) == sorted([other, temporary / f"{scratch.PREFIX}file"])


def test_a_new_folder_that_another_process_is_about_to_delete_is_not_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, locks = [], []

    def taken_at_once(prefix: str) -> str:
        made.append(make(prefix=prefix))
        if len(made) == 1:  # between its making and its locking
            locks.append(os.open(made[0], os.O_RDONLY))
            fcntl.flock(locks[0], fcntl.LOCK_EX)
        return made[-1]

    make = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", taken_at_once)
    with scratch.new_folder() as folder:
        assert str(folder) == made[1]
    os.close(locks[0])


def test_a_link_is_no_folder_left_behind(temporary: Path) -> None:
    (temporary / "precious").mkdir()
    (temporary / f"{scratch.PREFIX}link").symlink_to(temporary / "precious")
    scratch.clear()
    assert (temporary / "precious").is_dir()


def test_a_command_keeps_all_temporary_files_of_its_process_in_one_folder(temporary: Path) -> None:
    script = temporary / "command.py"
    script.write_text(CLAIMS)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    own, of_worker = done.stdout.split()
    assert own == of_worker
    assert Path(own).parent == temporary
    assert list(temporary.iterdir()) == [script]


def test_where_nothing_can_be_written_a_command_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: str) -> str:
        raise PermissionError

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    monkeypatch.setattr(scratch, "_claimed", False)
    monkeypatch.setattr(scratch, "_own_process", True)
    before = tempfile.gettempdir()
    scratch.claim()
    assert tempfile.gettempdir() == before
