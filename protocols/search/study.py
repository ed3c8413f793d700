"""Study on disk: the trials of a search and their results, shared by all processes that work on it.

Only a process that leads the search (a leader) draws trials and records results, never a worker. A trial whose leader
died is taken over, with the same values, by the next leader that looks.
"""

import contextlib
import fcntl
import json
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from protocols.loading.search_space import Value, dimensions
from protocols.search import plans
from protocols.search.journal import alone, storage
from protocols.search.pruning import thresholds
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import Protocol
from protocols.spec.random_streams import stream
from protocols.spec.search import (
    CmaEsSampler,
    CoordinateDescentSampler,
    GridSampler,
    RandomSampler,
    TpeSampler,
)

NOT_PART_OF_IT = ("budget", "confirmation", "cluster")  # keys of the section that may change while a study goes on
NOT_OF_TRIALS = ("seeds", "first_seed", "quick")  # keys of the protocol; trials have seeds of their own


@dataclass(frozen=True)
class Asked:
    """A trial to be run.

    `thresholds` are the values that its learning curve must reach not to be pruned.
    """

    number: int
    values: dict[str, Value]
    thresholds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Finished:
    """Finished trial: ``complete``, ``pruned`` or ``failed``; lists have one entry for each objective."""

    number: int
    state: str
    values: dict[str, Value]
    means: list[float] | None = None
    scores: list[float] | None = None
    per_seed: list[list[float]] | None = None
    curve: list[float] = field(default_factory=list)
    seconds: float = 0.0
    worker: str = ""
    reason: str = ""


