"""One posterior that is trained, and recordings, for all tests of fits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from culture_sim.fit import train
from culture_sim.fit.amortised import posterior
from tests.command import finished_run
from tests.culture_sim.fit import tiny


@pytest.fixture(scope="session", autouse=True)
def small_networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posterior, "WIDTH", 16)
        patch.setattr(posterior, "TRANSFORMS", 2)
        yield


@pytest.fixture(scope="session")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a fit."""
    return tiny.write(tmp_path_factory.mktemp("fit"))


@pytest.fixture(scope="session")
def trained(protocol: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of its posterior."""
    return finished_run(train.app, tmp_path_factory.mktemp("trained"), str(protocol), "--jobs", "1")


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two groups of two cultures, of which the second one's cells are driven more."""
    folder = tmp_path_factory.mktemp("recordings")
    for age, drive in ((7, "16 mV"), (21, "18.5 mV")):
        (folder / f"div{age}").mkdir()
        for seed in (1, 2):
            trains = tiny.recording(tiny.loaded(folder), 100 * age + seed, **{"culture.neurons.drive.mean": drive})
            tiny.as_hdf5(trains, folder / f"div{age}/dish_{age}_{seed}.h5", age)
    return folder
