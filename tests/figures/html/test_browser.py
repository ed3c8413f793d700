"""A page in a real browser: no error, no request, and controls that do what they say. Skipped without Chromium."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from figures.html import page
from tests.figures.html.browser import CHROMIUM, Browser
from tests.figures.html.made import EVIL, recording, subject

pytestmark = [pytest.mark.whole, pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")]
VIEW = "document.querySelector('canvas.raster').dataset.view.split(' ').map(Number)"
CIRCLES = "document.querySelectorAll('.recording .electrodes circle')"
SELECTED = f"[...{CIRCLES}].findIndex((c) => c.classList.contains('selected'))"
SELECT = """(label, k) => {
    const named = [...document.querySelectorAll('label')].find((found) => found.textContent.startsWith(label));
    const select = named.querySelector('select');
    select.value = k;
    select.dispatchEvent(new Event('change'));
}"""
#: which pixels of some rows of the raster are ink
ROWS = """(electrodes, n) => {
    const canvas = document.querySelector('canvas.raster');
    const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    const ink = rgb('after').reduce((all, value, k) => all | (value << (8 * k)), 0xff000000) >>> 0;
    return electrodes.map((electrode) => {
        const y = Math.floor(((electrode + 0.2) * canvas.height) / n);
        return Array.from({length: canvas.width}, (_, x) => pixels[y * canvas.width + x] === ink);
    });
}"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("page") / "page.html"
    page.write(written, [subject()])
    return written


@pytest.fixture
def shown(browser: Browser, path: Path) -> Iterator[Browser]:
    browser.show(path)
    yield browser
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]


def text_of(browser: Browser, selector: str) -> str:
    return browser.run(f"document.querySelector({selector!r}).textContent")


def test_the_page_is_seen_within_a_second_and_names_are_text(shown: Browser) -> None:
    paints = shown.run("performance.getEntriesByType('paint').map((entry) => entry.startTime)")
    assert paints
    assert max(paints) < 1000
    assert shown.run("document.title") == f"title {EVIL}"
    assert shown.run("document.scripts.length") == 2
    shown.run(f"{CIRCLES}[3].dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")
    assert text_of(shown, ".detail h3") == f"electrode 3 {EVIL}"


def test_the_raster_is_scrubbed_by_its_slider(shown: Browser) -> None:
    assert shown.run(VIEW) == [0, 100]
    assert shown.run("document.querySelector('input[type=range]').disabled")
    for _ in range(2):
        shown.mouse("button[aria-label='Zoom in']", down=True)
    assert shown.run(VIEW) == pytest.approx([37.5, 62.5])
    shown.run("document.querySelector('input[type=range]').focus()")
    shown.press("End")
    assert shown.run(VIEW) == pytest.approx([75, 100])
    assert text_of(shown, ".recording output") == "75.0 to 100.0 s of 100 s"
    shown.press("Home")
    assert shown.run(VIEW) == pytest.approx([0, 25])
    shown.mouse("button[aria-label='Whole recording']", down=True)
    assert shown.run(VIEW) == [0, 100]


def test_the_raster_obeys_the_keyboard(shown: Browser) -> None:
    shown.run("document.querySelector('canvas.raster').focus()")
    shown.press("+", "ArrowRight")
    assert shown.run(VIEW) == pytest.approx([30, 80])
    shown.press("Home")
    assert shown.run(VIEW) == pytest.approx([0, 50])
    shown.press("End", "-")
    assert shown.run(VIEW) == [0, 100]
    shown.press("ArrowDown", "ArrowDown")
    assert shown.run(SELECTED) == 1
    for _ in range(30):
        shown.press("+")
    first, last = shown.run(VIEW)
    assert last - first == pytest.approx(0.02)


