"""Downloads are verified, archives are not trusted, and nothing half-written stays behind."""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from email.message import Message
from pathlib import Path

import pytest

from lstmzoo.actions.data.kth_files import ACTIONS
from lstmzoo.actions.data.kth_prepare import BASE_URL, prepare
from lstmzoo.data import KTH
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io import download
from lstmzoo.io.download import extract_zip, fetch, open_url
from tiny_data import KTH_HEADER, write_video

URL = "https://example.org/file.bin"


class Response(io.BytesIO):
    """What an opener returns."""

    def __init__(self, content: bytes, length: int | None) -> None:
        super().__init__(content)
        self.headers = Message()
        if length is not None:
            self.headers["Content-Length"] = str(length)


def serving(content: bytes, length: int | None = None) -> Callable[[str], Response]:
    return lambda url: Response(content, len(content) if length is None else length)


def offline(url: str) -> Response:
    raise urllib.error.URLError("Name or service not known")


def visible(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_fetch_records_and_verifies(tmp_path: Path) -> None:
    path = fetch(URL, tmp_path / "sub" / "file.bin", opener=serving(b"content"))
    assert path.read_bytes() == b"content"
    record = json.loads((path.parent / "sha256.json").read_text())["file.bin"]
    assert record == {"sha256": hashlib.sha256(b"content").hexdigest(), "bytes": 7, "source": URL}
    fetch(URL, path, opener=offline)  # it is there: nothing is fetched
    path.write_bytes(b"kontent")
    with pytest.raises(DataError, match=r"file\.bin.*SHA-256.*delete"):
        fetch(URL, path, opener=offline)
    path.unlink()
    with pytest.raises(DataError, match=r"file\.bin.*SHA-256"):
        fetch(URL, path, opener=serving(b"another"))
    assert visible(tmp_path) == {"sub/sha256.json"}


def test_known_checksum(tmp_path: Path) -> None:
    right = hashlib.sha256(b"content").hexdigest()
    fetch(URL, tmp_path / "a", sha256=right.upper(), opener=serving(b"content"))
    with pytest.raises(DataError, match=right):
        fetch(URL, tmp_path / "b", sha256=right, opener=serving(b"evil"))
    (tmp_path / "c").write_bytes(b"was here before")
    with pytest.raises(DataError, match=f"c .*SHA-256.*{right}"):
        fetch(URL, tmp_path / "c", sha256=right, opener=offline)
    assert visible(tmp_path) == {"a", "c", "sha256.json"}


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "x"])
def test_https_only(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match=rf"{url}\b.*https"):
        fetch(url, tmp_path / "x", opener=serving(b"x"))


def test_redirects_must_be_https_too() -> None:
    handler = download._HttpsOnly()
    request = urllib.request.Request(URL)
    with pytest.raises(DataError, match=r"http://example\.org/plain .*https"):
        handler.redirect_request(request, None, 302, "Found", Message(), "http://example.org/plain")
    assert handler.redirect_request(request, None, 302, "Found", Message(), "https://example.org/other") is not None


def test_offline_and_broken_off(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{URL}.*Name or service not known"):
        fetch(URL, tmp_path / "x", opener=offline)
    with pytest.raises(DataError, match="broke off: 4 of 9 bytes"):
        fetch(URL, tmp_path / "x", opener=serving(b"part", length=9))

    def missing(url: str) -> Response:
        raise urllib.error.HTTPError(url, 404, "Not Found", Message(), None)

    with pytest.raises(DataError, match=r"answers 404 \(Not Found\)"):
        fetch(URL, tmp_path / "x", opener=missing)
    assert visible(tmp_path) == set()


def test_the_real_opener_reports_no_connection(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="https://localhost:9/"):
        fetch("https://localhost:9/x", tmp_path / "x", opener=open_url)


def test_damaged_manifest(tmp_path: Path) -> None:
    (tmp_path / "sha256.json").write_text("{")
    with pytest.raises(DataError, match=r"sha256\.json.*delete"):
        fetch(URL, tmp_path / "x", opener=serving(b"x"))
    assert visible(tmp_path) == {"sha256.json"}


# ---------------------------------------------------------------- archives


def make_zip(path: Path, members: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


def test_extraction(tmp_path: Path) -> None:
    members = {"a.avi": b"first", "sub/b.avi": b"second"}
    archive = make_zip(tmp_path / "x.zip", members)
    files = extract_zip(archive, tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files} == members
    times = [path.stat().st_mtime_ns for path in files]
    files[1].write_bytes(b"sec0nd")
    extract_zip(archive, tmp_path / "out")
    assert files[1].read_bytes() == b"second"  # mended
    assert files[0].stat().st_mtime_ns == times[0]  # left alone
    assert visible(tmp_path / "out") == set(members)


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "..", "a\\..\\evil", "C:evil", "C:/evil", "//host/evil"]
)
def test_members_outside_are_refused(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "x.zip", {"good": b"good", name: b"evil"})
    with pytest.raises(DataError, match=re.escape(repr(name))):
        extract_zip(archive, tmp_path / "deep" / "out")
    assert visible(tmp_path) == {"x.zip"}  # not even the good one was written


