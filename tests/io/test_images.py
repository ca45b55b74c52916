"""Image files: whatever they claim, they are read rightly or refused with one error that names them."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from lstmzoo.errors import DataError
from lstmzoo.io.images import IMAGE_SUFFIXES, MAX_PIXELS, is_image, list_images, natural_key, read_header, read_rgb
from lstmzoo.segmentation.data.masks import read_mask

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
WIDTH, HEIGHT = 48, 30


def encoded(kind: str, **options: object) -> bytes:
    """A smooth image of colours, brighter to the right."""
    ramp = np.linspace(0, 200, WIDTH).astype(np.uint8)
    image = np.stack([ramp, ramp // 2, 255 - ramp], -1)[None].repeat(HEIGHT, 0)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def patched(kind: str, sizes: bytes, claims: bytes) -> bytes:
    """An image whose header claims another size, at the first place where it stands."""
    content = encoded(kind)
    assert sizes in content
    return content.replace(sizes, claims, 1)


def png_header(width: int, height: int) -> bytes:
    """A PNG of which there is the header only."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [header, b"IEND"]
    parts = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def bombs() -> dict[str, bytes]:
    return {
        "png": png_header(20_000, 9_000),
        "jpg": patched("JPEG", struct.pack(">HH", HEIGHT, WIDTH), struct.pack(">HH", 30_000, 30_000)),
        "bmp": patched("BMP", struct.pack("<ii", WIDTH, HEIGHT), struct.pack("<ii", 2**30, 3)),
        "gif": patched("GIF", struct.pack("<HH", WIDTH, HEIGHT), struct.pack("<HH", 65_535, 65_535)),
        "ppm": patched("PPM", b"%d %d" % (WIDTH, HEIGHT), b"60000 60000"),
        "jp2": patched("JPEG2000", struct.pack(">II", HEIGHT, WIDTH), struct.pack(">II", 60_000, 60_000)),
        "between": png_header(15_000, 9_000),
    }


@pytest.mark.parametrize("kind", bombs())
def test_an_image_that_claims_to_be_huge_is_refused_before_it_is_decoded(tmp_path, monkeypatch, kind):
    """The last one is beyond our limit, not beyond Pillow's, which would only warn.

    https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.open (decompression bombs)
    """
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    path = tmp_path / "bomb.png"
    path.write_bytes(bombs()[kind])
    for read in (read_rgb, read_header, read_mask):
        with pytest.raises(DataError, match=rf"bomb.png .*{MAX_PIXELS // 10**6} megapixels") as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_nothing_but_a_data_error_comes_of_damaged_files(tmp_path):
    """Bytes changed, cut and doubled, in files of all formats."""
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.png"
    messages: list[str] = []
    for kind in FORMATS:
        whole = np.frombuffer(encoded(kind), np.uint8)
        for _ in range(30):
            content = whole.copy()
            places = rng.integers(min(len(content), 200), size=rng.integers(1, 5))
            content[places] = rng.integers(256, size=len(places))
            path.write_bytes(content[: rng.integers(len(content)) if rng.random() < 0.3 else None].tobytes())
            for read in (read_rgb, read_header, read_mask):
                try:
                    read(path)
                except DataError as error:
                    messages.append(str(error))
    assert len(messages) > 300
    assert all(str(path) in message and "\n" not in message for message in messages)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_and_refused_when_it_ends_too_early(tmp_path, kind):
    content = encoded(kind)
    path = tmp_path / "image"
    path.write_bytes(content)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert np.abs(read_rgb(path) - expected).max() <= 12  # decoders of lossy formats differ a little
    assert read_header(path).size == (HEIGHT, WIDTH)
    for share in (0, 0.3, 0.6, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match=str(path)):
            read_rgb(path)


@pytest.mark.parametrize("kind", ["AVIF", "GIF"])
def test_formats_that_some_builds_of_opencv_lack_are_read_all_the_same(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    (tmp_path / "image").write_bytes(encoded(kind))
    assert read_rgb(tmp_path / "image").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_headers_give_the_size_that_the_image_is_read_in(tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "side"
    path.write_bytes(encoded(kind, exif=exif))
    assert read_header(path).size == read_rgb(path).shape[:2] == (WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_anything_may_follow_the_end_of_an_image(tmp_path, kind):
    """Phones put whole videos behind their photographs."""
    path = tmp_path / "image"
    path.write_bytes(encoded(kind))
    whole, header = read_rgb(path), read_header(path)
    path.write_bytes(encoded(kind) + b"a video" * 10_000)
    assert read_header(path) == header
    np.testing.assert_array_equal(read_rgb(path), whole)


def test_a_jpeg_of_endless_scans_is_refused(tmp_path):
    """Each of them costs a pass over the image: https://github.com/libjpeg-turbo/libjpeg-turbo/issues/258."""
    progressive = encoded("JPEG", progressive=True)
    last = progressive[progressive.rfind(b"\xff\xda") : -2]
    path = tmp_path / "scans.jpg"
    path.write_bytes(progressive)
    assert read_rgb(path).shape == (HEIGHT, WIDTH, 3)
    path.write_bytes(progressive[:-2] + 5000 * last + progressive[-2:])
    with pytest.raises(DataError, match=r"scans.jpg .*50\d\d scans"):
        read_rgb(path)


def test_names_are_sorted_as_people_count(tmp_path):
    """https://github.com/facebookresearch/sam2/issues/170, https://github.com/hkchengrex/Cutie/issues/53."""
    right = ["a/1.png", "a/2.png", "a/010.png", "a/10.png", "a/11.png", "a/x2y9.png", "a/x2y10.png", "a 1/1.png"]
    assert sorted(sorted(right), key=natural_key) == right != sorted(right)
    odd = ["", "²", "x²3", "٣", "9" * 5000, "0", "00"]
    assert sorted(odd, key=natural_key) == sorted(set(odd), key=natural_key)
    for name in ("10.png", "9.JPG", "1.tif", ".8.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["1.tif", "9.JPG", "10.png"]


def test_suffixes():
    assert all(is_image(f"a/b{suffix.upper()}") for suffix in IMAGE_SUFFIXES)
    assert not is_image("a.png/b")
    assert not is_image("noext")


def test_failing_files_are_read_or_refused_by_name(failing):
    refused = {"cut.jpg", *(path.name for path in (failing / "pictures").glob("image_p*"))}
    for path in (failing / "pictures").iterdir():
        if path.name in refused:
            with pytest.raises(DataError, match=path.name):
                read_rgb(path)
        else:
            assert read_rgb(path).shape == (224, 224, 3)
    for path in (failing / "masks").glob("*.png"):
        with pytest.raises(DataError, match=path.name):
            read_mask(path)
