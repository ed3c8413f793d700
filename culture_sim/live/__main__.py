"""Watch a dish and stimulate it by hand: ``python -m culture_sim.live PROTOCOL --view``."""

import queue
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from culture_sim.live.server import DishServer
from culture_sim.live.session import LiveDish, live
from protocols.runs import cli, interruption
from protocols.spec.faults import ProtocolFault

RATE_HZ = 100.0
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def watch(
    protocol: Annotated[str, typer.Argument(help=cli.PROTOCOL_HELP)],
    view: Annotated[bool, typer.Option("--view", help="Serve a page on this machine that shows the dish.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the culture.")] = 0,
    seconds: Annotated[float | None, typer.Option(min=0.01, help="Of the dish's life; default: until Ctrl-C.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override, for example neurons.count.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0: one that is free.")] = 0,
    device: Annotated[str, typer.Option(help="auto | cpp | runtime")] = "auto",
    out: Annotated[Path, typer.Option(help="Where run directories go.")] = Path("runs"),
    stopped: Annotated[bool, typer.Option("--stopped", help="Wait for Start before the first tick.")] = False,
) -> None:
    """Keep a dish alive, paced by the clock, and write its run directory at the end."""
    if not view and seconds is None:
        raise ProtocolFault(["--seconds: missing; allowed: a length, or --view"])
    messages = Console(stderr=True, highlight=False)
    session = live(protocol, seed, out=out, device=device, set=set_ or [])
    try:
        with session as dish:
            if not view:
                for _ in dish.loop(RATE_HZ, seconds, "realtime"):
                    pass
                return
            server = _served(dish, f"{session.protocol.title}, culture {seed}", port)
            try:
                messages.print(f"The dish is at {server.url} (Ctrl-C ends it).", soft_wrap=True)
                server.running = not stopped
                _run(dish, server, seconds)
            finally:
                server.close()
    except KeyboardInterrupt:
        if interruption.terminated():
            raise


def _served(dish: LiveDish, title: str, port: int) -> DishServer:
    try:
        return DishServer(dish, title, port)
    except OSError as error:
        raise ProtocolFault([f"--port {port}: {error.strerror}; allowed: one that is free (0 finds one)"]) from None


def _run(dish: LiveDish, server: DishServer, seconds: float | None) -> None:
    """Tick by tick, paced by the clock while the dish runs; commands are done between ticks."""
    due = time.monotonic()
    for tick in dish.loop(RATE_HZ, seconds):
        server.show(tick)
        due = max(due + 1 / RATE_HZ, time.monotonic() - 1.0)  # a second late at most: then it does not catch up
        once = False
        while not once:
            left = due - time.monotonic()
            if server.running and left <= 0:
                _do_waiting(dish, server)
                break
            try:
                given = server.commands.get(timeout=max(left, 1e-3) if server.running else 0.2)
            except queue.Empty:
                continue
            once = _do(dish, server, given)
            due = time.monotonic() if not server.running or given["do"] == "start" else due


def _do_waiting(dish: LiveDish, server: DishServer) -> None:
    """Commands that came meanwhile."""
    while not server.commands.empty():
        _do(dish, server, server.commands.get())


def _do(dish: LiveDish, server: DishServer, given: dict[str, Any]) -> bool:
    """Do what the page asks for; whether a single tick is to be simulated."""
    match given["do"]:
        case "start":
            server.running = True
        case "stop":
            server.running = False
        case "stimulate":
            dish.stimulate(given["electrode"], given["amplitude_uA"] * 1e-6, label="by hand")
        case "step":
            return not server.running
    return False


if __name__ == "__main__":
    cli.main(app)