def test_a_nul_in_a_name_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "x.zip", {"goodXevil": b"evil"})
    archive.write_bytes(archive.read_bytes().replace(b"goodXevil", b"good\0evil"))
    with pytest.raises(DataError, match=r"good\\x00evil"):
        extract_zip(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    archive = make_zip(tmp_path / "x.zip", {"link": b"/etc/passwd"}, mode=kind | 0o777)
    with pytest.raises(DataError, match="'link'"):
        extract_zip(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_that_lies_in_the_way_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(outside)
    with pytest.raises(DataError, match=r"out.sub .*link"):
        extract_zip(make_zip(tmp_path / "x.zip", {"sub/a": b"a"}), tmp_path / "out")
    (outside / "target").write_bytes(b"keep")
    (tmp_path / "out" / "a").symlink_to(outside / "target")
    extract_zip(make_zip(tmp_path / "y.zip", {"a": b"mine"}), tmp_path / "out")
    assert (outside / "target").read_bytes() == b"keep"
    assert (tmp_path / "out" / "a").read_bytes() == b"mine"


def test_bombs_are_refused(tmp_path: Path) -> None:
    bomb = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(5_000_000)})
    with pytest.raises(DataError, match=r"more than 200\b"):
        extract_zip(bomb, tmp_path / "out")
    with pytest.raises(DataError, match=r"5000000.*4999999"):
        extract_zip(bomb, tmp_path / "out", max_bytes=4_999_999)
    many = make_zip(tmp_path / "many.zip", {str(n): b"" for n in range(11)})
    with pytest.raises(DataError, match=r"11 files.*10"):
        extract_zip(many, tmp_path / "out", max_members=10)
    assert not (tmp_path / "out").exists()


def test_a_lie_about_the_size_is_caught(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "x.zip", {"zeros": bytes(100_000)})
    content = archive.read_bytes()
    assert content.count((100_000).to_bytes(4, "little")) == 2  # in the local and in the central header
    archive.write_bytes(content.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DataError):
        extract_zip(archive, tmp_path / "out")
    assert visible(tmp_path) == {"x.zip"}


