"""Benchmark of retrieval on one core of this machine: ``python -m hebbian_dl.bench.retrieval``.

Codes are random; a class has as many images as the largest K. All searches take turns in one process, as in
`hebbian_dl.bench.steps`. References: reading all codes once per query, at the rate at which this core copies them;
and the distances as a product of matrices of +-1, at the rate of a large product.
"""

import importlib.util
from typing import Annotated

import numpy as np
import torch
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from hebbian_dl.bench.steps import GEMM, Call, gemm, take_turns
from hebbian_dl.retrieval.hamming import CHUNK, Nearest, faiss_nearest, nearest, packed
from hebbian_dl.retrieval.precision import Coded, mean_average_precision
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault, installation

COPY, PRODUCT = "copy", "product"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def random_codes(n: int, bits: int, n_classes: int, seed: int) -> Coded:
    """Random codes with random labels."""
    rng = np.random.default_rng(seed)
    return Coded(packed(rng.random((n, bits)) < 0.5), rng.integers(0, n_classes, n), np.arange(n))


def calls(database: Coded, queries: Coded, tops: list[int]) -> dict[str, Call]:
    """Calls to measure, by name: mean average precision at each K and at all of them, by each search; references."""
    named = {f"K = {top}": {str(top): top} for top in tops}
    if len(tops) > 1:
        named[f"K = {' and '.join(map(str, tops))}"] = {str(top): top for top in tops}
    searches: dict[str, Nearest] = {"exact": nearest}
    if importlib.util.find_spec("faiss") is not None:
        import faiss

        faiss.omp_set_num_threads(1)
        searches["faiss"] = faiss_nearest

    def call(wanted: dict[str, int], search: str) -> Call:
        return lambda: mean_average_precision(database, queries, wanted, searches[search])

    found = {f"{search}, {name}": call(wanted, search) for search in searches for name, wanted in named.items()}
    words = database.codes.view(np.uint64).reshape(-1)[: 4 * CHUNK].copy()  # they fit the cache, as distances do
    target = np.empty_like(words)
    return found | {COPY: lambda: np.copyto(target, words), PRODUCT: gemm("cpu")}


def table(times: dict[str, np.ndarray], n: int, n_queries: int, n_bytes: int, bits: int) -> Table:
    """Table of times, absolute and relative to the time of reading the codes."""
    copied = 8 * min(4 * CHUNK, n * n_bytes // 8)
    read = n * n_queries * n_bytes / (copied / float(np.median(times[COPY])))
    multiplied = n * n_queries * bits / GEMM**3 * float(np.median(times[PRODUCT]))
    shown = Table("way", box=box.SIMPLE_HEAD)
    for name in ("s", "quartiles", "/ reading the codes"):
        shown.add_column(name, justify="right")
    for name, seconds in times.items():
        if name not in (COPY, PRODUCT):
            low, middle, high = (float(value) for value in np.quantile(seconds, (0.25, 0.5, 0.75)))
            shown.add_row(name, f"{middle:.3f}", f"{low:.3f} - {high:.3f}", f"{middle / read:.1f}")
    shown.add_section()
    shown.add_row(f"reading {n * n_queries * n_bytes / 1e9:.2f} GB of codes", f"{read:.3f}", "", "1.0")
    work = 2 * n * n_queries * bits / 1e9
    shown.add_row(f"{work:.1f} GFLOP as a product of +-1", f"{multiplied:.3f}", "", f"{multiplied / read:.1f}")
    return shown


@app.command()
def bench(
    queries: Annotated[int, typer.Option(min=1, help="Number of queries.")] = 1000,
    database: Annotated[int, typer.Option(min=1, help="Codes in the database.")] = 40_000,
    bits: Annotated[int, typer.Option(min=1, help="Bits of a code.")] = 256,
    at: Annotated[list[int] | None, typer.Option(min=1, help="K. Default: 100 and 4000.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each search.")] = 5,
) -> None:
    """Measure the time of the mean average precision by Hamming distances: distances, ranking, precision."""
    tops = at or [top for top in (100, 4000) if top <= database] or [database]
    if max(tops) > database:
        raise ProtocolFault([f"--at {max(tops)}: allowed: at most the {database} codes of the database"])
    torch.set_num_threads(1)
    n_classes = max(1, database // max(tops))
    held, asked = (random_codes(n, bits, n_classes, seed) for seed, n in enumerate((database, queries)))
    times = take_turns(calls(held, asked, tops), rounds, "cpu")
    console = Console(width=120, highlight=False, markup=False)
    console.print(f"{queries} queries against {database} codes of {bits} bits, one core, median of {rounds}")
    console.print(table(times, database, queries, held.codes.shape[1], bits))
    if importlib.util.find_spec("faiss") is None:
        console.print(f"faiss is not installed ({installation('faiss')})")


if __name__ == "__main__":
    cli.main(app)
