"""``lstmzoo data simulate|prepare|check davis``."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_davis import ids, save_palette, write_davis

from lstmzoo.cli import main
from lstmzoo.data import DAVIS
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.segmentation.data import prepare as preparing
from lstmzoo.segmentation.data.check import PUBLISHED
from lstmzoo.segmentation.data.prepare import ARCHIVES

SEQUENCES = {"train": ["bear", "camel"], "val": ["goat"]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "davis", SEQUENCES)


# -- check --------------------------------------------------------------------------------------------------------


def test_simulate_then_check(tmp_path):
    root = tmp_path / "simulated"
    DAVIS.simulate(root, train=1, val=1, test=0, frames=12, size=(64, 80), seed=3)
    report = DAVIS.check(root)
    assert report.complete
    assert report.simulated
    assert report.sizes == {"80x64": 2}
    assert report.as_dict()["complete"] is True
    assert set(report.splits) == {"2016 train", "2016 val", "2017 train", "2017 val"}
    assert (report.splits["2017 train"].frames, report.splits["2017 train"].frames_published) == (12, None)
    assert "published" not in "".join(report.table().heads)
    (root / "JPEGImages" / "480p" / "val-000" / "00003.jpg").write_bytes(b"")
    assert f"lstmzoo data simulate davis root={root}" in list(DAVIS.check(root).remarks())[-1]


def test_counts(root):
    save_palette(root / "Annotations" / "480p" / "camel" / "00002.png", ids(0) * 0)
    (root / "JPEGImages" / "480p" / "stranger").mkdir()
    report = DAVIS.check(root)
    assert report.complete
    train = report.splits["2017 train"]
    assert (train.sequences, train.frames, train.masks, train.objects) == (2, 12, 12, 4)
    assert (train.sequences_published, train.frames_published, train.objects_published) == (60, 4209, 144)
    assert report.empty_masks == {"camel": 1}
    assert report.void == ["bear", "camel", "goat"]
    assert report.unlisted == ["stranger"]
    assert report.sizes == {"20x12": 3}


def test_all_that_is_wrong_is_listed(root):
    (root / "JPEGImages" / "480p" / "bear" / "00001.jpg").unlink()
    (root / "ImageSets" / "2017" / "val.txt").write_text("gaot\n")
    report = DAVIS.check(root)
    assert not report.complete
    assert set(report.problems) == {"bear", "gaot"}
    assert "00001.png" in report.problems["bear"]
    assert "'goat'" in report.problems["gaot"]
    said = list(report.remarks())
    assert sum("bear" in line or "gaot" in line for line in said) == 2
    assert any("2017 train" in line and "60" in line for line in said)
    assert f"lstmzoo data prepare davis root={root}" in said[-1]
    (row,) = (row for row in report.table().rows if row[0] == "2017 train")
    assert list(row[1:]) == [2, 1, 6, 6, 2, "60, 4209, 144"]


def test_damage_that_only_decoding_shows(root):
    path = root / "Annotations" / "480p" / "goat" / "00003.png"
    content = bytearray(path.read_bytes())
    start = content.index(b"IDAT") + 4
    content[start : start + 8] = b"\xff" * 8
    path.write_bytes(bytes(content))
    DAVIS(root)  # headers are fine
    report = DAVIS.check(root)
    assert list(report.problems) == ["goat"]
    assert "00003.png" in report.problems["goat"]


def test_own_data_without_lists(tmp_path):
    write_davis(tmp_path, SEQUENCES, year=None, annotated=lambda number: number in (0, 4))
    (tmp_path / "ImageSets" / "val.txt").unlink()
    assert DAVIS.check(tmp_path).splits["train"].masks == 4
    (tmp_path / "ImageSets" / "train.txt").unlink()
    report = DAVIS.check(tmp_path)
    assert (report.splits["all"].sequences, report.splits["all"].masks) == (3, 6)
    assert report.complete
    (tmp_path / "Annotations" / "480p" / "goat" / "00004.png").write_bytes(b"")
    report = DAVIS.check(tmp_path)
    assert report.remedy.startswith("Replace what is damaged")
    assert "prepare" not in report.remedy  # that would fetch DAVIS into it


def test_real_sequences(real_data, tmp_path):
    real = real_data / "davis2016"
    if not real.is_dir():
        pytest.skip(f"no DAVIS in {real_data}")
    names = ("car-shadow", "motocross-jump")
    (tmp_path / "ImageSets" / "480p").mkdir(parents=True)
    lines = [
        line for line in (real / "ImageSets/480p/train.txt").read_text().splitlines() if line.split("/")[3] in names
    ]
    (tmp_path / "ImageSets" / "480p" / "train.txt").write_text("\n".join(lines))
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / kind).symlink_to(real / kind)
    report = DAVIS.check(tmp_path)
    assert report.complete
    assert (report.splits["2016 train"].sequences, report.splits["2016 train"].objects) == (2, 2)
    assert report.splits["2016 train"].frames == report.splits["2016 train"].masks == len(lines)
    assert report.sizes == {"854x480": 2}
    assert len(report.unlisted) == 11


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["check", "davis", "root=x", "unsupervised=yes"], ["unsupervised", "yes"]),
        (["simulate", "davis", "root=x", "size=big"], ["size", "big"]),
        (["simulate", "davis", "root=x", "size=96"], ["size", "96"]),
        (["check", "davis", "root=nowhere"], ["nowhere", "lstmzoo data prepare davis root=nowhere"]),
        (["prepare", "davis", "root=x", "source=nowhere"], ["nowhere", "DAVIS-2017-trainval-480p.zip"]),
    ],
)
def test_messages(argv, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data", *argv]) == 2
    said = capsys.readouterr().err
    assert all(part in said for part in named)
    assert list(tmp_path.iterdir()) == []


# -- prepare ------------------------------------------------------------------------------------------------------


def pack(folder: Path, archive: Path) -> bytes:
    """A zip like the published ones: everything lies in a folder DAVIS."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, Path("DAVIS") / path.relative_to(folder))
    return archive.read_bytes()


