"""Run directory: the files that a run leaves on disk, complete or not at all.

``<out>/<protocol>/<hash>/`` holds ``protocol.yaml``, ``provenance.json``, ``metrics.json``, ``arrays.npz`` and the
published values it was compared with. Until all of it is written the directory is called ``<hash>.partial`` and holds
what is finished so far, one file a seed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from protocols.loading.loader import parse_yaml
from protocols.loading.overrides import check
from protocols.runs import interruption
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import Protocol

FILES = ("protocol.yaml", "provenance.json", "metrics.json", "arrays.npz")
DATA = "data.json"  # in the directory of an unfinished run: checksums of the data that it reads


class RunInUse(Exception):
    """Another process is writing the same run."""


def read_protocol(path: Path, needed: Sequence[str] = FILES) -> Protocol:
    """The protocol of a finished run.

    Raises
    ------
    ProtocolFault
        If it is no run directory, one of the needed files is missing, or its protocol is damaged.
    """
    if not path.is_dir():
        raise ProtocolFault([f"{path}: no such run directory"])
    for name in needed:
        if not (path / name).is_file():
            raise ProtocolFault([f"{path}: not a complete run: {name} is missing"])
    try:
        content = parse_yaml((path / "protocol.yaml").read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError) as error:
        raise ProtocolFault([f"{path}: damaged run: {error}"]) from None
    if not isinstance(content, dict):
        raise ProtocolFault([f"{path}: damaged run: protocol.yaml holds no protocol"])
    try:
        return check(content)
    except ProtocolFault as fault:
        raise ProtocolFault([f"{path}: damaged run: protocol.yaml: {fault.lines[0]}"]) from None


def read_json(path: Path) -> dict[str, Any]:
    """The content of a run's JSON file, a mapping.

    Raises
    ------
    ProtocolFault
        If it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProtocolFault([f"{path.parent}: damaged run: {path.name}: {error}"]) from None
    if not isinstance(content, dict):
        raise ProtocolFault([f"{path.parent}: damaged run: {path.name} holds no mapping"])
    return content


def code_hash(*packages: str) -> str:
    """Hash of the source of the packages that produce a run."""
    digest = hashlib.sha256()
    for package in sorted(packages):
        root = Path(str(resources.files(package)))
        for path in sorted(root.rglob("*")):
            if path.suffix in {".py", ".cpp", ".h"}:
                digest.update(f"{package}/{path.relative_to(root).as_posix()}".encode() + path.read_bytes())
    return digest.hexdigest()


class _Dumper(yaml.SafeDumper):
    """YAML in which text of several lines, a drawing of the array, is written line by line."""


def _written(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _written)


def resolved(protocol: Protocol) -> str:
    """The protocol as YAML with every default written out; loading it gives the same protocol."""
    content = protocol.model_dump(mode="json")
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def run_hash(protocol: Protocol, inputs: Mapping[str, bytes], packages: tuple[str, ...]) -> str:
    """Hash of all that a result depends on: the resolved protocol, further input files, the code."""
    digest = hashlib.sha256(resolved(protocol).encode())
    for name, content in sorted(inputs.items()):
        digest.update(name.encode() + content)
    digest.update(code_hash(*packages).encode())
    return digest.hexdigest()[:12]


