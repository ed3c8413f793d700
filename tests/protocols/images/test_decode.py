"""Decoding of image files, against closed forms and step-by-step processing with Pillow; detection of corrupt files."""

import io
import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from protocols.images import decode as decoding
from protocols.images.decode import AREA, RATIO, CorruptImage, centre, decode, drawn
from tests.protocols.images.files import encoded, folder_data


def data(size: tuple[int, int] = (16, 24), **changes: object) -> decoding.FileData:
    return folder_data("x", size=size, **changes)


def smooth(height: int, width: int) -> np.ndarray:
    """Low-frequency waves in all three channels, which survive JPEG compression."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / width * 5), np.cos(y / height * 4), np.sin((x + y) / (width + height) * 6)]
    return np.stack([128 + 100 * wave for wave in waves], 2).astype(np.uint8)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def ramp() -> np.ndarray:
    """Image whose red value is the column and whose green value is the row."""
    y, x = np.mgrid[:256, :256]
    return np.stack([x, y, 0 * x], 2).astype(np.uint8)


# location of the pixels


@pytest.mark.parametrize("resize", [None, 30, 60, 100])
def test_the_centre_of_a_ramp_in_closed_form(resize: int | None) -> None:
    pixels = decode(encoded(ramp()), data((16, 24), resize=resize), None).astype(float)
    scale = 256 / 24 if resize is None else 256 / resize
    for channel, count, axis in ((0, 24, 1), (1, 16, 0)):
        # a symmetric filter preserves a linear ramp, except at the edges of the image
        at = 128 + (np.arange(count) + 0.5 - count / 2) * scale - 0.5
        inside = (at > scale) & (at < 255 - scale)
        assert inside.sum() >= 10
        found = pixels[channel].mean(1 - axis if channel == 1 else 0)
        assert np.abs(found - at)[inside].max() <= 1


@pytest.mark.parametrize(
    ("shape", "resized", "size", "resize"),
    [
        ((60, 90), (20, 30), (20, 20), 20),  # rows x columns: of the file, after resizing, after cropping
        ((60, 90), (30, 45), (16, 25), 30),
        ((96, 64), (48, 32), (32, 32), None),
        ((40, 80), (80, 160), (64, 64), 80),  # enlarged
        ((64, 64), (64, 64), (32, 64), None),
    ],
)
def test_is_what_pillow_makes_of_it_resized_and_then_cut(
    shape: tuple[int, int], resized: tuple[int, int], size: tuple[int, int], resize: int | None
) -> None:
    pixels = noise(*shape)
    whole = Image.fromarray(pixels).resize(resized[::-1], Image.Resampling.BILINEAR)
    top, left = (resized[0] - size[0]) // 2, (resized[1] - size[1]) // 2
    literal = np.asarray(whole.crop((left, top, left + size[1], top + size[0]))).transpose(2, 0, 1)
    difference = decode(encoded(pixels), data(size, resize=resize), None).astype(int) - literal
    assert np.abs(difference).max() <= 1  # Pillow stores the rectangle as 32-bit floats
    assert (difference == 0).mean() > 0.99


def test_an_image_of_the_size_is_itself() -> None:
    pixels = noise(16, 24)
    found = decode(encoded(pixels), data((16, 24)), None)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 300), st.integers(1, 300), st.integers(0, 300))
def test_the_centre_lies_within_the_image(width: int, height: int, rows: int, columns: int, more: int) -> None:
    for resize in (None, max(rows, columns) + more):
        left, top, wide, high = centre(width, height, (rows, columns), resize)
        assert min(left, top) > -1e-6
        assert left * 2 + wide == pytest.approx(width)
        assert top * 2 + high == pytest.approx(height)
        assert wide / high == pytest.approx(columns / rows)
        if resize is None:
            assert wide == pytest.approx(width) or high == pytest.approx(height)
        else:
            assert min(width, height) / (wide / columns) == pytest.approx(resize)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
@pytest.mark.parametrize("rng", [None, np.random.default_rng(0)])
def test_sides_far_from_the_size(shape: tuple[int, int], rng: np.random.Generator | None) -> None:
    pixels = np.full((*shape, 3), 77, np.uint8)
    found = decode(encoded(pixels), data((16, 24), resize=40, augmentation="crop_flip"), rng)
    assert found.shape == (3, 16, 24)
    assert set(found.flat) == {77}


@given(
    st.integers(1, 400), st.integers(1, 400), st.integers(1, 60), st.integers(1, 60), st.integers(0, 60), st.booleans()
)
def test_every_size_becomes_every_size(
    width: int, height: int, rows: int, columns: int, more: int, augmented: bool
) -> None:
    content = encoded(np.full((height, width, 3), 77, np.uint8), "JPEG")
    for resize in (None, max(rows, columns) + more):
        spec = data((rows, columns), resize=resize, augmentation="crop_flip")
        found = decode(content, spec, np.random.default_rng(more) if augmented else None)
        assert found.shape == (3, rows, columns)
        assert set(found.flat) == {77}


# JPEG


@pytest.mark.parametrize(("height", "width"), [(600, 803), (803, 600), (1201, 333)])
def test_a_jpeg_decoded_smaller_is_the_same_image(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL.JpegImagePlugin import JpegImageFile

    content, cut = encoded(smooth(height, width), "JPEG", quality=95), data((64, 48), resize=70)
    drawn_cut, scales, draft = data((64, 48), augmentation="crop_flip"), [], JpegImageFile.draft

    def noted(image: JpegImageFile, mode: str, size: tuple[int, int]) -> object:
        before = image.size
        found = draft(image, mode, size)
        scales.append(round(before[0] / image.size[0]))
        return found

    monkeypatch.setattr(JpegImageFile, "draft", noted)
    smaller = [decode(content, cut, None), *(decode(content, drawn_cut, np.random.default_rng(i)) for i in range(8))]
    assert scales[0] == min(height, width) // 70 // 4 * 4  # largest power of two that leaves enough pixels
    assert len(set(scales)) > 1
    monkeypatch.setattr(JpegImageFile, "draft", lambda *_: None)
    whole = [decode(content, cut, None), *(decode(content, drawn_cut, np.random.default_rng(i)) for i in range(8))]
    for one, other in zip(smaller, whole, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_images_are_turned_upright(orientation: int, kind: str) -> None:
    upright = smooth(120, 200)
    # by the definition of EXIF: positions of the file's first row and first column in the upright image
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif} | ({"quality": 95} if kind == "JPEG" else {})
    content = encoded(np.ascontiguousarray(stored), kind, **options)
    for shape in ((20, 30), (100, 110)):
        expected = decode(encoded(upright), data(shape), None)
        found = decode(content, data(shape), None)
        assert np.abs(found.astype(int) - expected).max() <= (0 if kind != "JPEG" else 6)


def test_a_damaged_exif_entry_leaves_the_pixels() -> None:
    pixels = noise(16, 24)
    for exif in (b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x03ab\0\0"):
        found = decode(encoded(pixels, exif=exif), data(), None)
        np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))


# colours


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def flat(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (24, 16), colour)  # type: ignore[arg-type]


def palette(transparent: bool) -> bytes:
    image = flat("P", 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    return saved(image, **({"transparency": 1} if transparent else {}))


@pytest.mark.parametrize(
    ("content", "rgb"),
    [
        (saved(flat("L", 90)), (90, 90, 90)),
        (saved(flat("L", 90), "JPEG"), (90, 90, 90)),
        (saved(flat("1", 1)), (255, 255, 255)),
        (palette(False), (200, 100, 50)),
        (palette(True), (255, 255, 255)),
        (saved(flat("RGB", (200, 100, 50)), transparency=(200, 100, 50)), (255, 255, 255)),
        (saved(flat("LA", (90, 255))), (90, 90, 90)),
        (saved(flat("LA", (90, 0))), (255, 255, 255)),
        (saved(flat("RGBA", (200, 100, 50, 255))), (200, 100, 50)),
        (saved(flat("RGBA", (200, 100, 50, 0))), (255, 255, 255)),
        (saved(flat("RGBA", (0, 0, 0, 51))), (204, 204, 204)),  # a fifth of black on white
        (saved(flat("CMYK", (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
        (saved(flat("I;16", 90 * 257)), (90, 90, 90)),
        (saved(flat("I;16", 90 * 257), "TIFF"), (90, 90, 90)),
        (b"P5 24 16 65535\n" + (90 * 257).to_bytes(2, "big") * 384, (90, 90, 90)),
        (saved(flat("RGB", (200, 100, 50)), "WEBP", lossless=True), (200, 100, 50)),
        (saved(flat("RGB", (200, 100, 50)), "BMP"), (200, 100, 50)),
        (saved(flat("RGB", (200, 100, 50)), "PPM"), (200, 100, 50)),
    ],
)  # fmt: skip
def test_all_colours_become_rgb(content: bytes, rgb: tuple[int, int, int]) -> None:
    found = decode(content, data((16, 24)), None)
    np.testing.assert_array_equal(found, np.broadcast_to(np.reshape(rgb, (3, 1, 1)), (3, 16, 24)))


def test_a_jpeg_of_four_inks() -> None:
    found = decode(saved(flat("CMYK", (0, 255, 255, 0)), "JPEG", quality=95), data((16, 24)), None)
    assert np.abs(found[:, 8, 12].astype(int) - (255, 0, 0)).max() <= 3


# corrupt files

JPEG = encoded(noise(60, 80), "JPEG")
WHOLE = {"JPEG": JPEG, "PNG": encoded(noise(20, 30)), "WEBP": encoded(noise(20, 30), "WEBP")}
WHOLE["TIFF"] = encoded(noise(20, 30), "TIFF", compression="tiff_lzw")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"This is a text, not an image.\n", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),  # PostScript: must not be run
        (JPEG[: len(JPEG) // 2], "image file is truncated"),
        (JPEG[:-200], "image file is truncated"),
        (JPEG[:20], "not an image"),
        (b"P5 0 5 255\n", "not an image"),
        (b"P6 30000 30000 255\n", "exceeds limit"),
        (b"P6 10000 10000 255\n", "exceeds limit"),
        (b"P6 8 8 255\nshort", "truncated"),
    ],
)
def test_what_is_no_whole_image_is_said_to_be_none(content: bytes, says: str) -> None:
    for rng in (None, np.random.default_rng(0)):
        with pytest.raises(CorruptImage, match=says) as raised:
            decode(content, data(augmentation="crop_flip"), rng)
        assert str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_an_image_cut_short_is_never_filled_up(kind: str) -> None:
    content = WHOLE[kind]
    decode(content, data(), None)
    for tenth in range(10):
        with pytest.raises(CorruptImage):
            decode(content[: len(content) * tenth // 10], data(), None)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 2**32), st.integers(1, 20))
def test_damage_gives_an_image_or_says_corrupt_and_nothing_else(kind: str, seed: int, bytes_changed: int) -> None:
    content, chance = bytearray(WHOLE[kind]), random.Random(seed)
    for _ in range(bytes_changed):
        content[int(len(content) * chance.random() ** 3)] = chance.randrange(256)  # mostly headers
    try:
        assert decode(bytes(content), data(), None).shape == (3, 16, 24)
    except CorruptImage as corrupt:
        reason = str(corrupt)
        assert len(reason.splitlines()) == 1


# augmentation


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(0, 2**32))
def test_a_drawn_rectangle_lies_within_the_image(width: int, height: int, seed: int) -> None:
    left, top, columns, rows = drawn(width, height, np.random.default_rng(seed))
    assert min(left, top) >= 0
    assert min(columns, rows) > 0
    assert left + columns <= width + 1e-6
    assert top + rows <= height + 1e-6


def test_drawn_rectangles_are_of_all_areas_shapes_and_places() -> None:
    rng, width, height = np.random.default_rng(0), 500, 375
    left, top, columns, rows = np.array([drawn(width, height, rng) for _ in range(4000)]).T
    area, ratio = columns * rows / (width * height), np.log(columns / rows)
    least = AREA[0]
    assert area.min() == pytest.approx(least, abs=0.005)
    assert area.max() <= 1
    # small rectangles always fit: their area is uniform, their aspect ratio log-uniform and symmetric
    small = area < 0.5
    assert area[small].mean() == pytest.approx((least + 0.5) / 2, abs=0.01)
    assert ratio[small].mean() == pytest.approx(0, abs=0.02)
    assert ratio[small].std() == pytest.approx(math.log(RATIO[1] / RATIO[0]) / math.sqrt(12), rel=0.05)
    assert np.exp(np.abs(ratio)).max() <= RATIO[1] * 1.02  # sides are whole pixels
    for place, free in ((left, width - columns), (top, height - rows)):
        part = place[small] / free[small]
        assert (part.min(), part.max()) == (0, 1)
        assert part.mean() == pytest.approx(0.5, abs=0.02)


def test_the_augmentation_is_what_was_drawn() -> None:
    content, spec, mirrored = encoded(ramp()), data((32, 32), augmentation="crop_flip"), []
    for seed in range(60):
        pixels = decode(content, spec, np.random.default_rng(seed)).astype(float)
        left, top, columns, rows = drawn(256, 256, np.random.default_rng(seed))
        red, green = pixels[0].mean(0), pixels[1].mean(1)
        mirrored.append(red[0] > red[-1])
        for found, start, side in ((red[::-1] if mirrored[-1] else red, left, columns), (green, top, rows)):
            at = start + (np.arange(32) + 0.5) * side / 32 - 0.5
            assert np.abs(found - at)[2:-2].max() <= 1
    assert 18 <= sum(mirrored) <= 42  # of 60: three standard deviations


def test_the_same_numbers_give_the_same_image() -> None:
    content, spec = encoded(noise(60, 80)), data(augmentation="crop_flip")
    images = [decode(content, spec, np.random.default_rng(seed)).tobytes() for seed in (0, 0, 1, 2)]
    assert images[0] == images[1]
    assert len(set(images)) == 3


def test_nothing_is_drawn_where_nothing_is_augmented() -> None:
    content, rng = encoded(noise(60, 80)), np.random.default_rng(0)
    centred = decode(content, data(), None)
    for spec, given_rng in ((data(augmentation="crop_flip"), None), (data(augmentation="none"), rng)):
        np.testing.assert_array_equal(decode(content, spec, given_rng), centred)
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_no_warning_escapes(recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    opened: Callable[..., Image.Image] = Image.open

    def loud(*arguments: object, **options: object) -> Image.Image:
        warnings.warn("Corrupt EXIF data", UserWarning, stacklevel=2)
        return opened(*arguments, **options)

    monkeypatch.setattr(Image, "open", loud)
    assert decode(JPEG, data(), None).shape == (3, 16, 24)
    assert not recwarn.list
