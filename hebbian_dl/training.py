"""The loop that every training shares: epochs over batches, a score after each, checkpoints, exact resumption."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hebbian_dl import checkpoint
from hebbian_dl.data import Examples, Images
from hebbian_dl.layers import NotFinite
from hebbian_dl.seeding import seed_torch
from protocols.seeds import stream

CHECKPOINT_EVERY_S = 20.0

Record = dict[str, float]


class Diverged(RuntimeError):
    """NaN or infinity in data, weights or loss: the training stopped, its last checkpoint is good."""


@dataclass
class Training:
    """One training: what learns, from which images, how a batch is learned, how an epoch is scored.

    Parameters
    ----------
    name
        For logs and seeds, for example ``HPCA`` or ``HPCA/fine-tuning/1%``.
    model
        All that learns.
    images, batch, epochs
        Training images, images a step, passes.
    step
        Learns one batch and returns a loss, or None.
    score
        Of the model after an epoch.
    best_by
        Which score chooses the epoch that is kept (the highest; the earliest of equals); None keeps the last.
    optimizer
        Whose momentum belongs to a checkpoint.
    begin_epoch
        Called with the epoch before its first step.
    watch
        Called with the score of every epoch.
    """

    name: str
    model: nn.Module
    images: Images
    batch: int
    epochs: int
    step: Callable[[Examples], Tensor | None]
    score: Callable[[], Record]
    best_by: str | None = None
    optimizer: torch.optim.Optimizer | None = None
    begin_epoch: Callable[[int], None] = lambda epoch: None
    watch: Callable[[Record], None] = lambda record: None
    history: list[Record] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """The epoch that is kept, from 0; -1 before the first."""
        if self.best_by is None or not self.history:
            return len(self.history) - 1
        return int(np.argmax([record[self.best_by] for record in self.history]))

    def run(self, seed: int, path: Path | None, log: Path | None, report: Callable[[float], None]) -> None:
        """Train, going on at the checkpoint where there is one; afterwards the model is that of the epoch kept.

        Parameters
        ----------
        seed
            Order of the images, dropout and noise follow from it and the epoch alone.
        path
            Of the checkpoint; None for none.
        log
            A file of JSON lines, one is appended an epoch.
        report
            Called with the fraction done.

        Raises
        ------
        Diverged
            If a loss, an update or the weights are not finite, or the score that chooses the epoch is NaN.
        CheckpointError
            If the checkpoint is damaged, or of another network.
        """
        if path is not None and path.exists():
            self._restore(path, seed)
        saved = time.monotonic()
        for epoch in range(len(self.history), self.epochs):
            started = time.monotonic()
            loss = self._epoch(seed, epoch, report)
            wall_s = round(time.monotonic() - started, 3)
            if (where := first_not_finite(self.model)) is not None:
                raise Diverged(f"{self.name}: epoch {epoch}: {where}")
            record = self.score()
            if self.best_by is not None and math.isnan(record[self.best_by]):  # it would win every comparison
                raise Diverged(f"{self.name}: epoch {epoch}: {self.best_by} is NaN; allowed: a smaller learning rate")
            self.history.append(record | ({} if loss is None else {"training_loss": loss}))
            if self.best_by is not None and self.best_epoch == epoch:
                self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
            self.watch(record)
            if log is not None:
                line = {"training": self.name, "seed": seed, "epoch": epoch, "wall_s": wall_s} | self.history[-1]
                with open(log, "a") as file:
                    file.write(json.dumps(line) + "\n")
            if path is not None and (time.monotonic() - saved > CHECKPOINT_EVERY_S or epoch == self.epochs - 1):
                self._save(path, seed)
                saved = time.monotonic()
        if self.best:
            self.model.load_state_dict(self.best)

    def _epoch(self, seed: int, epoch: int, report: Callable[[float], None]) -> float | None:
        rng = np.random.default_rng(stream(f"training/{self.name}", seed, epoch))
        seed_torch(rng)
        order = torch.from_numpy(rng.permutation(len(self.images)))
        self.begin_epoch(epoch)
        losses, n_steps = [], -(-len(order) // self.batch)
        for index, batch in enumerate(self.images.batches(self.batch, order)):
            try:
                loss = self.step(batch)
            except NotFinite as fault:
                name = next((n for n, module in self.model.named_modules() if module is fault.layer), "")
                cause = "the images hold NaN or infinity" if not torch.isfinite(batch.images).all() else str(fault)
                raise Diverged(f"{self.name}: epoch {epoch}, step {index}, layer {name}: {cause}") from None
            if loss is not None:
                losses.append(loss.detach())
                if not torch.isfinite(losses[-1]):
                    where = "the images hold NaN or infinity" if not torch.isfinite(batch.images).all() else None
                    where = where or first_not_finite(self.model)
                    where = where or "the loss is NaN or infinite; allowed: a smaller learning rate"
                    raise Diverged(f"{self.name}: epoch {epoch}, step {index}: {where}")
            report((epoch + (index + 1) / n_steps) / self.epochs)
        return torch.stack(losses).mean().item() if losses else None

    def _save(self, path: Path, seed: int) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for index, parameter in enumerate(self._parameters()):
            momentum = self.optimizer.state[parameter].get("momentum_buffer") if self.optimizer else None
            if momentum is not None:
                tensors[f"momentum.{index}"] = momentum
        checkpoint.save(path, tensors, {"training": self.name, "seed": seed, "history": self.history})

    def _restore(self, path: Path, seed: int) -> None:
        tensors, facts = checkpoint.load(path)
        checkpoint.check_facts(path, facts, {"training": self.name, "seed": seed})
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "momentum": {}}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            parts[kind][rest] = tensor
        checkpoint.restore(self.model, parts["model"], path)
        self.history = facts["history"]
        device = next(iter(self.model.parameters())).device
        self.best = {name: tensor.to(device) for name, tensor in parts["best"].items()}
        for index, parameter in enumerate(self._parameters()):
            if self.optimizer is not None and str(index) in parts["momentum"]:
                self.optimizer.state[parameter]["momentum_buffer"] = parts["momentum"][str(index)].to(device)

    def _parameters(self) -> list[Any]:
        return [p for group in self.optimizer.param_groups for p in group["params"]] if self.optimizer else []


@torch.no_grad()
def first_not_finite(model: nn.Module) -> str | None:
    """The first layer whose weights hold NaN or infinity."""
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter.sum()):
            return f"the weights of layer {name.rpartition('.')[0]} hold NaN or infinity"
    return None


def halved(epoch: int, rate: float, halve_from: int, halve_every: int) -> float:
    """The learning rate at an epoch (from 0): halved at epoch `halve_from`, and every so many epochs after it."""
    return rate if epoch < halve_from else rate * 0.5 ** ((epoch - halve_from) // halve_every + 1)