def prepare(root: Path, dataset: str = "2017", resolution: str = "480p", **options) -> Path:
    preparing.prepare(root, dataset, resolution, **options)
    return root


class Server:
    """Serves files by name, and counts what it is asked for."""

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.asked: list[str] = []

    def __call__(self, url: str) -> io.BytesIO:
        self.asked.append(url)
        response = io.BytesIO(self.files[url.rpartition("/")[2]])
        response.headers = {}  # type: ignore[attr-defined]
        return response


def test_sets_that_share_a_folder(tmp_path):
    write_davis(tmp_path / "a", SEQUENCES)
    write_davis(tmp_path / "b", {"test-dev": ["aerobatics"]}, annotated=lambda number: number == 0)
    server = Server(
        **{
            "DAVIS-2017-trainval-480p.zip": pack(tmp_path / "a", tmp_path / "a.zip"),
            "DAVIS-2017-test-dev-480p.zip": pack(tmp_path / "b", tmp_path / "b.zip"),
        }
    )
    root = prepare(tmp_path / "davis", opener=server)
    prepare(root, "2017-test-dev", opener=server)
    assert len(DAVIS(root, "trainval")) == 3
    assert DAVIS(root, "test-dev")[0]["annotated"].sum() == 1
    assert set(json.loads((root / "downloads" / "sha256.json").read_text())) == set(server.files)
    prepare(root, opener=server)  # complete: nothing is asked for
    (root / "JPEGImages" / "480p" / "bear" / "00002.jpg").unlink()
    prepare(root, opener=server)  # unpacked again from the archive that was kept
    assert len(DAVIS(root, "train")) == 2
    assert server.asked == [ARCHIVES[name].url.format(resolution="480p") for name in ("2017", "2017-test-dev")]
    assert not (root / ".unpacked").exists()


