"""A study on disk: after a kill or a cut file, no finished trial is lost and none is drawn twice."""

from pathlib import Path

import pytest

from protocols.loading.loader import load
from protocols.search.journal import drop_half_line
from protocols.search.study import Asked, Finished, Study, set_aside
from protocols.spec.faults import ProtocolFault
from tests.protocols.search import toy


def study_of(folder: Path, trials: int = 6, more: str = "", code: str = "abc") -> Study:
    return Study(folder / "search", load(str(toy.write(folder, trials, more))), code)


def complete(asked: Asked, score: float) -> Finished:
    return Finished(asked.number, "complete", asked.values, [score], [score], [[score, score]], [score / 2, score])


def leave(study: Study) -> None:
    """As a killed process leaves it: the lock is gone, its file is not."""
    study._alive.close()


def test_the_start_comes_first_and_the_budget_ends_it(tmp_path: Path) -> None:
    with study_of(tmp_path) as study:
        asked = [study.ask() for _ in range(6)]
        assert study.ask() is None
        assert all(one is not None for one in asked)
        assert asked[0].values == {"culture.excitatory.strength": 40.0, "culture.excitatory.sigma": 1.2}  # type: ignore[union-attr]
        assert [one.number for one in asked if one] == list(range(6))


def test_what_is_told_is_found_again_as_it_was(tmp_path: Path) -> None:
    with study_of(tmp_path) as study:
        first, second, third = (study.ask() for _ in range(3))
        assert first and second and third  # noqa: PT018
        told = [
            complete(first, 0.5),
            Finished(second.number, "pruned", second.values, curve=[0.1], seconds=1.5, worker="w"),
            Finished(third.number, "failed", third.values, reason="NaN"),
        ]
        for one in told:
            study.tell(one)
    with study_of(tmp_path) as study:
        assert study.finished() == told


def test_a_dead_leaders_trials_are_adopted_with_their_values_a_living_ones_are_not(tmp_path: Path) -> None:
    dead = study_of(tmp_path)
    lost = [dead.ask(), dead.ask()]
    living = study_of(tmp_path)
    kept = living.ask()
    leave(dead)
    with study_of(tmp_path) as study:
        assert study.elsewhere() == 1
        assert [study.ask(), study.ask()] == lost
        new = study.ask()
        assert new is not None
        assert kept is not None
        assert new.number == kept.number + 1
    living.close()


def test_a_leader_killed_while_it_asked(tmp_path: Path) -> None:
    """A trial that was begun in the journal, but belongs to nobody and has no values."""
    with study_of(tmp_path) as study:
        study._optuna.ask()
        asked = study.ask()
        assert asked is not None
        assert asked.number == 0
        assert set(asked.values) == {"culture.excitatory.strength", "culture.excitatory.sigma"}


@pytest.mark.parametrize("left", [1, 7, 40])
def test_a_line_cut_short_costs_only_what_it_said(tmp_path: Path, left: int) -> None:
    study = study_of(tmp_path)
    asked = [study.ask(), study.ask()]
    assert asked[0]
    assert asked[1]
    study.tell(complete(asked[0], 0.25))
    known = study.finished()
    journal = tmp_path / "search" / "study.journal"
    whole = journal.read_bytes()
    study.tell(complete(asked[1], 0.75))
    leave(study)
    more = journal.read_bytes()[len(whole) :]
    journal.write_bytes(whole + more[:left])
    with study_of(tmp_path) as study:
        assert study.finished() == known
        assert study.ask() == asked[1]
        study.tell(complete(asked[1], 0.75))
    with study_of(tmp_path) as study:
        assert [done.scores for done in study.finished()] == [[0.25], [0.75]]


def test_half_lines_are_cut_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for content, expected in [(b"", b""), (b"a", b""), (b"a\n", b"a\n"), (b"a\n" + b"b" * 200_000, b"a\n")]:
        path.write_bytes(content)
        drop_half_line(path)
        assert path.read_bytes() == expected


