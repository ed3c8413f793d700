"""A subject made of known spikes and numbers: every kind of block, and names that try to be HTML."""

import numpy as np

from figures.html.blocks import Picture, Plot, Section, Series, Subject, Table, Text
from figures.html.recording import Array, Map, Recording, Span, Stimulus

EVIL = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">&amp;"
PIXEL = b"\x89PNG\r\n\x1a\n"
PLACES = np.array([(200e-6 * x, 200e-6 * y) for y in range(8) for x in range(8) if (x, y) not in {(0, 0), (7, 7)}])


def recording(
    n_spikes: int = 20_000, duration: float = 100.0, places: np.ndarray | None = PLACES, **more: object
) -> Recording:
    """Random spikes on the electrodes; pulses every second in the middle part."""
    n, rng = 62 if places is None else len(places), np.random.default_rng(0)
    pulses, edges = np.arange(40.0, 60.0), np.linspace(-0.05, 0.2, 26)
    return Recording(
        title=f"a recording {EVIL}",
        time=np.sort(rng.uniform(0, duration, n_spikes)),
        electrode=rng.integers(0, n, n_spikes),
        names=[f"electrode {k} {EVIL if k == 3 else ''}" for k in range(n)],
        duration=duration,
        positions=places,
        spans=[Span("rest", 0.0), Span(f"probe {EVIL}", 40.0), Span("after", 60.0)],
        stimuli=[Stimulus(f"left {EVIL}", pulses, np.arange(4), edges, rng.random((n, 25)) * 20)],
        maps=[Map(f"change {EVIL}", "Hz", rng.normal(size=n), diverging=True)],
        **more,  # type: ignore[arg-type]
    )


def subject(name: str = f"mine {EVIL}", **more: object) -> Subject:
    """All kinds of blocks."""
    x, rng = np.arange(1, 21), np.random.default_rng(1)
    line = Series(f"ours {EVIL}", x, x / 20, "after", "line", x / 20 - 0.1, x / 20 + 0.1)
    plot = Plot(
        f"learning {EVIL}", "epoch", "accuracy", [line, Series("theirs", x, x / 30, 1, "dashed")], levels=[(0.1, EVIL)]
    )
    bars = Plot("bars", "place", "count", [Series("n", x, x % 5, 0, "bars")], ticks=[(5.0, EVIL), (10.0, "ten")])
    law = Plot("law", "size", "probability", [Series("p", x, x**-4.0)], log_x=True, log_y=True)
    matrix = Array(f"weights {EVIL}", PLACES, [Map("w", "mV", rng.normal(size=(62, 62)), diverging=True)])
    table = Table(("a", EVIL), [(EVIL, "1"), ("b", "2")], note=EVIL)
    sections = [
        Section(f"Asked {EVIL}", [table, Text(EVIL, lines=True, folded=EVIL), Picture(PIXEL, EVIL)]),
        Section("Learning", [plot, bars, law]),
        Section("Recording and array", [recording(**more)]),  # type: ignore[arg-type]
        Section("Weights", [matrix]),
        Section("Provenance", [Table(("", ""), [("repeat it", "python -m x")])]),
    ]
    return Subject(name, f"title {EVIL}", sections, {"accuracy": "0.9", "rate (Hz)": name})
