"""Image data sets: only published content is read, despite damaged files and unreliable networks."""

import gzip
import hashlib
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from protocols.images import datasets, download
from protocols.images.datasets import TEST, TRAINING, LabelledImages, load, resize, select
from protocols.images.download import Published
from protocols.images.examples import count_images
from protocols.runs import dry_run
from protocols.spec.data import ImageData
from protocols.spec.faults import ProtocolFault

NAMES = TRAINING + TEST
BIG = TRAINING[0]
NOBODY = "http://127.0.0.1:9/"


def idx(values: np.ndarray, magic: int | None = None) -> bytes:
    """Encode an array in IDX format: 0, 0, 8 (bytes), number of dimensions, their sizes, the values."""
    header = bytes([0, 0, 8, values.ndim]) if magic is None else magic.to_bytes(4, "big")
    return header + b"".join(size.to_bytes(4, "big") for size in values.shape) + values.tobytes()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@dataclass
class Content:
    """A small data set and its files; the first has several hundred kilobytes of incompressible data."""

    arrays: dict[str, np.ndarray]
    files: dict[str, bytes]

    def put(self, folder: Path, *names: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names or NAMES:
            (folder / name).write_bytes(self.files[name])

    def publish(self, monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
        published = Published(mirrors, {name: md5(self.files[name]) for name in NAMES})
        monkeypatch.setitem(datasets.DATA_SETS, "mnist", published)

    def is_loaded(self) -> bool:
        training, test = load("mnist")
        loaded = (training.images, training.labels, test.images, test.labels)
        return all(np.array_equal(self.arrays[name], array) for name, array in zip(NAMES, loaded, strict=True))


@pytest.fixture
def content() -> Content:
    rng = np.random.default_rng(1)
    arrays = {
        BIG: rng.integers(0, 256, (500, 28, 28), dtype=np.uint8),
        TRAINING[1]: rng.integers(0, 10, 500, dtype=np.uint8),
        TEST[0]: rng.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        TEST[1]: np.array([7, 2, 1], np.uint8),
    }
    return Content(arrays, {name: gzip.compress(idx(array), 1, mtime=0) for name, array in arrays.items()})


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Separate data directory for each test, and no pause between download attempts."""
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0.0)
    return tmp_path / "data"


def fault(source: str = "mnist") -> str:
    """Load a source that has exactly one fault; return its message."""
    with pytest.raises(ProtocolFault) as caught:
        load(source)
    (line,) = caught.value.lines
    assert "\n" not in line
    return line


# reading


def test_reads_what_was_written(content: Content, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content.publish(monkeypatch, NOBODY)
    content.put(root / "mnist")
    assert content.is_loaded()
    training, _ = load("mnist")
    assert (training.images.dtype, training.labels.dtype) == (np.uint8, np.int64)
    assert load("mnist")[0] is training
    with pytest.raises(ValueError, match="read-only"):
        training.images[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        training.labels[0] = 1
    assert datasets.checksums("mnist") == {name: md5(file) for name, file in content.files.items()}
    assert sorted(path.name for path in (root / "mnist").iterdir()) == sorted(NAMES)  # nothing was written


SMALL = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (gzip.compress(idx(SMALL))[:-12], "allowed: a whole gzip file"),
        (gzip.compress(idx(SMALL))[:-8] + bytes(8), "CRC check failed"),
        (idx(SMALL), "Not a gzipped file"),
        (gzip.compress(idx(SMALL))[:12] + b"\xff" * 20, "allowed: a whole gzip file"),
        (gzip.compress(idx(SMALL)[:-1]), "23 values; allowed: 2 x 3 x 4 = 24"),
        (gzip.compress(idx(SMALL) + b"\0"), "25 values; allowed: 2 x 3 x 4 = 24"),
        (gzip.compress(idx(SMALL)[:15]), "15 bytes; allowed: an IDX file, from 16 bytes"),
        (gzip.compress(idx(SMALL, 2049)), "magic number 2049; allowed: 2051"),
    ],
    ids=["truncated", "wrong CRC", "not gzip", "corrupt", "too short", "too long", "no header", "magic"],
)
def test_damage_is_named_even_where_the_checksum_is_right(
    file: bytes, says: str, content: Content, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content.files[BIG] = file
    content.publish(monkeypatch, NOBODY)
    content.put(root / "mnist")
    line = fault()
    assert line.startswith(f"{root}/mnist/{BIG}: ")
    assert says in line


def test_every_image_needs_its_label(content: Content, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content.files[TEST[1]] = gzip.compress(idx(np.zeros(4, np.uint8)))
    content.publish(monkeypatch, NOBODY)
    content.put(root / "mnist")
    assert fault() == f"{root}/mnist/{TEST[1]}: 4 labels; allowed: 3, one for each image"


def test_a_file_of_other_content_is_neither_used_nor_touched(
    content: Content, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content.publish(monkeypatch, NOBODY)
    content.put(root / "mnist")
    mine = gzip.compress(idx(SMALL))
    (root / "mnist" / BIG).write_bytes(mine)
    published = md5(content.files[BIG])
    assert fault() == (f"{root}/mnist/{BIG}: md5 {md5(mine)}; allowed: {published}; delete it to download it again")
    assert (root / "mnist" / BIG).read_bytes() == mine


def test_a_folder_in_place_of_a_file(content: Content, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content.publish(monkeypatch, NOBODY)
    content.put(root / "mnist", *NAMES[1:])
    (root / "mnist" / BIG).mkdir()
    assert fault() == f"{root}/mnist/{BIG}: cannot be read: Is a directory"


@pytest.mark.parametrize("source", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_in_a_dry_run_blank_images_stand_in_for_what_is_not_there(
    source: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with dry_run.nothing_written():
        training, test = load(source)
        counted = count_images(ImageData(source=source, classes=(0, 1), validation=40))
    assert capsys.readouterr().err.count(f"{source}: is not in {root} yet") == 1
    assert not root.exists()
    assert (len(training.labels), len(test.labels)) == ((50_000 if "cifar" in source else 60_000), 10_000)
    assert len(training.images) == len(training.labels)
    assert sum(counted[:2]) == np.isin(training.labels, [0, 1]).sum()
    n_classes = len(np.unique(training.labels))
    first = np.bincount(training.labels[:6000], minlength=n_classes) / 6000
    np.testing.assert_allclose(first, np.bincount(training.labels) / len(training.labels), atol=0.002)


def test_unknown_source() -> None:
    assert fault("minst") == "data.source: 'minst' is not allowed; did you mean 'mnist'?"
    allowed = "cifar10, cifar100, digits, fashion_mnist, mnist"
    assert fault("svhn") == f"data.source: 'svhn' is not allowed; allowed: {allowed}"
    with pytest.raises(ProtocolFault, match="did you mean 'digits'"):
        datasets.checksums("digit")
    with pytest.raises(ProtocolFault, match="did you mean 'cifar100'"):
        datasets.is_colour("cifar_100")


def test_where_the_data_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTURE_DATA", "/a/b")
    assert datasets.data_dir() == Path("/a/b")
    monkeypatch.setenv("CULTURE_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert datasets.data_dir() == Path("/c/culture_sim/data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/d")
    assert datasets.data_dir() == Path("/d/.cache/culture_sim/data")


# downloading


@dataclass
class Server:
    """A local mirror that simulates the failures of real ones.

    Parameters
    ----------
    cuts
        For each response with the large file, the number of bytes after which the connection breaks (None: never).
    ranges
        Whether the server supports range requests.
    status
        HTTP status of all responses, if not 200.
    """

    files: dict[str, bytes]
    cuts: list[int | None] = field(default_factory=list)
    ranges: bool = True
    status: int = 200
    url: str = ""
    requests: list[tuple[str, str | None, int]] = field(default_factory=list)
    sent: int = 0

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.removeprefix("/")
        wanted = handler.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        whole = self.files.get(name, b"")
        status = self.status if self.status != 200 else 404 if not whole else 206 if start else 200
        if status == 206 and start >= len(whole):
            status = 416
        self.requests.append((name, wanted, status))
        body = whole[start:] if status in (200, 206) else b""
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        handler.end_headers()
        cut = self.cuts.pop(0) if self.cuts and name == BIG else None
        handler.wfile.write(body[:cut])
        self.sent += len(body[:cut]) * (name == BIG)

    def asked_for(self, name: str) -> list[tuple[str | None, int]]:
        return [(wanted, status) for asked, wanted, status in self.requests if asked == name]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running = []

    def start(files: dict[str, bytes], **faults: object) -> Server:
        mirror = Server(files, **faults)  # type: ignore[arg-type]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        http.daemon_threads = False  # so that closing the server waits for its threads
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((http, thread))
        mirror.url = f"http://127.0.0.1:{http.server_port}/"
        return mirror

    yield start
    for http, thread in running:
        http.shutdown()
        thread.join()
        http.server_close()


def nothing_looks_complete(root: Path) -> bool:
    names = {path.name for path in (root / "mnist").iterdir()}
    return not names & set(NAMES) and names <= {".lock", f"{BIG}.part"}


def test_downloads_what_is_missing_and_only_that(
    content: Content,
    root: Path,
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mirror = serve(content.files)
    content.publish(monkeypatch, mirror.url)
    content.put(root / "mnist", *TEST)
    assert content.is_loaded()
    assert mirror.requests == [(name, None, 200) for name in TRAINING]
    assert {path.name for path in (root / "mnist").iterdir()} == {*NAMES, ".lock"}
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == f"downloading {mirror.url}{BIG} ({len(content.files[BIG]) / 1e6:.1f} MB)"


def test_a_download_goes_on_where_it_was_cut_off(
    content: Content, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    # more interruptions than attempts allowed: an attempt that makes progress does not count as a failure
    mirror = serve(content.files, cuts=[80_000, 70_000, 60_000, 50_000, 40_000])
    content.publish(monkeypatch, mirror.url)
    assert content.is_loaded()
    asked = mirror.asked_for(BIG)
    assert [status for _, status in asked] == [200, 206, 206, 206, 206, 206]
    length = len(content.files[BIG])
    assert length <= mirror.sent <= length + 5 * (1 << 14)  # at most one piece of 16 KiB is lost at a cut


def test_a_download_goes_on_after_the_process_died(
    content: Content, root: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = serve(content.files)
    content.publish(monkeypatch, mirror.url)
    (root / "mnist").mkdir(parents=True)
    (root / "mnist" / f"{BIG}.part").write_bytes(content.files[BIG][:100_000])
    assert content.is_loaded()
    assert mirror.asked_for(BIG) == [("bytes=100000-", 206)]
    assert mirror.sent == len(content.files[BIG]) - 100_000


def test_a_download_goes_on_at_another_mirror(
    content: Content, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = serve(content.files, cuts=[100_000, 0, 0, 0])
    second = serve(content.files)
    content.publish(monkeypatch, first.url, second.url)
    assert content.is_loaded()
    assert [status for _, status in first.asked_for(BIG)] == [200, 206, 206]
    assert [status for _, status in second.asked_for(BIG)] == [206]


def test_a_server_that_cannot_send_the_rest_starts_over(
    content: Content, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = serve(content.files, cuts=[100_000], ranges=False)
    content.publish(monkeypatch, mirror.url)
    assert content.is_loaded()
    assert [status for _, status in mirror.asked_for(BIG)] == [200, 200]
    assert mirror.sent == 100_000 + len(content.files[BIG])


@pytest.mark.parametrize("length", [1000, 10_000_000])
def test_a_part_of_something_else_is_thrown_away(
    length: int, content: Content, root: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = serve(content.files)
    content.publish(monkeypatch, mirror.url)
    (root / "mnist").mkdir(parents=True)
    (root / "mnist" / f"{BIG}.part").write_bytes(bytes(length))
    assert content.is_loaded()
    assert [status for _, status in mirror.asked_for(BIG)] == [206 if length == 1000 else 416, 200]


def test_corrupt_content_leaves_nothing_behind(
    content: Content, root: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = serve(dict.fromkeys(NAMES, b"<html>log in to this network</html>"))
    content.publish(monkeypatch, mirror.url)
    assert f"({mirror.url[7:-1]}: wrong checksum)" in fault()
    assert nothing_looks_complete(root)
    assert not (root / "mnist" / f"{BIG}.part").exists()
    assert len(mirror.requests) == 1
    mirror.files = content.files
    assert content.is_loaded()


def test_a_connection_that_always_breaks_leaves_only_a_part(
    content: Content, root: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = serve(content.files, cuts=[100_000] * 9, ranges=False)
    content.publish(monkeypatch, mirror.url)
    assert f"{mirror.url[7:-1]}: " in fault()
    assert nothing_looks_complete(root)
    assert len(mirror.requests) == download.TRIES
    mirror.cuts = []
    assert content.is_loaded()


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (503, download.TRIES)])
def test_the_next_mirror_is_tried(
    status: int, tries: int, content: Content, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = serve(content.files, status=status)
    good = serve(content.files)
    content.publish(monkeypatch, NOBODY, busy.url, good.url)
    assert content.is_loaded()
    assert busy.asked_for(BIG) == [(None, status)] * tries
    assert good.asked_for(BIG) == [(None, 200)]


def test_without_a_network_one_line_says_what_is_needed(
    content: Content, root: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = serve({})
    content.publish(monkeypatch, NOBODY, gone.url)
    content.put(root / "mnist", TRAINING[1])
    folder = root / "mnist"
    assert fault() == (
        f"{folder}/{BIG}: cannot be downloaded (127.0.0.1:9: ConnectionError, {gone.url[7:-1]}: HTTP status 404); "
        f"put {BIG}, {TEST[0]}, {TEST[1]} into {folder}, or let $CULTURE_DATA name a folder that holds them in mnist/"
    )
    assert sorted(path.name for path in folder.iterdir()) == [".lock", TRAINING[1]]


def test_a_directory_that_cannot_be_made(
    tmp_path: Path, content: Content, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content.publish(monkeypatch, NOBODY)
    root.write_text("a file")
    line = fault()
    assert line.startswith(f"{root}/mnist: ")
    assert "$CULTURE_DATA" in line


def test_several_at_once_download_each_file_once(
    content: Content, root: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = serve(content.files, cuts=[100_000])
    content.publish(monkeypatch, mirror.url)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(content.is_loaded) for _ in range(4)]:
            assert done.result()
    assert [name for name, _, _ in mirror.requests] == [BIG, BIG, *NAMES[1:]]
    assert {path.name for path in (root / "mnist").iterdir()} == {*NAMES, ".lock"}


def test_the_published_tables_are_whole() -> None:
    assert datasets.SOURCES == ("mnist", "fashion_mnist", "cifar10", "cifar100", "digits")
    for published in datasets.DATA_SETS.values():
        assert tuple(published.md5) == NAMES
        assert all(len(bytes.fromhex(checksum)) == 16 for checksum in published.md5.values())
        assert all(mirror.endswith("/") for mirror in published.mirrors)


# libraries


def test_importing_needs_no_library_of_the_extra() -> None:
    extra = "{'pooch', 'requests', 'sklearn', 'PIL'}"
    code = f"import sys, protocols.images.datasets; sys.exit(bool({extra} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0


@pytest.mark.parametrize(
    ("module", "package"),
    [("pooch", "pooch"), ("requests", "requests"), ("sklearn.datasets", "scikit-learn"), ("PIL", "Pillow")],
)
def test_a_missing_library_is_named(
    module: str, package: str, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    content.publish(monkeypatch, NOBODY)
    monkeypatch.setitem(sys.modules, module, None)
    datasets._digits.cache_clear()
    datasets._split_digits.cache_clear()
    with pytest.raises(ProtocolFault) as caught:
        resize(SMALL, 2, 2) if package == "Pillow" else load("digits" if package == "scikit-learn" else "mnist")
    assert caught.value.lines == [f"data: {package} is not installed (pip install -c constraints.txt -e '.[data]')"]


# sizes and classes


def triangle_filter(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Literal resize: weighted mean with a triangle as wide as two new pixels, or two old ones when enlarging."""

    def weights(old: int, new: int) -> list[list[float]]:
        rows = []
        for i in range(new):
            centre, reach = (i + 0.5) * old / new, max(old / new, 1)
            row = [max(0.0, 1 - abs(j + 0.5 - centre) / reach) for j in range(old)]
            rows.append([weight / sum(row) for weight in row])
        return rows

    down, across = weights(image.shape[0], height), weights(image.shape[1], width)
    return np.array(
        [
            [
                math.fsum(
                    down[y][j] * across[x][i] * image[j, i] / 255
                    for j in range(image.shape[0])
                    for i in range(image.shape[1])
                )
                for x in range(width)
            ]
            for y in range(height)
        ]
    )


@pytest.mark.parametrize(("height", "width"), [(5, 7), (8, 8), (10, 6), (16, 12), (19, 23)])
def test_resizing_is_a_triangle_filter(height: int, width: int) -> None:
    images = np.random.default_rng(2).integers(0, 256, (3, 14, 12), dtype=np.uint8)
    resized = resize(images, height, width)
    assert resized.dtype == np.float64
    assert resized.shape == (3, height, width)
    for new, old in zip(resized, images, strict=True):
        np.testing.assert_allclose(new, triangle_filter(old, height, width), rtol=0, atol=1.5 / 255)


def test_resizing_keeps_constant_images_and_sizes() -> None:
    levels = np.array([0, 1, 100, 254, 255], np.uint8)
    images = np.broadcast_to(levels[:, None, None], (5, 28, 28))
    for size in [(6, 10), (28, 28), (40, 30)]:
        np.testing.assert_array_equal(resize(images, *size), np.broadcast_to(levels[:, None, None] / 255, (5, *size)))
    images = np.random.default_rng(3).integers(0, 256, (4, 9, 9), dtype=np.uint8)
    np.testing.assert_array_equal(resize(images, 9, 9), images / 255)


def test_each_channel_is_resized_like_a_grey_image() -> None:
    images = np.random.default_rng(4).integers(0, 256, (5, 3, 14, 12), dtype=np.uint8)
    for size in [(5, 7), (19, 23), (14, 12)]:
        resized = resize(images, *size)
        assert resized.dtype == np.float64
        assert resized.shape == (5, 3, *size)
        for channel in range(3):
            np.testing.assert_array_equal(resized[:, channel], resize(images[:, channel], *size))
    np.testing.assert_allclose(
        resize(images[:1], 6, 5)[0, 2], triangle_filter(images[0, 2], 6, 5), rtol=0, atol=1.5 / 255
    )
    assert resize(images[:0], 6, 5).shape == (0, 3, 6, 5)


def labelled(*labels: int) -> LabelledImages:
    return LabelledImages(np.zeros((len(labels), 2, 2), np.uint8), np.array(labels))


def test_select_finds_the_images_of_classes() -> None:
    images = labelled(3, 1, 0, 2, 1, 3)
    assert select(images, [1, 3]).tolist() == [0, 1, 4, 5]
    assert select(images, (0,)).tolist() == [2]
    assert select(images, []).tolist() == []


def test_select_knows_which_classes_there_are() -> None:
    with pytest.raises(ProtocolFault) as caught:
        select(labelled(3, 1, 0, 2), [4, 1, -1])
    assert caught.value.lines == ["data.classes: 4; allowed: 0 to 3", "data.classes: -1; allowed: 0 to 3"]
    with pytest.raises(ProtocolFault) as caught:
        select(labelled(3, 1, 7), [0])
    assert caught.value.lines == ["data.classes: 0; allowed: 1, 3, 7"]


# the published data


def test_the_digits_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    raw, classes = load_digits(return_X_y=True)
    training, test = load("digits")
    assert (len(training.images), len(test.images)) == (1442, 355)
    assert len(select(training, [0])) + len(select(test, [0])) == 178
    assert len(select(training, [1])) + len(select(test, [1])) == 182

    # literally: go through the images, and take every fifth of each class as a test image
    seen = [0] * 10
    expected: tuple[list, list] = ([], [])
    for pixels, label in zip(raw, classes, strict=True):
        seen[label] += 1
        scaled = [[round(value * 255 / 16) for value in row] for row in pixels.reshape(8, 8)]
        expected[seen[label] % 5 == 0].append((scaled, label))
    for part, pairs in zip((training, test), expected, strict=True):
        np.testing.assert_array_equal(part.images, [image for image, _ in pairs])
        np.testing.assert_array_equal(part.labels, [label for _, label in pairs])
    assert (training.images.min(), training.images.max()) == (0, 255)

    everything = bytes(round(value * 255 / 16) for value in raw.ravel()) + bytes(classes.tolist())
    assert datasets.checksums("digits") == {"sklearn digits": md5(everything)}


# read here because the fixtures change it
OWN_DATA = os.environ.get("CULTURE_DATA")


@pytest.fixture
def mnist(monkeypatch: pytest.MonkeyPatch) -> tuple[LabelledImages, LabelledImages]:
    """The real MNIST; the test is skipped if the files are not available."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    for folder in [Path(OWN_DATA).expanduser(), beside] if OWN_DATA else [beside]:
        if all((folder / "mnist" / name).is_file() for name in NAMES):
            monkeypatch.setenv("CULTURE_DATA", str(folder))
            return load("mnist")
    pytest.skip("needs MNIST in $CULTURE_DATA/mnist")


def test_mnist_is_mnist(mnist: tuple[LabelledImages, LabelledImages]) -> None:
    training, test = mnist
    assert training.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert training.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    first = LabelledImages(training.images[:10_000], training.labels[:10_000])
    assert len(select(first, [0, 1])) == 2128
    assert len(select(test, [0, 1])) == 2115
    # published mean and sd of the training images, scaled to 0..1
    assert training.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert training.images.std() / 255 == pytest.approx(0.3081, abs=5e-5)
