"""The command that repeats a finished run."""

from figures.runs.run import NetworkRun, RunData
from protocols.loading.loader import builtin, load


def command(run: RunData) -> str | None:
    """Command of a built-in protocol, changed at most in `seeds` and ``--quick``; None if that is not what ran."""
    name, n = run.protocol.name, run.protocol.seeds
    for quick in (False, True):
        if name not in builtin() or (quick and not load(name).quick):
            continue
        for overrides, option in (([], ""), ([f"seeds={n}"], f" --seeds {n}")):
            if load(name, overrides, quick=quick) == run.protocol:
                return f"python -m {package(run)}.run {name}{' --quick' if quick else ''}{option}"
    return None


def of_file(run: RunData) -> str:
    """Command that repeats any run from the resolved protocol in its directory."""
    return f"python -m {package(run)}.run {run.path / 'protocol.yaml'}"


def package(run: RunData) -> str:
    """The package that ran it."""
    return "hebbian_dl" if isinstance(run, NetworkRun) else str(run.provenance.get("learner") or "culture_sim")
