"""Probe files written by probeinterface itself, read back as electrode arrays; and what is refused."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probeinterface import (
    Probe,
    generate_dummy_probe,
    generate_dummy_probe_group,
    generate_linear_probe,
    generate_multi_columns_probe,
    generate_tetrode,
    write_probeinterface,
)

from culture_sim.model.electrodes import electrode_positions
from protocols.loading.loader import load
from protocols.loading.overrides import check
from protocols.plan.dish import electrode_pulses, expand_dish
from protocols.runs.run_directory import resolved, run_hash
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol

TEXT = """\
name: mine
title: A probe
citation: none
culture:
  model: living
  array: {probe: my.json}
  area: {width: 1 mm, height: 1 mm}
  neurons: {count: 100}
patterns:
  some: {electrodes: [0]}
timeline:
  - {probe: some, every: 1 s}
"""


def staggered() -> Probe:
    return generate_multi_columns_probe(
        num_columns=3, num_contact_per_column=[4, 5, 4], xpitch=35.5, ypitch=20.1, y_shift_per_column=[10, 0, 10]
    )


def loaded(folder: Path, probe: Any, text: str = TEXT, *overrides: str) -> DishProtocol:
    if probe is not None:
        write_probeinterface(folder / "my.json", probe)
    (folder / "mine.yaml").write_text(text)
    protocol = load(str(folder / "mine.yaml"), overrides)
    assert isinstance(protocol, DishProtocol)
    return protocol


@pytest.mark.parametrize(
    "generate", [staggered, generate_tetrode, generate_dummy_probe, lambda: generate_linear_probe(16, 65)]
)
def test_electrodes_lie_where_the_probe_has_its_contacts(generate: Callable[[], Probe], tmp_path: Path) -> None:
    probe = generate()
    protocol = loaded(tmp_path, probe)
    assert protocol.culture.array.n_electrodes == probe.get_contact_count()
    found = electrode_positions(protocol.culture.array)
    np.testing.assert_allclose(found, probe.contact_positions * 1e-6, rtol=1e-12)


def test_units_of_the_file_count(tmp_path: Path) -> None:
    microns = generate_linear_probe(5, 100)
    millimetres = Probe(ndim=2, si_units="mm")
    millimetres.set_contacts(microns.contact_positions / 1000, shapes="circle", shape_params={"radius": 0.005})
    first, second = loaded(tmp_path, microns), loaded(tmp_path, millimetres)
    assert first == second
    assert electrode_positions(first.culture.array)[:, 1] == pytest.approx([0, 1e-4, 2e-4, 3e-4, 4e-4])


def test_contacts_are_named_by_number_or_by_id(tmp_path: Path) -> None:
    probe = staggered()
    ids = [f"E {k}" for k in range(12, -1, -1)]
    probe.set_contact_ids(ids)
    protocol = loaded(tmp_path, probe, TEXT.replace("[0]", '[4, "E 12", "E 1"]'))
    pulses = electrode_pulses(protocol, expand_dish(protocol))
    assert pulses.electrode.tolist() == [0, 4, 11]
    assert [contact.id for contact in protocol.culture.array.contacts] == ids  # type: ignore[union-attr]


def test_a_resolved_protocol_holds_the_contacts_and_depends_on_no_file(tmp_path: Path) -> None:
    protocol = loaded(tmp_path, staggered())
    key = run_hash(protocol, {}, ("protocols",))
    (tmp_path / "my.json").unlink()
    (tmp_path / "again.yaml").write_text(resolved(protocol))
    assert load(str(tmp_path / "again.yaml")) == protocol
    moved = staggered()
    moved.move([0, 0.5])
    assert run_hash(loaded(tmp_path, staggered()), {}, ("protocols",)) == key
    assert run_hash(loaded(tmp_path, moved), {}, ("protocols",)) != key


def test_another_probe_may_be_set_and_a_base_of_rows_and_columns_gives_way(tmp_path: Path) -> None:
    write_probeinterface(tmp_path / "other.json", generate_linear_probe(7))
    protocol = loaded(tmp_path, staggered(), TEXT, "culture.array.probe=other.json")
    assert protocol.culture.array.n_electrodes == 7
    grid = TEXT.replace("{probe: my.json}", "{rows: 2, columns: 3, pitch: 1 mm}").replace("[0]", "[[0, 0]]")
    (tmp_path / "grid.yaml").write_text(grid)
    child = "base: grid.yaml\nculture: {array: {probe: my.json}}\npatterns: {some: {electrodes: [3]}}\n"
    assert loaded(tmp_path, staggered(), child).culture.array.n_electrodes == 13


def test_the_culture_surrounds_the_contacts_by_half_their_distance(tmp_path: Path) -> None:
    protocol = loaded(
        tmp_path, generate_linear_probe(11, 50), TEXT.replace("  area: {width: 1 mm, height: 1 mm}\n", "")
    )
    assert protocol.culture.ground == pytest.approx((-25e-6, -25e-6, 50e-6, 550e-6))


def edited(**changes: Any) -> Callable[[Path], None]:
    """Writes a probe file with some values of its one probe replaced."""

    def write(path: Path) -> None:
        write_probeinterface(path, staggered())
        content = json.loads(path.read_text())
        content["probes"][0] |= changes
        path.write_text(json.dumps(content))

    return write


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda path: None, "no such file in"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.write_text("hello"), "is not JSON"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "is not JSON"),
        (lambda path: path.write_text("[1, 2]"), "is no probe file"),
        (lambda path: path.write_text('{"contacts": []}'), "is no probe file"),
        (lambda path: path.write_text('{"specification": "probeinterface"}'), "is a damaged probe file"),
        (lambda path: path.write_text('{"specification": "probeinterface", "probes": []}'), "holds 0 probes"),
        (lambda path: write_probeinterface(path, generate_dummy_probe_group()), "holds 2 probes; allowed: one"),
        (lambda path: write_probeinterface(path, staggered().to_3d()), "has contacts in 3 dimensions; allowed: 2"),
        (edited(contact_positions=[]), "has no contacts"),
        (edited(contact_positions=[[0, 0], [0, 1]]), "is a damaged probe file"),
        (edited(contact_ids=["a"] * 13), "is a damaged probe file"),
        (edited(si_units="inch"), "si_units 'inch'; allowed: um, mm, m"),
        (edited(si_units="m"), "allowed: at most 1 m from the origin"),
        (edited(contact_positions=[[k, float("nan")] for k in range(13)]), "a contact at nan um"),
    ],
)
def test_a_file_that_is_no_probe_is_one_clear_line(write: Any, expected: str, tmp_path: Path) -> None:
    write(tmp_path / "my.json")
    with pytest.raises(ProtocolFault) as fault:
        loaded(tmp_path, None)
    (line,) = fault.value.lines
    assert line.startswith("culture.array.probe: 'my.json': ")
    assert expected in line


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[0]", "[13]", "patterns.some.electrodes: no contact 13; allowed: 0 to 12, or an id as text"),
        ("[0]", "[-1]", "patterns.some.electrodes: no contact -1"),
        ("[0]", '["x"]', "patterns.some.electrodes: no contact with the id 'x'"),
        ("[0]", '[3, "3"]', "patterns.some.electrodes: a contact is listed twice"),
        ("[0]", "[[0, 0]]", "patterns.some.electrodes: (row, column) pairs; allowed: contacts of the probe"),
        ("[0]", "[0, [0, 0]]", "patterns.some.electrodes.1: is no contact"),
        ("[0]", "[0, true]", "patterns.some.electrodes.1: True is no contact"),
        ("[0]", '"#."', "patterns.some.electrodes: (row, column) pairs; allowed: contacts of the probe"),
        ("my.json}", "my.json, pitch: 1 mm}", "culture.array.pitch: unknown key; allowed: probe"),
        ("my.json}", "3}", "culture.array.probe: 3 is not allowed"),
    ],
)
def test_a_mistake_about_a_probe_is_one_clear_line(old: str, new: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(ProtocolFault) as fault:
        loaded(tmp_path, staggered(), TEXT.replace(old, new))
    (line,) = fault.value.lines
    assert line.startswith(expected)


def test_a_single_contact_needs_an_area(tmp_path: Path) -> None:
    single = generate_linear_probe(1)
    assert loaded(tmp_path, single).culture.ground.width == 1e-3
    with pytest.raises(ProtocolFault, match="area: null, with a single contact; allowed: a width and a height"):
        loaded(tmp_path, single, TEXT.replace("  area: {width: 1 mm, height: 1 mm}\n", ""))


def test_the_library_is_needed_only_to_read_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = loaded(tmp_path, staggered())
    monkeypatch.setitem(sys.modules, "probeinterface", None)
    assert check(protocol.model_dump(mode="json")) == protocol
    with pytest.raises(ProtocolFault, match=r"probeinterface is not installed \(pip install .*'.\[lab\]'\)"):
        loaded(tmp_path, None)


def test_the_published_model_takes_no_probe() -> None:
    content = load("ruaro2005").model_dump(mode="json")
    content["culture"]["array"] = {"probe": "not_read.json"}
    with pytest.raises(ProtocolFault, match=r"culture.array: a probe; allowed: rows, columns and pitch"):
        check(content)