def test_the_raster_is_dragged_and_zoomed_by_the_wheel(shown: Browser) -> None:
    shown.mouse("button[aria-label='Zoom in']", down=True)
    shown.mouse("canvas.raster")
    left, width, y = shown.run(
        "(({left, width, top, height}) => [left, width, top + height / 2])"
        "(document.querySelector('canvas.raster').getBoundingClientRect())"
    )
    for kind, x in (("mousePressed", 0.5), ("mouseMoved", 0.3), ("mouseReleased", 0.3)):
        at = {"x": left + x * width, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
        shown.ask("Input.dispatchMouseEvent", type=kind, **at)
    assert shown.run(VIEW) == pytest.approx([35, 85], abs=0.1)
    assert shown.run(SELECTED) == -1  # a drag is no click
    wheel = {"type": "mouseWheel", "x": left + 0.2 * width, "y": y, "deltaX": 0, "modifiers": 2}
    shown.ask("Input.dispatchMouseEvent", **wheel, deltaY=-300 * np.log(2))
    first, last = shown.run(VIEW)
    assert last - first == pytest.approx(25, rel=0.02)
    assert first + 0.2 * (last - first) == pytest.approx(45, abs=0.2)  # what is below the pointer stays there


def test_spikes_are_drawn_where_they_are(shown: Browser) -> None:
    """Pixels of the raster, of a view of 10 ms a column, against the spikes themselves."""
    given = recording()
    shown.run(f"({SELECT})('Go to', 2)")
    assert shown.run(VIEW) == pytest.approx([40, 60])
    shown.run("document.querySelector('canvas.raster').focus()")
    shown.press("+")
    first, last = shown.run(VIEW)
    rows = shown.run(f"({ROWS})([0, 20, 61], 62)")
    for electrode, row in zip((0, 20, 61), rows, strict=True):
        own = given.time[(given.electrode == electrode) & (given.time >= first) & (given.time < last)]
        expected = np.zeros(len(row), bool)
        expected[np.floor((np.round(own * 1e4) / 1e4 - first) / (last - first) * len(row)).astype(int)] = True
        assert np.mean(expected == np.array(row)) > 0.995  # rounding at the edge of a pixel
        assert np.array(row).sum() == pytest.approx(len(own), abs=2)


def test_the_mouse_hovers_and_selects_in_array_and_raster(shown: Browser) -> None:
    shown.mouse(".recording .electrodes circle", index=10)
    assert shown.run(f"{CIRCLES}[10].classList.contains('hovered')")
    rate = (recording().electrode == 10).sum() / 100
    said = text_of(shown, ".recording .map output")
    assert said.startswith("electrode 10 : ")
    assert float(said.split()[3]) == pytest.approx(rate, rel=5e-3)
    shown.mouse(".recording .electrodes circle", index=10, down=True)
    assert shown.run(SELECTED) == 10
    titles = shown.run("[...document.querySelectorAll('.detail figcaption')].map((c) => c.textContent)")
    assert titles == [
        f"Spikes around left {EVIL}, a line a trial",
        "Responses (PSTH)",
        "Intervals between spikes (ISI)",
    ]
    shown.mouse("canvas.raster")  # its middle: electrode 31
    assert "electrode 31" in text_of(shown, ".recording > div output")
    assert shown.run(f"{CIRCLES}[31].classList.contains('hovered')")
    shown.mouse("canvas.raster", down=True)
    assert shown.run(SELECTED) == 31
    assert text_of(shown, ".detail h3").strip() == "electrode 31"


def test_the_array_obeys_the_keyboard(shown: Browser) -> None:
    shown.run(f"{CIRCLES}[0].focus()")
    shown.press("ArrowDown", "Enter")  # from column 1 of the first row to that of the second
    assert shown.run(SELECTED) == 8
    shown.press("ArrowLeft", "Enter")
    assert shown.run(SELECTED) == 7
    shown.press("Escape")
    assert shown.run(SELECTED) == -1
    assert "Choose an electrode" in text_of(shown, ".detail")


def test_colours_follow_the_chosen_map_and_the_selected_electrode_of_a_matrix(shown: Browser) -> None:
    colors = f"[...{CIRCLES}].map((c) => c.style.fill)"
    before = shown.run(colors)
    shown.run(f"({SELECT})('Colour', 1)")
    assert shown.run(colors) != before
    weights = "[...document.querySelectorAll('.array .electrodes circle')].map((c) => c.getAttribute('aria-label'))"
    matrix = np.random.default_rng(1).normal(size=(62, 62))
    mean = [float(label.split()[2]) for label in shown.run(weights)]
    np.testing.assert_allclose(mean, matrix.mean(axis=0), atol=1e-3)
    shown.mouse(".array .electrodes circle", index=5, down=True)
    row = [float(label.split()[2]) for label in shown.run(weights)]
    np.testing.assert_allclose(row, matrix[5], rtol=6e-3)


def test_a_power_law_is_a_straight_line_on_logarithmic_axes(shown: Browser) -> None:
    law = "[...document.querySelectorAll('figure.plot')].find((f) => f.textContent.includes('probability'))"
    path = shown.run(f"{law}.querySelector('svg path').getAttribute('d')")
    points = np.array([point.split() for point in re.split("[ML]", str(path))[1:]], float)
    slope = np.diff(points[:, 1]) / np.diff(points[:, 0])
    np.testing.assert_allclose(slope, slope.mean(), rtol=0.03)
    texts = shown.run(f"[...{law}.querySelectorAll('text')].map((t) => t.textContent)")
    assert {"1", "10", "0.1", "1e-4"} <= set(texts)


def test_a_plot_says_its_values_by_mouse_and_keyboard(shown: Browser) -> None:
    said = "document.querySelector('figure.plot output').textContent"
    shown.run("document.querySelector('figure.plot svg').focus()")
    shown.press("ArrowRight", "ArrowRight")
    assert shown.run(said) == f"2; ours {EVIL}: 0.1; theirs: 0.06667"
    shown.mouse("figure.plot svg", 0.98)
    assert shown.run(said).startswith("20; ")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_and_is_legible_in_the_dark(browser: Browser, path: Path, width: int, dark: bool) -> None:
    browser.show(path, width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    style = "getComputedStyle(document.body)"
    paper, ink = (browser.run(f"{style}.{what}") for what in ("backgroundColor", "color"))
    light = [sum(map(int, re.findall(r"\d+", color)[:3])) / 765 for color in (paper, ink)]
    assert (light[0] < 0.2, light[1] > 0.8) == (dark, dark)
    small = browser.run("[...document.querySelectorAll('button, select')].filter((b) => b.offsetHeight < 30).length")
    assert small == 0  # for a finger
    assert browser.complaints() == []


def test_in_print_it_is_dark_on_white_and_needs_no_controls(browser: Browser, path: Path) -> None:
    browser.show(path, dark=True)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.ask("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('.controls')).display") == "none"
    browser.ask("Emulation.setEmulatedMedia", media="")
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("document.documentElement.classList.contains('printing')") is False


def test_positions_may_be_missing_and_several_subjects_stand_side_by_side(browser: Browser, tmp_path: Path) -> None:
    page.write(tmp_path / "two.html", [subject("one", places=None), subject("two", n_spikes=0)])
    browser.show(tmp_path / "two.html")
    assert "Positions are not known" in browser.run("document.querySelector('.recording').textContent")
    tops = browser.run("[...document.querySelectorAll('#learning article')].map((a) => a.getBoundingClientRect().top)")
    assert len(tops) == 2
    assert tops[0] == tops[1]
    assert browser.complaints() == []
