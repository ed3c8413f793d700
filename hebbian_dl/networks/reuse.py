"""Reuse of pre-trained networks from a finished run."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hebbian_dl.images.prepared import checksums
from hebbian_dl.networks import saved
from protocols.loading import overrides
from protocols.loading.loader import read
from protocols.runs import run_directory
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.pretraining import NoPretraining
from protocols.spec.protocol import NetworkProtocol

PATH = "network.pretrained"
NOT_LEARNED = {"test", "workers", "most_corrupt"}  # keys of the data section that do not affect pre-training


def check(protocol: NetworkProtocol) -> None:
    """Refuse a run whose networks differ from those that this protocol would pre-train.

    The specifications are compared; keys that an earlier version did not write have their defaults. The selection of
    test images may differ: nothing is learned from them.

    Raises
    ------
    ProtocolFault
        With one line for each difference.
    """
    if protocol.network.pretrained is None:
        return
    run = Path(protocol.network.pretrained)
    if not all((run / name).is_file() for name in run_directory.FILES):
        raise ProtocolFault([f"{PATH}: {run}: not a finished run; allowed: the directory of a run of hebbian_dl.run"])
    try:
        given = overrides.check(read(str(run / "protocol.yaml"))[0])  # code that it names does not run
    except ProtocolFault as fault:
        raise ProtocolFault([f"{PATH}: {line}" for line in fault.lines]) from None
    if not isinstance(given, NetworkProtocol):
        raise ProtocolFault(
            [f"{PATH}: {run}: a run of '{given.name}'; allowed: a run whose networks are pre-trained without labels"]
        )
    lines = list(_differences(_what_is_learned(given), _what_is_learned(protocol)))
    lines += [line for line in _other_files(run, checksums(protocol.data)) if not lines]
    missing = [path.name for path in _paths(protocol, run) if not path.is_file()]
    if missing and not lines:
        seeds = f"{protocol.seed_list[0]} to {protocol.seed_list[-1]}"
        lines = [f"no {', '.join(missing)}; needed: {', '.join(_methods(protocol))} in seeds {seeds}"]
    if lines:
        raise ProtocolFault([f"{PATH}: {run}: {line}" for line in lines])


def adopt(protocol: NetworkProtocol, method: str, seed: int, target: Path) -> None:
    """Copy a pre-trained network of the other run into this one, atomically: this run does not depend on the other."""
    if protocol.network.pretrained is None or target.exists():
        return
    unfinished = target.with_name(target.name + ".unfinished")
    shutil.copyfile(saved.path_of(Path(protocol.network.pretrained), method, seed), unfinished)
    unfinished.replace(target)


def facts(protocol: NetworkProtocol, run_dir: Path) -> dict[str, Any]:
    """Provenance: the run that the networks come from, and the sha256 of each copy."""
    if protocol.network.pretrained is None:
        return {}
    sums = {}
    for path in _paths(protocol, run_dir):
        with open(path, "rb") as file:
            sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return {"pretrained": {"run": protocol.network.pretrained, "sha256": sums}}


def _methods(protocol: NetworkProtocol) -> list[str]:
    return [name for name, method in protocol.network.methods.items() if not isinstance(method, NoPretraining)]


def _paths(protocol: NetworkProtocol, run_dir: Path) -> list[Path]:
    return [saved.path_of(run_dir, name, seed) for name in _methods(protocol) for seed in protocol.seed_list]


def _what_is_learned(protocol: NetworkProtocol) -> dict[str, Any]:
    """Everything but the seed that determines a pre-trained network, by path."""
    network = protocol.network
    methods = {f"network.methods.{name}": network.methods[name].model_dump(mode="json") for name in _methods(protocol)}
    return {
        "data": protocol.data.model_dump(mode="json", exclude=NOT_LEARNED),
        "network.layers": [layer.model_dump(mode="json") for layer in network.used_layers],
        "network.architecture": network.architecture and network.architecture.model_dump(mode="json"),
        "network.module": network.module,
        "network.module_arguments": network.module_arguments,
        "network.module_sha256": network.module_sha256,
        "network.batch_norm_momentum": network.batch_norm_momentum,
    } | methods


def _differences(given: dict[str, Any], needed: dict[str, Any]) -> Iterator[str]:
    """One line for each value that differs from the one that is needed."""
    for path, value in needed.items():
        yield from _unlike(path, given.get(path), value)


def _unlike(path: str, given: Any, needed: Any) -> Iterator[str]:
    match given, needed:
        case dict(), dict() if given.keys() == needed.keys():
            for key in needed:
                yield from _unlike(f"{path}.{key}", given[key], needed[key])
        case list(), list() if len(given) == len(needed):
            for index, pair in enumerate(zip(given, needed, strict=True)):
                yield from _unlike(f"{path}.{index}", *pair)
        case _ if given != needed:
            yield f"{path}: {_spelled(given)}; needed: {_spelled(needed)}"


def _spelled(value: Any) -> str:
    return "none" if value is None else json.dumps(value).replace('"', "")


def _other_files(run: Path, needed: dict[str, str]) -> Iterator[str]:
    """One line if the run used other data files."""
    try:
        seen = json.loads((run / "provenance.json").read_text(encoding="utf-8")).get("data")
    except (OSError, ValueError, AttributeError):
        yield "provenance.json: damaged"
        return
    for name, checksum in needed.items():
        if seen is not None and name != "test" and seen.get(name) != checksum:
            yield f"data: {name} with checksum {seen.get(name, 'none')}; needed: {checksum}"
            return
