"""A page on the loopback interface that shows a live dish and controls it; it answers nobody else."""

import json
import queue
import secrets
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from culture_sim.closed_loop.dish import Tick
from culture_sim.live.session import LiveDish
from figures.html.page import template

HOST = "127.0.0.1"
KEPT_S = 20.0  # of spikes and pulses, for pages that ask late
MOST_BODY = 10_000  # bytes of a command
DO = ("start", "stop", "step", "stimulate")


class DishServer:
    """The page's server, in threads of its own; commands wait in `commands` for who runs the dish.

    Parameters
    ----------
    dish, title
        What is shown.
    port
        0: one that is free.
    """

    def __init__(self, dish: LiveDish, title: str, port: int = 0) -> None:
        self.dish, self.title, self.token = dish, title, secrets.token_urlsafe(16)
        self.commands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.running = True
        self._lock = threading.Lock()
        self._step = dish.step
        self._spikes: deque[tuple[int, int]] = deque()
        self._pulses: deque[tuple[int, int]] = deque()
        self._shown_pulses = 0
        self._server = ThreadingHTTPServer((HOST, port), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.port}/"

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def show(self, tick: Tick) -> None:
        """Let the page know of a tick."""
        dt, pulses = self.dish.dt, self.dish.record.pulses
        with self._lock:
            self._step = self.dish.step
            steps = (tick.spikes.time / dt).round().astype(int).tolist()
            self._spikes += zip(steps, tick.spikes.electrode.tolist(), strict=True)
            self._pulses += ((pulse.step, pulse.electrode) for pulse in pulses[self._shown_pulses :])
            self._shown_pulses = len(pulses)
            for kept in (self._spikes, self._pulses):
                while kept and kept[0][0] < self._step - KEPT_S / dt:
                    kept.popleft()

    def state(self, since: int) -> dict[str, Any]:
        """Spikes and pulses from a time step on, and the time now."""
        with self._lock:
            news: dict[str, Any] = {"step": self._step, "running": self.running}
            for name, kept in (("spikes", self._spikes), ("pulses", self._pulses)):
                rows = [row for row in kept if row[0] >= since]
                news[name] = {"step": [step for step, _ in rows], "electrode": [electrode for _, electrode in rows]}
        return news

    def page(self) -> str:
        """HTML of the page."""
        data = {
            "positions": (self.dish.positions * 1e6).tolist(),
            "names": [f"electrode {k}" for k in range(self.dish.n_electrodes)],
            "dt": self.dish.dt,
            "token": self.token,
        }
        return template(self.title, "", data, ("tools.js", "array.js", "live.js"), talks="'self'")

    def command(self, given: Any) -> None:
        """Take a command of the page.

        Raises
        ------
        ValueError
            If it is none.
        """
        if not isinstance(given, dict) or given.get("do") not in DO:
            raise ValueError(f"do: allowed: {', '.join(DO)}")
        if given["do"] == "stimulate":
            electrode, amplitude = given.get("electrode"), given.get("amplitude_uA")
            if not isinstance(electrode, int) or not 0 <= electrode < self.dish.n_electrodes:
                raise ValueError(f"electrode: allowed: 0 to {self.dish.n_electrodes - 1}")
            if not isinstance(amplitude, (int, float)) or not 1e-3 <= amplitude <= 1e4:
                raise ValueError("amplitude_uA: allowed: 0.001 to 10000")
            if self.dish.culture.spec.stimulation is None:
                raise ValueError("stimulate: the culture has stimulation: null")
        self.commands.put(given)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """The page, or what is new."""
                parts = urlsplit(self.path)
                if parts.path == "/" and self._allowed(with_token=False):
                    self._answer(200, "text/html; charset=utf-8", server.page().encode())
                elif parts.path == "/state" and self._allowed():
                    since = parse_qs(parts.query).get("since", ["0"])[0]
                    self._json(200, server.state(int(since) if since.isdecimal() else 0))
                elif parts.path not in {"/", "/state"}:
                    self._json(404, {"error": "no such page"})

            def do_POST(self) -> None:
                """A command."""
                if not self._allowed():
                    return
                try:
                    length = int(self.headers.get("Content-Length") or 0)
                    if not 0 < length <= MOST_BODY:
                        raise ValueError(f"a command of {length} bytes")
                    server.command(json.loads(self.rfile.read(length)))
                except ValueError as error:
                    self._json(400, {"error": str(error)})
                    return
                self._json(200, {})

            def _allowed(self, with_token: bool = True) -> bool:
                """Whether this server's own page asks: by no other name, from no other origin, with its token."""
                own = {f"{HOST}:{server.port}", f"localhost:{server.port}"}
                host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
                token = self.headers.get("X-Token", "")
                known = not with_token or secrets.compare_digest(token.encode(), server.token.encode())
                if host in own and origin in {None, f"http://{host}"} and known:
                    return True
                self._json(403, {"error": "allowed: the page itself"})
                return False

            def _json(self, status: int, content: dict[str, Any]) -> None:
                self._answer(status, "application/json", json.dumps(content).encode())

            def _answer(self, status: int, kind: str, content: bytes) -> None:
                self.send_response(status)
                for name, value in (
                    ("Content-Type", kind),
                    ("Content-Length", str(len(content))),
                    ("Cache-Control", "no-store"),
                    ("X-Content-Type-Options", "nosniff"),
                    ("X-Frame-Options", "DENY"),
                    ("Referrer-Policy", "no-referrer"),
                ):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
