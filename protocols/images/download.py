"""Download of published files from several mirrors; interrupted downloads are resumed."""

import contextlib
import fcntl
import functools
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from protocols.spec.faults import ProtocolFault, installation

#: timeouts in seconds: for the connection, and between two packets
TIMEOUT = (10.0, 30.0)
#: attempts at one mirror without progress before giving up
TRIES = 3
#: seconds before the second attempt; doubled before every further one
PAUSE = 0.5


@dataclass(frozen=True)
class Published:
    """Published files of a data set.

    Parameters
    ----------
    mirrors
        Base URLs ending in ``/``, tried in this order.
    md5
        Checksum of each file by its published name.
    """

    mirrors: tuple[str, ...]
    md5: Mapping[str, str]


@contextlib.contextmanager
def needs(package: str) -> Iterator[None]:
    """Turn a failed import into a message that names the missing package and the extra that installs it."""
    try:
        yield
    except ModuleNotFoundError:
        raise ProtocolFault([f"data: {package} is not installed ({installation('data')})"]) from None


def fetch_missing(published: Published, folder: Path) -> None:
    """Download the missing files of a data set; a lock keeps other processes from doing the same.

    Raises
    ------
    ProtocolFault
        If a file cannot be downloaded.
    """

    def missing() -> list[str]:
        return [name for name in published.md5 if not (folder / name).exists()]

    if not missing():  # before the lock, because the folder may be read-only
        return
    with writing(folder):
        while names := missing():
            if failures := _fetch(published, folder / names[0]):
                raise ProtocolFault([_not_to_be_had(folder, names, failures)])


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Lock a folder, creating it if needed, so that only one process at a time writes to it.

    Raises
    ------
    ProtocolFault
        If the folder cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ProtocolFault(
            [f"{folder}: {error.strerror or error}; allowed: a folder to download into; $CULTURE_DATA names another"]
        ) from None


def _not_to_be_had(folder: Path, names: list[str], failures: list[str]) -> str:
    return (
        f"{folder / names[0]}: cannot be downloaded ({', '.join(failures)}); "
        f"put {', '.join(names)} into {folder}, or let $CULTURE_DATA name a folder that holds them in {folder.name}/"
    )


def _fetch(published: Published, path: Path) -> list[str]:
    """Download a file from the first mirror that works; returns the reasons of failure if none does."""
    failures = []
    for mirror in published.mirrors:
        failure = _fetch_from(mirror + path.name, path, published.md5[path.name])
        if failure is None:
            return []
        failures.append(f"{urlsplit(mirror).netloc}: {failure}")
    return failures


def _fetch_from(url: str, path: Path, md5: str) -> str | None:
    """Download a file from one mirror, resuming after interruptions; returns the reason of a failure."""
    with needs("pooch"):
        import pooch
    with needs("requests"):
        import requests
        import urllib3
    pooch.get_logger().setLevel("WARNING")  # _transfer prints its own, shorter message
    part = path.with_name(path.name + ".part")
    furthest = _size(part)
    failure, tries = "", 0
    while tries < TRIES:
        if tries:
            time.sleep(PAUSE * 2 ** (tries - 1))
        before = _size(part)
        try:
            transfer = functools.partial(_transfer, part)
            pooch.retrieve(url, f"md5:{md5}", path.name, path.parent, downloader=transfer)
            return None
        except requests.HTTPError as error:
            status = 0 if error.response is None else error.response.status_code
            failure = f"HTTP status {status}"
            if 400 <= status < 500:  # client error: another attempt would fail too
                break
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = type(error).__name__
        except ValueError:  # from pooch, which has deleted the file
            failure = "wrong checksum"
            if not before:  # otherwise the part from an earlier attempt may be the cause: try again from the start
                break
        tries = 1 if _size(part) > furthest else tries + 1
        furthest = max(furthest, _size(part))
    return failure


def _transfer(part: Path, url: str, output: str, _pooch: Any) -> None:
    """Download the rest of a file, append it to `part`, and rename `part` to `output` when it is complete."""
    import requests

    start = _size(part)
    # Ask for the bytes as published: some servers treat .gz as a content encoding and decompress the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        partial = response.status_code == requests.codes.partial_content
        resumed = partial and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status_code == requests.codes.requested_range_not_satisfiable or partial != resumed:
            part.unlink(missing_ok=True)  # the existing part is not the start of this file
            raise requests.RequestException("refused to go on")
        response.raise_for_status()
        length = int(response.headers.get("Content-Length", 0))
        size = f" ({length / 1e6:.1f} MB{' more' if resumed else ''})" if length else ""
        print(f"downloading {url}{size}", file=sys.stderr)
        with open(part, "ab" if resumed else "wb") as file:
            for piece in response.raw.stream(1 << 14, decode_content=False):
                file.write(piece)
    os.replace(part, output)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
