"""Hardware of this machine: cores, processor features, available memory."""

import os
import platform
from pathlib import Path


def cores() -> int:
    """Number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores_of_each() -> int:
    """Number of cores per process, if torchrun started several processes on this machine."""
    return max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE") or 1))


def processor_features() -> str:
    """Architecture and instruction sets of the processor: compiled programs may not run on a different one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return platform.machine() + next((line for line in lines if line.startswith(("flags", "Features"))), "")


def available_memory_bytes() -> int | None:
    """Memory available without swapping, within the container's limit; None if it cannot be determined."""
    found = [_meminfo_available(), _cgroup_available()]
    known = [value for value in found if value is not None]
    return min(known) if known else None


def _meminfo_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None


def _cgroup_available() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used, stat = ((folder / f"memory.{name}").read_text() for name in ("max", "current", "stat"))
    except OSError:
        return None
    if not limit.strip().isdigit():
        return None
    cached = dict(line.split() for line in stat.splitlines()).get("inactive_file", "0")  # page cache: freed on demand
    return int(limit) - int(used) + int(cached)