def test_2016_and_2017_do_not_share_a_folder(tmp_path):
    """The zip of 2017 has lists of 2016 in the form of its own; the masks of the sequences that both have differ."""
    root = write_davis(tmp_path / "2017", SEQUENCES)
    (root / "ImageSets" / "2016").mkdir()
    for split in SEQUENCES:
        (root / "ImageSets" / "2016" / f"{split}.txt").write_text("bear\n")
    with pytest.raises(DataError, match=r"DAVIS 2017.* root=\S*davis2016"):
        prepare(root, "2016", opener=Server())
    root = write_davis(tmp_path / "2016", SEQUENCES, year=2016)
    for dataset in ("2017", "2017-test-dev", "2017-unsupervised"):
        with pytest.raises(DataError, match=r"DAVIS 2016.* root=\S*davis2017"):
            prepare(root, dataset, opener=Server())


def test_an_archive_that_lacks_files_is_named(tmp_path):
    source = write_davis(tmp_path / "a", SEQUENCES)
    for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        (source / kind / "480p" / "camel" / f"00003.{suffix}").unlink()
    server = Server(**{"DAVIS-2017-trainval-480p.zip": pack(source, tmp_path / "a.zip")})
    root = tmp_path / "davis"
    with pytest.raises(DataError, match=r"trainval-480p\.zip .*camel/00003\.jpg .*sha256"):
        prepare(root, opener=server)
    write_davis(source, SEQUENCES)
    server.files = {"DAVIS-2017-trainval-480p.zip": pack(source, tmp_path / "b.zip")}
    for name in ("DAVIS-2017-trainval-480p.zip", "sha256.json"):  # as the message says
        (root / "downloads" / name).unlink()
    prepare(root, opener=server)
    assert len(DAVIS(root, "trainval")) == 3


def test_2016_has_a_published_checksum(tmp_path, monkeypatch):
    content = pack(write_davis(tmp_path / "a", SEQUENCES, year=2016), tmp_path / "by_hand" / "DAVIS-data.zip")
    with pytest.raises(DataError, match=r"DAVIS-data\.zip .*MD5.* 0cb3cf9c5617209fa3cc4794e52a2ffa"):
        prepare(tmp_path / "davis", "2016", source=tmp_path / "by_hand")
    published = replace(ARCHIVES["2016"], md5=hashlib.md5(content).hexdigest())
    monkeypatch.setitem(preparing.ARCHIVES, "2016", published)
    root = prepare(tmp_path / "davis", "2016", source=tmp_path / "by_hand")
    assert DAVIS(root, "train").year == 2016


def test_names_and_folders_that_do_not_fit(tmp_path):
    with pytest.raises(LstmzooError, match=r"'2018'.* 2017-unsupervised"):
        prepare(tmp_path, "2018")
    with pytest.raises(LstmzooError, match=r"2017.*'1080p'.* 480p, Full-Resolution|2017.*'1080p'.* Full-Resolution"):
        prepare(tmp_path, resolution="1080p")
    (tmp_path / "simulated.json").write_text("{}")
    with pytest.raises(DataError, match="simulated"):
        prepare(tmp_path)


def test_published_numbers_add_up():
    """The counts of the papers: 50 sequences and 3,455 frames in 2016, 90 sequences of train and val in 2017."""
    assert PUBLISHED[2016, "train"].sequences + PUBLISHED[2016, "val"].sequences == 50
    assert PUBLISHED[2016, "train"].frames + PUBLISHED[2016, "val"].frames == 3455
    assert PUBLISHED[2017, "train"].sequences + PUBLISHED[2017, "val"].sequences == 90
    assert PUBLISHED[2017, "train"].objects + PUBLISHED[2017, "val"].objects == 205