class Study:
    """The trials of one search.

    Parameters
    ----------
    folder
        Directory of the study; created if there is none.
    protocol
        Has a ``search:`` section.
    code
        Hash of the source code that trials run.
    url
        URL of a database for the trials; None for a journal in `folder`.

    Raises
    ------
    ProtocolFault
        If the study in `folder` was started with another protocol or other code.
    """

    def __init__(self, folder: Path, protocol: Protocol, code: str, url: str | None = None) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        if protocol.search is None:
            raise ProtocolFault([f"search: missing in '{protocol.name}'; allowed: a protocol with a 'search:' section"])
        self.folder, self.protocol, self.search = folder, protocol, protocol.search
        self.space = dimensions(protocol)
        self.sign = [1 if way == "maximise" else -1 for way in self.search.objectives.values()]
        (folder / "leaders").mkdir(parents=True, exist_ok=True)
        self.owner = uuid.uuid4().hex
        self._alive = open(self._leader(self.owner), "w")  # noqa: SIM115  (locked for as long as this process lives)
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        try:
            with self._alone():
                self._optuna = optuna.create_study(
                    storage=storage(folder / "study.journal", url),
                    study_name=protocol.name,
                    directions=["maximize" if sign > 0 else "minimize" for sign in self.sign],
                    load_if_exists=True,
                )
                self._same(_identity(protocol, code))
        except BaseException:
            self._leader(self.owner).unlink()
            self._alive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop leading; other leaders may take over trials without a result."""
        if not any(trial.user_attrs.get("owner") == self.owner for trial in self._running()):
            self._leader(self.owner).unlink(missing_ok=True)
        self._alive.close()

    def _leader(self, owner: str) -> Path:
        return self.folder / "leaders" / owner

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with alone(self.folder / "study.lock"):
            yield

    def _same(self, identity: dict[str, str]) -> None:
        """Refuse a study of another protocol or code; enqueue the protocol's own values as first trial of a new one."""
        known = self._optuna.user_attrs.get("identity")
        if known is None:
            self._optuna.set_user_attr("identity", identity)
            start = self.start
            if start and not isinstance(self.search.sampler, GridSampler):
                self._optuna.enqueue_trial(start)
            return
        if known != identity:
            differing = [key for key in {**known, **identity} if known.get(key) != identity.get(key)]
            shown = "; ".join(f"{key} was {known.get(key, 'absent')}" for key in differing[:3])
            more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
            raise ProtocolFault(
                [
                    f"{self.folder}: the study was started with other settings: {shown}{more}; "
                    f"allowed: the same again, another --out, or --force to put it aside and start a new one"
                ]
            )

    @property
    def start(self) -> dict[str, Value]:
        """The protocol's own values; empty if one lies outside the space."""
        values: dict[str, Value] = {}
        for dimension in self.space:
            if dimension.exists(values):
                if dimension.start is None:
                    return {}
                values[dimension.path] = dimension.start
        return values

    def ask(self) -> Asked | None:
        """Next trial: one that a dead leader left unfinished, else a new one; None when the budget is spent."""
        import optuna

        with self._alone():
            orphan = next((trial for trial in self._running() if self._abandoned(trial)), None)
            if orphan is None:
                trials = self._optuna.get_trials(deepcopy=False)
                budget, begun = self.search.budget.trials, [t for t in trials if t.state.name != "WAITING"]
                if budget is not None and len(begun) >= budget:
                    return None
                if len(begun) == len(trials) and not self._plan(trials):
                    return None
                self._optuna.sampler = self._sampler(len(begun))
                trial = self._optuna.ask()
            else:
                self._optuna.sampler = self._sampler(orphan.number)
                trial = optuna.trial.Trial(self._optuna, orphan._trial_id)
            trial.set_user_attr("owner", self.owner)
            values = self._suggest(trial)
        curves = [done.curve for done in self.finished() if done.state == "complete" and done.curve]
        return Asked(trial.number, values, thresholds(curves, self.search.pruning, self.sign[0]))

    def _abandoned(self, trial: Any) -> bool:
        """Whether the leader of a running trial has died."""
        owner = trial.user_attrs.get("owner")
        if owner is None:
            return True  # its leader died while drawing it: we hold the lock
        if owner == self.owner or not self._leader(owner).exists():
            return False  # on a machine whose files are not visible here: it may be alive
        with open(self._leader(owner)) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def _plan(self, trials: Sequence[Any]) -> bool:
        """Enqueue the next point of a grid or a coordinate descent; False if the grid has no more."""
        planned = [trial for trial in trials if "place" in trial.user_attrs]
        match self.search.sampler:
            case GridSampler() as sampler:
                points = plans.grid(self.space, sampler)
                if len(planned) == len(points):
                    return False
                point = points[len(planned)]
            case CoordinateDescentSampler() as sampler:
                earlier = [
                    plans.Planned(trial.user_attrs["place"], self._rounded(trial.params), self._gain(trial))
                    for trial in planned
                ]
                point = plans.descend(self.space, sampler, earlier, self.start)
            case _:
                return True
        self._optuna.enqueue_trial(point, user_attrs={"place": len(planned)})
        return True

    def _gain(self, trial: Any) -> float | None:
        """Score of the first objective, larger is better; None if the trial is not complete."""
        return self.sign[0] * trial.values[0] if trial.state.name == "COMPLETE" else None

    def _sampler(self, number: int) -> Any:
        """Sampler for one trial, seeded by the search's seed and the trial's number."""
        from optuna import samplers

        seed = int(stream("search", self.search.search_seed, number).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about options that Optuna calls experimental
            match self.search.sampler:
                case TpeSampler(startup=startup):
                    return samplers.TPESampler(
                        n_startup_trials=startup, multivariate=True, group=True, constant_liar=True, seed=seed
                    )
                case CmaEsSampler():
                    return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
                case RandomSampler() | GridSampler() | CoordinateDescentSampler():
                    return samplers.RandomSampler(seed=seed)

    def _suggest(self, trial: Any) -> dict[str, Value]:
        """Draw the values of the parameters that exist, in the order of the file."""
        values: dict[str, Value] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a range that is no multiple of its step is cut
            for d in self.space:
                if not d.exists(values):
                    continue
                if d.choices is not None:
                    drawn = trial.suggest_categorical(d.path, list(d.choices))
                elif d.kind == "int":
                    drawn = trial.suggest_int(d.path, int(d.low), int(d.high), step=int(d.step or 1), log=d.log)
                else:
                    drawn = trial.suggest_float(d.path, d.low, d.high, step=d.step, log=d.log)
                values[d.path] = d.rounded(drawn)
        return values

    def _rounded(self, params: Mapping[str, Value]) -> dict[str, Value]:
        return {d.path: d.rounded(params[d.path]) for d in self.space if d.path in params}

    def tell(self, done: Finished) -> None:
        """Write the outcome of a trial to disk."""
        from optuna.trial import Trial, TrialState

        frozen = next(trial for trial in self._optuna.get_trials(deepcopy=False) if trial.number == done.number)
        trial = Trial(self._optuna, frozen._trial_id)
        kept = {"means": done.means, "per_seed": done.per_seed, "curve": done.curve}
        trial.set_user_attr("result", kept | {name: getattr(done, name) for name in ("seconds", "worker", "reason")})
        if done.state == "complete":
            self._optuna.tell(trial, done.scores)
        elif done.state == "pruned":
            if done.curve:
                trial.report(done.curve[-1], len(done.curve))
            self._optuna.tell(trial, state=TrialState.PRUNED)
        else:
            self._optuna.tell(trial, state=TrialState.FAIL)

    def finished(self) -> list[Finished]:
        """Finished trials in the order of their numbers."""
        names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        found = []
        for trial in self._optuna.get_trials(deepcopy=False):
            if trial.state.name in names:
                scores = list(trial.values) if trial.state.name == "COMPLETE" else None
                result = trial.user_attrs.get("result", {})
                values = self._rounded(trial.params)
                found.append(Finished(trial.number, names[trial.state.name], values, scores=scores, **result))
        return found

    @property
    def seconds(self) -> float:
        """Search time of all processes together."""
        return float(self._optuna.user_attrs.get("seconds", 0.0))

    def spend(self, seconds: float) -> None:
        """Add search time of this process."""
        with self._alone():
            self._optuna.set_user_attr("seconds", self.seconds + seconds)

    def elsewhere(self) -> int:
        """Number of trials that run in other living processes."""
        others = [trial for trial in self._running() if trial.user_attrs.get("owner") != self.owner]
        return sum(not self._abandoned(trial) for trial in others)

    def _running(self) -> list[Any]:
        return [trial for trial in self._optuna.get_trials(deepcopy=False) if trial.state.name == "RUNNING"]


def _identity(protocol: Protocol, code: str) -> dict[str, str]:
    """Everything that the trials of a study depend on, by dotted path."""
    content = protocol.model_dump(mode="json")
    content = {key: value for key, value in content.items() if key not in NOT_OF_TRIALS}
    content["search"] = {key: value for key, value in content["search"].items() if key not in NOT_PART_OF_IT}
    return dict(_flat(content, ())) | {"the code": code}


def _flat(node: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flat(value, (*path, str(key)))
    else:
        yield ".".join(path), json.dumps(node)


def set_aside(folder: Path) -> Path | None:
    """Rename a study's directory so that a new study can start; None if there is none.

    Raises
    ------
    ProtocolFault
        If a process is working on it.
    """
    if not folder.exists():
        return None
    for leader in folder.glob("leaders/*"):
        with open(leader) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ProtocolFault(
                    [f"--force: another process works on {folder}; allowed: when it has ended"]
                ) from None
    index = 1
    while (aside := folder.with_name(f"{folder.name}_{index}")).exists():
        index += 1
    folder.rename(aside)
    return aside
