"""The page of a live dish: who may ask, what it takes, and in a headless browser that it shows and stimulates."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culture_sim.engines.compiled import compiler
from culture_sim.live import live
from culture_sim.live.server import DishServer
from figures.runs.run import DishRun, read_run
from tests.command import started
from tests.figures.html.browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def server() -> Iterator[DishServer]:
    with live("spontaneous", out=None, quiet=True) as dish:
        made = DishServer(dish, "A dish <of> mine")
        try:
            yield made
        finally:
            made.close()


def ask(server: DishServer, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, None if body is None else json.dumps(body), given)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if "json" in answer.headers["Content-Type"] else text


def test_the_page_gets_what_is_new(server: DishServer) -> None:
    ticks = list(server.dish.loop(100, 3))
    for tick in ticks:
        server.show(tick)
    expected = [(t, e) for tick in ticks for t, e in zip(tick.spikes.time, tick.spikes.electrode, strict=True)]
    status, news = ask(server, "GET", "/state?since=1500", X_Token=server.token)
    assert status == 200
    assert news["step"] == 3000
    assert news["running"]
    later = [(round(t * 1000), e) for t, e in expected if round(t * 1000) >= 1500]
    assert list(zip(news["spikes"]["step"], news["spikes"]["electrode"], strict=True)) == later
    status, page = ask(server, "GET", "/")
    assert status == 200
    assert "A dish &lt;of&gt; mine" in page
    assert server.token in page


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/state", {}, 403),
        ("GET", "/state", {"X_Token": "guessed"}, 403),
        ("GET", "/", {"Host": "evil.example:80"}, 403),
        ("GET", "/", {"Origin": "http://evil.example"}, 403),
        ("GET", "/", {"Origin": "null"}, 403),
        ("POST", "/command", {}, 403),
        ("POST", "/command", {"Origin": "http://evil.example", "X_Token": "own"}, 403),
        ("GET", "/../../etc/passwd", {"X_Token": "own"}, 404),
    ],
)
def test_nobody_else_is_answered(
    server: DishServer, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    given = {name: server.token if value == "own" else value for name, value in headers.items()}
    found, content = ask(server, method, path, {"do": "stop"} if method == "POST" else None, **given)
    assert found == status
    assert server.token not in str(content)
    assert server.commands.empty()


def test_it_listens_on_the_loopback_interface_alone(server: DishServer) -> None:
    assert server._server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ({"do": "quit"}, "do: allowed: start, stop, step, stimulate"),
        ([], "do: allowed"),
        ({"do": "stimulate", "electrode": 64, "amplitude_uA": 3}, "electrode: allowed: 0 to 63"),
        ({"do": "stimulate", "electrode": "3", "amplitude_uA": 3}, "electrode: allowed: 0 to 63"),
        ({"do": "stimulate", "electrode": 3, "amplitude_uA": 0}, "amplitude_uA: allowed: 0.001 to 10000"),
    ],
)
def test_commands_are_checked(server: DishServer, command: Any, message: str) -> None:
    status, content = ask(server, "POST", "/command", command, X_Token=server.token)
    assert status == 400
    assert message in content["error"]
    assert server.commands.empty()


@pytest.mark.whole
@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_in_a_browser_spikes_appear_a_click_stimulates_and_stop_stops(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "culture_sim.live", "spontaneous", "--view", "--out", str(tmp_path / "runs")]
    with started(line, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
        assert found is not None
        with Browser(tmp_path / "profile") as browser:
            browser.open(found[0])
            browser.until("Number(document.documentElement.dataset.spikes) > 20")
            browser.mouse(".electrodes circle", down=True, index=27)
            browser.until("Number(document.documentElement.dataset.pulses) === 1")
            browser.mouse("#stop", down=True)
            browser.until("document.getElementById('said').textContent.endsWith('stopped')")
            at = int(browser.run("document.documentElement.dataset.step"))
            time.sleep(0.5)
            assert int(browser.run("document.documentElement.dataset.step")) == at
            browser.mouse("#step", down=True)
            browser.until(f"Number(document.documentElement.dataset.step) === {at + 10}")
            browser.mouse("#start", down=True)
            browser.until(f"Number(document.documentElement.dataset.step) > {at + 100}")
            assert not browser.complaints()
            assert all(url.startswith(found[0]) for url in browser.requests())
            if where := os.environ.get("LIVE_PICTURE"):
                browser.picture(Path(where))
            os.killpg(process.pid, signal.SIGINT)
            said = process.stderr.read()
            assert process.wait(30) == 0, said
            browser.until("document.documentElement.dataset.ended === 'yes'")
    assert "Run directory: " in said
    assert "Traceback" not in said
    (path,) = (path for path in (tmp_path / "runs" / "spontaneous").iterdir() if path.is_dir())
    run = read_run(path)
    assert isinstance(run, DishRun)
    np.testing.assert_array_equal(run.array(0, "stimuli/electrode"), [27])
    assert run.array(0, "stimuli/label").tolist() == ["by hand"]
