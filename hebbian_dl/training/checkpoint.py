"""Checkpoints: tensors and facts about them in one safetensors file, written atomically."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hebbian_dl import processes


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used; training never silently starts from the beginning."""


def save(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write a checkpoint to a temporary file and rename it; of several processes, only the leader writes."""
    if processes.rank() > 0:
        return
    unfinished = path.with_name(path.name + ".unfinished")
    held = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    save_file(held, unfinished, {"facts": json.dumps(facts), "crc32": str(_crc32(held))})
    unfinished.replace(path)


def delete(path: Path) -> None:
    """Delete a checkpoint that is no longer needed, if it exists; of several processes, only the leader deletes."""
    if processes.rank() == 0:
        path.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a checkpoint.

    Raises
    ------
    CheckpointError
        If it is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            facts = dict(json.loads(metadata["facts"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged checkpoint ({error}); delete it to start that part again") from None
    if metadata.get("crc32") not in {None, str(_crc32(tensors))}:  # files of earlier versions have none
        raise CheckpointError(f"{path}: damaged checkpoint (wrong checksum); delete it to start that part again")
    return tensors, facts


def restore(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Load tensors into a network.

    Raises
    ------
    CheckpointError
        If their names or shapes are those of another network.
    """
    own = model.state_dict()
    for name in dict(own) | dict(tensors):
        given, needed = (tuple(t[name].shape) if name in t else None for t in (tensors, own))
        if given != needed:
            raise CheckpointError(
                f"{source}: checkpoint of another network: {name} has shape {given}; allowed: {needed}"
            )
    model.load_state_dict(tensors)


def check_facts(source: Path, facts: Mapping[str, Any], needed: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another training, for example of another method or seed.

    Raises
    ------
    CheckpointError
        If a fact is missing or differs.
    """
    for name, value in needed.items():
        if facts.get(name) != value:
            raise CheckpointError(f"{source}: checkpoint of {name} {facts.get(name)}; allowed: {value}")


def _crc32(tensors: Mapping[str, Tensor]) -> int:
    """Checksum of names and values: without it, a file with a block of zeros in it would load as a network."""
    crc = 0
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(tensor.cpu().reshape(-1).view(torch.uint8).numpy().data, zlib.crc32(name.encode(), crc))
    return crc