def flagged_utf8(path: Path, name: bytes) -> Path:
    """An archive with a member whose name is these bytes, said to be UTF-8."""
    make_zip(path, {"good": b"good", "ü" * (len(name) // 2) + "x" * (len(name) % 2): b"evil"})
    old = ("ü" * (len(name) // 2) + "x" * (len(name) % 2)).encode()
    path.write_bytes(path.read_bytes().replace(old, name))
    return path


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([""], "outside the folder"),
        (["a", "a/b"], "both a file and a folder"),
        (["a/b/c", "A/B"], "both a file and a folder"),
        (["a", "a/"], "both a file and a folder"),
        (["x" * 256], "too long a name"),
        (["é" * 128], "too long a name"),
        (["/".join(["folder"] * 900)], "too long a name"),
        (["a/../../b/"], "outside the folder"),
    ],
)
def test_names_that_no_folder_can_hold_are_refused_before_anything_is_written(
    tmp_path: Path, names: list[str], message: str
) -> None:
    archive = make_zip(tmp_path / "x.zip", {"good": b"good", **dict.fromkeys(names, b"")})
    with pytest.raises(DataError, match=rf"x\.zip holds .*{message}"):
        extract_zip(archive, tmp_path / "out")
    assert visible(tmp_path) == {"x.zip"}


def test_a_name_that_is_no_utf8_though_it_says_so(tmp_path: Path) -> None:
    archive = flagged_utf8(tmp_path / "x.zip", b"\xff\xfe\xff\xfe")
    with pytest.raises(DataError, match=r"x\.zip.*zip archive"):
        extract_zip(archive, tmp_path / "out")
    assert visible(tmp_path) == {"x.zip"}


def test_long_names_and_folders_are_unpacked(tmp_path: Path) -> None:
    members = {"sub/": b"", "x" * 255: b"1", "é" * 127: b"2", "sub/" + "y" * 250 + ".avi": b"3"}
    files = extract_zip(make_zip(tmp_path / "x.zip", members), tmp_path / "out")
    assert [path.read_bytes() for path in files] == [b"1", b"2", b"3"]


def test_a_full_disk_is_not_taken_for_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(Response):
        def read(self, *_: object) -> bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(LstmzooError, match=r"x: No space left on device"):
        fetch(URL, tmp_path / "x", opener=lambda url: Full(b"x", 1))
    assert visible(tmp_path) == set()


def test_same_name_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.avi"):
        extract_zip(make_zip(tmp_path / "x.zip", {"a.avi": b"1", "A.avi": b"2"}), tmp_path / "out")


def test_no_zip_damaged_zip_encrypted_zip(tmp_path: Path) -> None:
    page = tmp_path / "page.zip"
    page.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"page\.zip.*zip archive"):
        extract_zip(page, tmp_path / "out")
    damaged = make_zip(tmp_path / "damaged.zip", {"a": bytes(range(256)) * 4})
    content = bytearray(damaged.read_bytes())
    content[60] ^= 0xFF
    damaged.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"damaged\.zip"):
        extract_zip(damaged, tmp_path / "out")
    locked = make_zip(tmp_path / "locked.zip", {"a": b"a"})
    content = bytearray(locked.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    locked.write_bytes(bytes(content))
    with pytest.raises(DataError, match="is encrypted"):
        extract_zip(locked, tmp_path / "out")
    assert visible(tmp_path / "out") == set()


# ---------------------------------------------------------------- prepare


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with what the site offers, small."""
    folder = tmp_path / "site"
    folder.mkdir()
    lines = []
    for action in ACTIONS:
        name = f"person11_{action}_d1"
        video = write_video(tmp_path / f"{name}_uncomp.avi", 6)
        make_zip(folder / f"{action}.zip", {video.name: video.read_bytes()})
        lines.append(f"{name}\t\tframes\t1-3, 4-6")
    (folder / "00sequences.txt").write_text(KTH_HEADER + "\n".join(lines) + "\n")
    return folder


def test_prepare_downloads_what_is_missing_once(published: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def opener(url: str) -> Response:
        assert url.startswith(BASE_URL)
        asked.append(url.removeprefix(BASE_URL))
        return serving((published / asked[-1]).read_bytes())(url)

    root = prepare(tmp_path / "kth", opener=opener)
    assert sorted(asked) == sorted(["00sequences.txt", *(f"{action}.zip" for action in ACTIONS)])
    assert len(KTH(root)) == 12
    prepare(root, opener=offline)  # complete: nothing is asked for
    (root / "boxing" / "person11_boxing_d1_uncomp.avi").unlink()
    prepare(root, opener=offline)  # unpacked again from the archive that was kept
    assert len(KTH(root)) == 12


def test_prepare_from_files_fetched_by_hand(published: Path, tmp_path: Path) -> None:
    root = prepare(tmp_path / "kth", source=published, opener=offline)
    assert len(KTH(root)) == 12
    assert not (published / "sha256.json").exists()  # the source is only read
    (published / "walking.zip").unlink()
    (published / "00sequences.txt").unlink()
    with pytest.raises(DataError, match=r"walking\.zip, 00sequences\.txt;.*https://"):
        prepare(tmp_path / "other", source=published)


def test_prepare_does_not_mix_real_and_simulated(published: Path, tmp_path: Path) -> None:
    (tmp_path / "kth").mkdir()
    (tmp_path / "kth" / "simulated.json").write_text("{}")
    with pytest.raises(DataError, match=r"kth.*simulated"):
        prepare(tmp_path / "kth", source=published)


def test_prepare_offline(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot download .*00sequences\.txt"):
        prepare(tmp_path / "kth", opener=offline)
    assert visible(tmp_path) == set()
