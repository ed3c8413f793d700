"""What a dish needs, before it runs: against what it takes, and one line where the machine has less."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from culture_sim import run
from culture_sim.experiments import dish, dish_needs
from culture_sim.living import LivingCulture
from culture_sim.search import command as search
from protocols.loading.loader import load
from protocols.runs.reporting import unheard
from protocols.runs.run_directory import Run
from protocols.spec.protocol import DishProtocol
from tests.command import exit_code
from tests.protocols.spec.test_dish import GOOD, written

SEARCH = """\
search:
  space: {culture.neurons.drive.mean: {low: 14 mV, high: 16 mV}}
  objectives: {activity/rate: maximise}
  budget: {trials: 2}
"""


def dish_of(folder: Path, text: str = GOOD) -> DishProtocol:
    protocol = load(written(folder, text))
    assert isinstance(protocol, DishProtocol)
    return protocol


def test_spikes_and_synapses_are_those_of_a_run_at_its_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = dish_of(tmp_path, GOOD.replace("count: 100", "count: 400") + "record: {spikes: all, within: 150 um}\n")
    saved = Run(tmp_path, protocol, "key")
    saved.partial.mkdir(parents=True)
    arrays = dish.run_seed(protocol, "auto", 0, saved, unheard)
    monkeypatch.setattr(dish_needs, "RATE_HZ", len(arrays["spikes/step"]) / 400 / 32)
    needs = dish_needs.Needs.of(protocol)
    kept = sum(arrays[name].nbytes for name in arrays if name.startswith(("heard/", "spikes/")))
    assert needs.kept_bytes == pytest.approx(kept, rel=0.2)
    grown = LivingCulture.grow(protocol.culture, 0)
    assert needs.n_synapses == pytest.approx(len(grown.synapses.weight), rel=0.05)
    on_disk = sum(path.stat().st_size for path in saved.partial.iterdir())  # state twice, spikes once
    assert on_disk < needs.disk_bytes < 3 * on_disk


def test_needs_grow_with_what_is_asked_for(tmp_path: Path) -> None:
    base = dish_needs.Needs.of(dish_of(tmp_path))
    for old, new, more in (
        ("count: 100", "count: 200", ("n_synapses", "seed_bytes", "kept_bytes", "disk_bytes", "scratch_bytes")),
        ("rest: 2 s", "rest: 2000 s", ("seed_bytes", "kept_bytes", "disk_bytes")),
        ("name: mine", "name: mine\nseeds: 2", ("kept_bytes", "disk_bytes")),
        ("name: mine", "name: mine\nrecord: {spikes: all}", ("seed_bytes", "kept_bytes", "disk_bytes")),
        ("pulses: 10,", "pulses: 400,", ("seed_bytes",)),
    ):
        needs = dish_needs.Needs.of(dish_of(tmp_path, GOOD.replace(old, new, 1)))
        for name in more:
            assert getattr(needs, name) > getattr(base, name), (new, name)


@pytest.mark.parametrize("app", [run.app, search.app])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize("short_of", ["memory", "disk"])
def test_a_run_that_does_not_fit_is_refused_in_one_line(
    app: object,
    dry: tuple[str, ...],
    short_of: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if short_of == "memory":
        monkeypatch.setattr("culture_sim.run.available_memory_bytes", lambda: 10**8)
    else:
        monkeypatch.setattr(dish_needs, "free_bytes", lambda folder: 1000)
    protocol, out = written(tmp_path, GOOD + SEARCH + "record: {spikes: all}\n"), tmp_path / "runs"
    assert partial(exit_code, app)(protocol, "--out", str(out), *dry) == 2  # type: ignore[arg-type]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: culture: 100 neurons, 4e+03 synapses, 1 x 32 s at 5 Hz a neuron: about ")
    assert f"GB of {short_of}" in line
    assert line.endswith("are free (fewer neurons, a shorter timeline, fewer seeds, record.spikes: heard)")
    assert not out.exists()


def test_the_free_space_is_that_of_the_folder_that_will_hold_a_new_one(tmp_path: Path) -> None:
    assert dish_needs.free_bytes(tmp_path / "not" / "yet" / "there") == pytest.approx(
        dish_needs.free_bytes(tmp_path), rel=0.05
    )
    assert np.isfinite(dish_needs.free_bytes(Path("relative")))
