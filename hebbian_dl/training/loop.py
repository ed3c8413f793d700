"""Training loop of all methods: epochs over batches, a score after each epoch, checkpoints, exact resumption."""

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

from hebbian_dl import processes
from hebbian_dl.images.in_memory import Examples, Images
from hebbian_dl.layers.hebbian import NotFinite
from hebbian_dl.training import checkpoint, queued
from hebbian_dl.training.finite import NOT_FINITE_LOSS, first_not_finite, of_images
from hebbian_dl.training.generators import seed_torch
from protocols.spec.random_streams import stream

CHECKPOINT_EVERY_S = 20.0  # between checkpoints, which are also written in the middle of an epoch

Record = dict[str, float]
Diagnosis = dict[str, list[float]]


class Diverged(RuntimeError):
    """NaN or infinity in data, weights or loss: the training stopped; its last checkpoint is still good."""


@dataclass
class Training:
    """One training: the model, its images, the step that learns a batch, the score of an epoch.

    Parameters
    ----------
    name
        For logs and seeds, for example ``HPCA`` or ``HPCA/1%``.
    model
        The module that learns, as a checkpoint saves it.
    images, batch, epochs
        Training images, images per step, passes over all images.
    step
        Learns one batch; returns a loss, or None.
    score
        Scores the model after an epoch.
    best_by
        Name of the score that selects the epoch to keep (the highest; the earliest of ties); None keeps the last.
    optimizer
        Its state is saved in checkpoints.
    begin_epoch
        Called with the number of the epoch before its first step.
    watch
        Called with the score of every epoch.
    diagnose
        Measures of the model's layers, one entry per layer, taken before the first epoch and after each one.
    gathered
        Tensors that steps accumulate during an epoch and that its score needs; cleared when an epoch begins.
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
    diagnose: Callable[[], Diagnosis] | None = None
    gathered: dict[str, Tensor] = field(default_factory=dict)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    losses: list[Tensor] = field(default_factory=list)
    steps: int = 0  # done in the current epoch

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept, from 0; -1 before the first."""
        if self.best_by is None or not self.history:
            return len(self.history) - 1
        return int(np.argmax([record[self.best_by] for record in self.history]))

    def run(self, seed: int, path: Path | None, log: Path | None, report: Callable[[float], None]) -> None:
        """Train, from the checkpoint on if there is one; afterwards the model has the weights of the epoch kept.

        Parameters
        ----------
        seed
            The order of images, dropout and noise depend on it, on the training's name and on the epoch alone.
        path
            File of the checkpoint; None for no checkpoint.
        log
            File of JSON lines, to which one is appended per epoch.
        report
            Called with the fraction done.

        Raises
        ------
        Diverged
            If a loss, an update or the weights are not finite, or the score that chooses the epoch is NaN.
        CheckpointError
            If the checkpoint is damaged, or of another network.
        """
        begun = path is not None and processes.agreed(path.exists())
        generators = self._restore(path, seed) if path is not None and begun else None
        self._saved = time.monotonic()
        if not self.steps:
            self._diagnose()
        for epoch in range(len(self.history), self.epochs):
            started = time.monotonic()
            loss = self._epoch(seed, epoch, report, path, generators)
            generators = None
            wall_s = round(time.monotonic() - started, 3)
            record = processes.agreed(self.score())
            if self.best_by is not None and math.isnan(record[self.best_by]):  # argmax would select it
                raise Diverged(f"{self.name}: epoch {epoch}: {self.best_by} is NaN; allowed: a smaller learning rate")
            self.history.append(record | ({} if loss is None else {"training_loss": loss}))
            self._diagnose()
            if self.best_by is not None and self.best_epoch == epoch:
                self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
            self.watch(record)
            if log is not None and processes.rank() == 0:
                line = {"training": self.name, "seed": seed, "epoch": epoch, "wall_s": wall_s} | self.history[-1]
                with open(log, "a") as file:
                    file.write(json.dumps(line) + "\n")
            if path is not None and (self._due() or epoch == self.epochs - 1):
                self._save(path, seed)
        if self.best:
            self.model.load_state_dict(self.best)

    def _epoch(
        self,
        seed: int,
        epoch: int,
        report: Callable[[float], None],
        path: Path | None,
        generators: dict[str, Tensor] | None,
    ) -> float | None:
        """Take the steps of an epoch that are not done yet; returns the mean loss of all its steps."""
        rng = np.random.default_rng(stream(f"training/{self.name}", seed, epoch))
        seed_torch(rng)
        if not self.steps:
            self.gathered.clear()
        order = torch.from_numpy(rng.permutation(len(self.images)))
        draw = int(rng.integers(2**63))
        self.begin_epoch(epoch)
        if generators is not None:
            set_generators(generators)
        n_steps = -(-len(order) // self.batch)
        step = queued.Replayed(self.step) if queued.wanted(n_steps) else self.step
        for batch in self.images.batches(self.batch, order[self.steps * self.batch :], draw):
            # unreadable images may leave a batch too small
            if sum(processes.counts(len(batch))) >= min(2, self.batch):
                self._learn(step, batch, f"{self.name}: epoch {epoch}, step {self.steps}")
            self.steps += 1
            if path is not None and self.steps < n_steps and self._due():
                self._check_finite(epoch)
                self._save(path, seed)
            report((epoch + self.steps / n_steps) / self.epochs)
        self._check_finite(epoch)
        loss = torch.stack(self.losses).mean().item() if self.losses else None
        self.steps, self.losses = 0, []
        return loss

    def _learn(self, step: queued.Step, batch: Examples, where: str) -> None:
        """Learn one batch; if it diverges, report what is not finite: images, weights or the loss."""
        try:
            loss = step(batch)
        except NotFinite as fault:
            name = next((n for n, module in self.model.named_modules() if module is fault.layer), "")
            raise Diverged(f"{where}, layer {name}: {of_images(batch) or fault}") from None
        if loss is not None:
            self.losses.append(loss.detach())
            if queued.readable(loss) and not torch.isfinite(loss):
                cause = of_images(batch) or first_not_finite(self.model)
                raise Diverged(f"{where}: {cause or NOT_FINITE_LOSS}")

    def _check_finite(self, epoch: int) -> None:
        """Refuse weights and, on a GPU, losses of this epoch that are not finite."""
        where, at = first_not_finite(self.model), f"epoch {epoch}"
        if self.losses and not queued.readable(self.losses[0]):
            wrong = torch.isfinite(torch.stack(self.losses)).logical_not().tolist()
            if any(wrong):
                at, where = f"{at}, step {wrong.index(True)}", where or NOT_FINITE_LOSS
        if where is not None:
            if isinstance(self.images, Examples) and not queued.readable(self.images.labels):
                where = of_images(self.images) or where
            raise Diverged(f"{self.name}: {at}: {where}")

    def _diagnose(self) -> None:
        """Diagnose the model as it is, unless that was done, or a checkpoint of an earlier version lacks the first."""
        if self.diagnose is not None and len(self.diagnoses) == len(self.history):
            self.diagnoses.append(self.diagnose())

    def _due(self) -> bool:
        return time.monotonic() - self._saved > CHECKPOINT_EVERY_S

    def _save(self, path: Path, seed: int) -> None:
        """Write a checkpoint; in the middle of an epoch also what was gathered and the state of torch's generators."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        if self.steps:
            tensors |= {f"gathered.{name}": tensor for name, tensor in self.gathered.items()}
            tensors |= {f"generator.{name}": state for name, state in get_generators().items()}
            if self.losses:
                tensors["loss.all"] = torch.stack(self.losses)
        for index, parameter in enumerate(self._parameters()):
            state = self.optimizer.state[parameter] if self.optimizer else {}
            tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items() if value is not None}
        facts = {"training": self.name, "seed": seed, "history": self.history, "steps": self.steps}
        facts["diagnoses"] = self.diagnoses
        checkpoint.save(path, tensors, facts)
        self._saved = time.monotonic()

    def _restore(self, path: Path, seed: int) -> dict[str, Tensor] | None:
        """Load a checkpoint; returns the states of torch's generators if it is from the middle of an epoch."""
        tensors, facts = checkpoint.load(path)
        checkpoint.check_facts(path, facts, {"training": self.name, "seed": seed})
        kinds = ("model", "best", "optimizer", "gathered", "generator", "loss")
        parts: dict[str, dict[str, Tensor]] = {kind: {} for kind in kinds}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            parts[kind][rest] = tensor
        checkpoint.restore(self.model, parts["model"], path)
        self.history, self.steps = facts["history"], facts["steps"]
        self.diagnoses = facts.get("diagnoses", [])
        device = next(iter(self.model.parameters())).device
        self.best = {name: tensor.to(device) for name, tensor in parts["best"].items()}
        for index, parameter in enumerate(self._parameters()):
            if self.optimizer is not None:
                own = {key: t for key, t in parts["optimizer"].items() if key.startswith(f"{index}.")}
                state = {key.partition(".")[2]: tensor.to(device) for key, tensor in own.items()}
                self.optimizer.state[parameter].update(state)
        self.losses = [*parts["loss"].get("all", torch.zeros(0)).to(device)]
        self.gathered.update({name: tensor.to(device) for name, tensor in parts["gathered"].items()})
        return parts["generator"] or None

    def _parameters(self) -> list[Any]:
        return [p for group in self.optimizer.param_groups for p in group["params"]] if self.optimizer else []


def get_generators() -> dict[str, Tensor]:
    """The states of torch's global generators."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_initialized() else {})


def set_generators(states: dict[str, Tensor]) -> None:
    """Set torch's global generators."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])