def provenance(packages: tuple[str, ...], **facts: Any) -> dict[str, Any]:
    """Provenance of a result: code, versions, machine, and the facts that the caller adds.

    The commit, and whether files differ from it, are None where the code is not the checkout of a git repository.
    """
    root = Path(str(resources.files(packages[0]))).resolve().parent

    def git(*arguments: str) -> str | None:
        with contextlib.suppress(OSError):
            done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
            return done.stdout.strip() if done.returncode == 0 else None
        return None

    top = git("rev-parse", "--show-toplevel")
    is_checkout = top is not None and Path(top).resolve() == root  # and no virtual environment within another one
    changed = git("status", "--porcelain") if is_checkout else None
    libraries = ("brian2", "numpy", "scipy", "torch", "pydantic", "Cython")
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": {
            "hash": code_hash(*packages),
            "commit": git("rev-parse", "HEAD") if is_checkout else None,
            "dirty": None if changed is None else bool(changed),
        },
        "python": platform.python_version(),
        "packages": {name: version for name in libraries if (version := _version(name))},
        "machine": {"system": platform.platform(), "processor": platform.processor() or None, "cores": os.cpu_count()},
        **facts,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class Run:
    """One run directory, complete or partial."""

    def __init__(self, out: Path, protocol: Protocol, key: str) -> None:
        self.path = out / protocol.name / key
        self.partial = self.path.with_name(key + ".partial")
        self.protocol = protocol

    @property
    def complete(self) -> bool:
        """Whether everything is written."""
        return all((self.path / name).is_file() for name in FILES)

    @contextlib.contextmanager
    def writing(self, *, afresh: bool = False) -> Iterator[None]:
        """Hold the partial directory exclusively; `afresh` deletes the parts finished earlier.

        Raises
        ------
        RunInUse
            If another process holds it.
        """
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        with open(self.partial.parent / f".{self.path.name}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunInUse(f"another process is writing {self.path}") from None
            if afresh:
                shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir(exist_ok=True)
            yield

    def save_part(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Save a finished part of the run (one seed), completely or not at all; an interruption waits for its end."""
        unfinished = self.partial / f"{name}.unfinished.npz"
        with interruption.postponed():
            try:
                np.savez(unfinished, **arrays)  # type: ignore[arg-type]
            except OSError as error:  # the disk is full
                unfinished.unlink(missing_ok=True)
                raise OSError(error.errno, error.strerror or str(error), str(unfinished)) from None
            unfinished.rename(self.partial / f"{name}.npz")

    def has_part(self, name: str) -> bool:
        """Whether a part is saved."""
        return (self.partial / f"{name}.npz").is_file()

    def load_part(self, name: str) -> dict[str, np.ndarray] | None:
        """A part saved earlier; None if there is none or it is damaged."""
        try:
            with open(self.partial / f"{name}.npz", "rb") as file:
                return dict(np.load(file))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def record_data(self, checksums: Mapping[str, str]) -> None:
        """Record, once, the checksums of the data that an unfinished run reads."""
        if (record := self.partial / DATA).exists():
            return
        unfinished = record.with_name(DATA + ".unfinished")
        unfinished.write_text(json.dumps(checksums) + "\n")
        unfinished.replace(record)

    def recorded_data(self) -> dict[str, str] | None:
        """Checksums of the data that the run, finished or not, has read; None if there is no record of them."""
        record = self.path / "provenance.json" if self.complete else self.partial / DATA
        try:
            content = json.loads(record.read_text())
            return content["data"] if self.complete else content
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def metrics(self) -> dict[str, Any]:
        """The metrics of a complete run.

        Raises
        ------
        RuntimeError
            If the file is damaged.
        """
        try:
            content = json.loads((self.path / "metrics.json").read_text())
        except ValueError:
            content = None
        if not isinstance(content, dict) or "targets" not in content:
            raise RuntimeError(f"{self.path}/metrics.json is damaged; --force runs it again")
        return content

    def finish(
        self,
        metrics: Mapping[str, Any],
        facts: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        inputs: Mapping[str, bytes] | None = None,
    ) -> None:
        """Write the results, and the input files by their relative paths, and give the directory its final name."""
        for name, content in (inputs or {}).items():
            (self.partial / name).parent.mkdir(parents=True, exist_ok=True)
            (self.partial / name).write_bytes(content)
        (self.partial / "protocol.yaml").write_text(resolved(self.protocol))
        (self.partial / "provenance.json").write_text(json.dumps(facts, indent=2) + "\n")
        (self.partial / "metrics.json").write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")
        with interruption.postponed():
            np.savez_compressed(self.partial / "arrays.npz", **arrays)  # type: ignore[arg-type]
        (self.partial / DATA).unlink(missing_ok=True)  # its content is in the provenance
        shutil.rmtree(self.path, ignore_errors=True)
        self.partial.rename(self.path)
        for part in self.path.glob("seed_*.npz"):
            part.unlink()
