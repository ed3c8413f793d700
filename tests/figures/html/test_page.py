"""A page as text: nothing that files say becomes HTML, nothing is loaded, and it stays small."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from figures.html import page
from figures.html.blocks import Section, Series, Subject, Table, numbers, packed
from tests.figures.html.made import EVIL, PLACES, recording, subject

ONLY = {"script": 2, "style": 1, "img": 1, "iframe": 0, "link": 1}


class Elements(HTMLParser):
    """Counts elements, and keeps their attributes, texts and comments."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def text() -> str:
    return page.page([subject()])


def test_what_files_say_is_text_and_never_html(text: str) -> None:
    elements = Elements(text)
    assert {tag: elements.tags.count(tag) for tag in ONLY} == ONLY
    assert not [name for name, _ in elements.attributes if name.startswith("on")]
    assert sum(EVIL in shown for shown in elements.texts) >= 8  # title, h1, headings, cells, captions
    assert EVIL in dict(elements.attributes)["alt"]  # type: ignore[operator]


def test_data_come_out_of_the_page_as_they_went_in(text: str) -> None:
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert held is not None
    data = json.loads(held[1])
    found = next(block for block in data if block and "delta" in block)
    assert found["names"][3] == f"electrode 3 {EVIL}"
    assert found["stimuli"][0]["name"] == f"left {EVIL}"
    values = np.frombuffer(base64.b64decode(found["maps"][0]["values"]["bytes"]), "<f4")
    given = recording()
    np.testing.assert_allclose(values, np.bincount(given.electrode, minlength=62) / given.duration, rtol=1e-6)
    assert sum(found["counts"]) == len(given.time)
    np.testing.assert_allclose(found["positions"], PLACES * 1e6)


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(text: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    for kind, pattern in (("script", r"<script>(.*?)</script>"), ("style", r"<style>(.*?)</style>")):
        (inline,) = re.findall(pattern, text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    addresses = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of SVG, which nobody fetches


def test_several_subjects_stand_side_by_side_under_common_headings() -> None:
    one = Subject("one", "One", [Section("A", [Table(("x",), [("1",)])]), Section("Provenance", [])], {"q": "1"})
    two = Subject("two", "Two", [Section(h, []) for h in ("A", "B", "Provenance")], {"q": "2", "r": "3"})
    text = page.page([one, two])
    assert re.findall("<h2>(.*?)</h2>", text) == ["A", "B", "Provenance"]
    assert re.findall('<h3 class="who">(.*?)</h3>', text) == ["one", "two", "two", "one", "two"]
    assert '<tr><th scope="row">q</th><td>1</td><td>2</td></tr>' in text
    assert '<tr><th scope="row">r</th><td>-</td><td>3</td></tr>' in text
    assert "<title>Comparison of one, two</title>" in text
    four = page.page([Subject(name, name, []) for name in "abcd"])
    assert "<title>Comparison of a, b, c and 1 more</title>" in four


@pytest.mark.parametrize("n", [60, 1024])
def test_a_page_of_two_million_spikes_is_below_3_mb_and_says_what_it_leaves_out(n: int) -> None:
    side = int(np.ceil(np.sqrt(n)))
    places = np.stack(np.divmod(np.arange(n), side), axis=1) * 20e-6
    given = recording(2_000_000, 900.0, places)
    found = given.data()
    shown, all_of_them = found["drawn"]
    assert all_of_them == 2_000_000
    assert 300_000 < shown <= 450_000 + 3 * n
    assert max(k for _, _, k in found["spans"]) > 1
    text = page.page([Subject("large", "large", [Section("Recording and array", [given])])])
    assert len(text.encode()) < 3e6


def test_numbers_that_are_none_are_null_and_arrays_keep_their_type() -> None:
    assert numbers([1.23456789, np.nan, np.inf, 2]) == [1.23457, None, None, 2.0]
    assert Series("a", [1], [np.nan]).data()["y"] == [None]
    kept = packed(np.array([1, 258], np.uint16))
    assert kept == {"type": "uint16", "bytes": base64.b64encode(b"\x01\x00\x02\x01").decode()}
    with pytest.raises(ValueError, match="JSON"):
        page.as_script([float("nan")])