def test_two_leaders_share_a_study_and_no_trial(tmp_path: Path) -> None:
    with study_of(tmp_path) as one, study_of(tmp_path) as other:
        asked = [study.ask() for _ in range(3) for study in (one, other)]
        assert sorted(it.number for it in asked if it) == list(range(6))
        assert one.ask() is other.ask() is None
        values = [tuple(it.values.items()) for it in asked if it]
        assert len(set(values)) == 6


def test_another_space_other_code_another_protocol_are_refused(tmp_path: Path) -> None:
    study_of(tmp_path).close()
    with pytest.raises(ProtocolFault, match=r'the study was started with other settings: the code was "?abc'):
        study_of(tmp_path, code="other")
    with pytest.raises(ProtocolFault, match=r"search\.seeds was 2"):
        Study(tmp_path / "search", load(str(tmp_path / "toy.yaml"), ["search.seeds=3"]), "abc")
    text = (tmp_path / "toy.yaml").read_text()
    (tmp_path / "toy.yaml").write_text(text.replace("low: 10 mV", "low: 20 mV"))
    with pytest.raises(ProtocolFault, match=r'search\.space\.culture\.excitatory\.strength\.low was "10 mV"') as fault:
        Study(tmp_path / "search", load(str(tmp_path / "toy.yaml")), "abc")
    assert len(fault.value.lines) == 1
    (tmp_path / "toy.yaml").write_text(text)
    longer = ["search.budget.trials=9", "seeds=12"]  # a longer search, a prediction from more seeds: the same study
    more = load(str(tmp_path / "toy.yaml"), longer)
    Study(tmp_path / "search", more, "abc").close()


def test_putting_aside_loses_nothing_and_disturbs_nobody(tmp_path: Path) -> None:
    with study_of(tmp_path) as study:
        with pytest.raises(ProtocolFault, match="another process works on"):
            set_aside(tmp_path / "search")
        asked = study.ask()
        assert asked
        study.tell(complete(asked, 0.5))
    assert set_aside(tmp_path / "search") == tmp_path / "search_1"
    assert set_aside(tmp_path / "search") is None
    with study_of(tmp_path) as study:
        assert study.finished() == []
    assert set_aside(tmp_path / "search") == tmp_path / "search_2"


@pytest.mark.parametrize(
    "sampler", ["random", "grid, points: 3", "tpe, startup: 3", "cma_es", "coordinate_descent, points: 3"]
)
def test_every_sampler_climbs_or_covers(tmp_path: Path, sampler: str) -> None:
    more = f"sampler: {{sampler: {sampler}}}\n"
    with study_of(tmp_path, 30, more) as study:
        scores = []
        while (asked := study.ask()) is not None:
            strength, sigma = (float(asked.values[f"culture.excitatory.{key}"]) for key in ("strength", "sigma"))
            scores.append(toy.bowl(strength * 1e-3, sigma * 1e-3))
            study.tell(complete(asked, scores[-1]))
        assert len(scores) == (9 if "grid" in sampler else 30)
        assert max(scores) > (0.9 if "random" in sampler or "grid" in sampler else 0.98)


def test_a_database_keeps_a_study_as_well(tmp_path: Path) -> None:
    protocol, url = load(str(toy.write(tmp_path))), f"sqlite:///{tmp_path}/studies.db"
    with Study(tmp_path / "search", protocol, "abc", url) as study:
        asked = study.ask()
        assert asked
        study.tell(complete(asked, 0.5))
        known = study.finished()
    with Study(tmp_path / "search", protocol, "abc", url) as study:
        assert study.finished() == known
    with pytest.raises(ProtocolFault, match=r"--storage nothing://x: .*; allowed: the URL of a database") as fault:
        Study(tmp_path / "search", protocol, "abc", "nothing://x")
    assert len(fault.value.lines) == 1
    with pytest.raises(ProtocolFault, match=r"--storage nothing://me:\*\*\*@x: "):
        Study(tmp_path / "search", protocol, "abc", "nothing://me:secret@x")
