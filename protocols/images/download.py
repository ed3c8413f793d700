"""Fetch published files: from one of several mirrors, going on where an earlier download was cut off."""

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

from protocols.spec.faults import ProtocolFault

#: seconds to connect, and between two packets
TIMEOUT = (10.0, 30.0)
#: attempts at one mirror that get no further than those before
TRIES = 3
#: seconds before the second attempt; twice as long before every further one
PAUSE = 0.5


@dataclass(frozen=True)
class Published:
    """Where a data set was published.

    Parameters
    ----------
    mirrors
        Addresses that end in ``/``, tried in this order.
    md5
        Checksum of each file by its published name.
    """

    mirrors: tuple[str, ...]
    md5: Mapping[str, str]


@contextlib.contextmanager
def needs(package: str) -> Iterator[None]:
    """Name the package that an import needs, and the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError:
        raise ProtocolFault([f"data: {package} is not installed (pip install '.[data]')"]) from None


def fetch_missing(published: Published, folder: Path) -> None:
    """Download the files of a data set that are not there, one process at a time.

    Raises
    ------
    ProtocolFault
        If one is not to be had.
    """

    def missing() -> list[str]:
        return [name for name in published.md5 if not (folder / name).exists()]

    if not missing():  # the folder may be one that cannot be written
        return
    with writing(folder):
        while names := missing():
            if failures := _fetch(published, folder / names[0]):
                raise ProtocolFault([_not_to_be_had(folder, names, failures)])


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made where it is not there, so that one process at a time writes to it.

    Raises
    ------
    ProtocolFault
        If it cannot be made or written.
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
    """Download a file from the first mirror that has it; else why each of them failed."""
    failures = []
    for mirror in published.mirrors:
        failure = _fetch_from(mirror + path.name, path, published.md5[path.name])
        if failure is None:
            return []
        failures.append(f"{urlsplit(mirror).netloc}: {failure}")
    return failures


def _fetch_from(url: str, path: Path, md5: str) -> str | None:
    """Download a file from one mirror, in as many pieces as it takes; else why that failed."""
    with needs("pooch"):
        import pooch
    with needs("requests"):
        import requests
        import urllib3
    pooch.get_logger().setLevel("WARNING")  # _transfer says it shorter
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
            if 400 <= status < 500:  # it will say so again
                break
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = type(error).__name__
        except ValueError:  # from pooch, which deleted it
            failure = "wrong checksum"
            if not before:  # otherwise what an earlier attempt left may have been at fault
                break
        tries = 1 if _size(part) > furthest else tries + 1
        furthest = max(furthest, _size(part))
    return failure


def _transfer(part: Path, url: str, output: str, _pooch: Any) -> None:
    """Move the rest of a file to the end of `part`, and `part`, once it is whole, to `output`."""
    import requests

    start = _size(part)
    # the bytes as published: some servers call a .gz file an encoding and unpack it on the way
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        partial = response.status_code == requests.codes.partial_content
        resumed = partial and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status_code == requests.codes.requested_range_not_satisfiable or partial != resumed:
            part.unlink(missing_ok=True)  # what is there is no beginning of this file
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
