"""The figure of training times against its table."""

from pathlib import Path

import numpy as np
import pytest

from figures import make
from figures.networks import speed

HEADER = "device,threads,batch,network,step,ms,ms_low,ms_high,gflop,fraction_of_gemm,extra_mb,ratio_to_sgd"
ROWS = (
    "cpu,2,64,small,forward,20,18,25,1,0.5,10,0.25",
    "cpu,2,64,small,SGD,80.4,78,90,1,0.5,10,1.0",
    "cpu,2,64,small,HPCA,44,40,48,1,0.5,10,0.55",
    "cpu,2,64,small,HPCA im2col,400,390,420,1,0.5,10,4.975",
)
SLOW = "cpu,2,2,small,SWTA ordinary (batch 2),8000,7900,8100,1,0.5,10,"


def table(folder: Path, *rows: str) -> Path:
    (folder / "bench.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder / "bench.csv"


def test_a_bar_a_step_with_its_time_and_ratio_to_sgd(tmp_path: Path) -> None:
    fig = speed.figure(table(tmp_path, *ROWS))
    (ax,) = fig.axes
    assert ax.get_title(loc="left") == "small on cpu, 2 threads, batch 64"
    assert [bar.get_width() for bar in ax.patches] == [20, 80.4, 44, 400]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["forward", "SGD", "HPCA", "HPCA im2col"]
    assert ax.yaxis_inverted()  # the first row of the table is the uppermost
    assert [text.get_text() for text in ax.texts] == [
        "20 ms, 0.25 x SGD", "80.4 ms, 1.00 x SGD", "44 ms, 0.55 x SGD", "400 ms, 4.97 x SGD"
    ]  # fmt: skip
    assert ax.get_xscale() == "linear"
    assert ax.get_xlim()[0] == 0
    colors = [bar.get_facecolor() for bar in ax.patches]
    assert colors[0] == colors[1]
    assert len(set(colors)) == 3
    (whiskers,) = [c for c in ax.collections if len(c.get_segments()) == 4]
    drawn = np.array([segment[:, 0] for segment in whiskers.get_segments()])
    np.testing.assert_allclose(drawn, [[18, 25], [78, 90], [40, 48], [390, 420]])


def test_a_wide_range_is_logarithmic_and_a_missing_ratio_left_out(tmp_path: Path) -> None:
    (ax,) = speed.figure(table(tmp_path, *ROWS, SLOW)).axes
    assert ax.get_xscale() == "log"
    assert ax.get_xlim()[0] <= 10
    assert ax.get_xlim()[1] > 8100
    assert "logarithmic" in ax.get_xlabel()
    assert ax.texts[-1].get_text() == "8000 ms"
    assert ax.get_yticklabels()[-1].get_text() == "SWTA ordinary (batch 2)"


def test_other_devices_have_their_own_panel_and_other_batches_are_named(tmp_path: Path) -> None:
    other = "cuda,1,256,small,SGD,2,1.9,2.1,1,0.5,10,1.0"
    first, second = speed.figure(table(tmp_path, *ROWS, "cpu,2,8,small,VAE,30,29,31,1,1,1,2", other)).axes
    assert first.get_yticklabels()[-1].get_text() == "VAE (batch 8)"
    assert second.get_title(loc="left") == "small on cuda, 1 thread, batch 256"
    assert [bar.get_width() for bar in second.patches] == [2]


def test_make_writes_it_beside_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make.main([str(table(tmp_path, *ROWS))]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        HEADER,
        "device,step\ncpu,SGD",
        f"{HEADER}\ncpu,2,64,small,SGD,fast,1,1,1,1,1,1",
        f"{HEADER}\ncpu,2,64,small,SGD,0,0,0,1,1,1,1",
        f"{HEADER}\ncpu,2,64,small,SGD,nan,1,1,1,1,1,1",
        f"{HEADER}\ncpu,2,64,small,SGD",
    ],
)
def test_what_is_no_such_table_is_one_line(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.csv"
    if content is not None:
        path.write_text(content)
    assert make.main([str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: ")
    assert not (tmp_path / "speed.png").exists()
