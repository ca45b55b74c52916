"""``lstmzoo data simulate|prepare|check captions``."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_captions import write_captions

from lstmzoo.captioning.data import prepare as preparing
from lstmzoo.captioning.data.check import KARPATHY, check
from lstmzoo.captioning.data.prepare import Archive, prepare
from lstmzoo.cli import data as command
from lstmzoo.data import Captions
from lstmzoo.errors import DataError, LstmzooError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_captions(tmp_path / "set", images=12)


def test_simulate_then_check(tmp_path, capsys):
    root = tmp_path / "simulated"
    command.run(["simulate", "captions", f"root={root}", "images=10", "seed=3"])
    command.run(["check", "captions", f"root={root}", f"json={tmp_path / 'report.json'}"])
    shown = capsys.readouterr().out
    assert "This is a simulated set." in shown
    assert "Complete." in shown
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["complete"] is True
    assert report["splits"]["train"]["captions"] == 40


def test_a_complete_set(root):
    report = check(root)
    assert report.whole
    assert {split: (count.images, count.captions) for split, count in report.splits.items()} == {
        "train": (8, 16),
        "val": (2, 4),
        "test": (2, 4),
    }
    assert report.captions_per_image == (2, 2)


def test_what_is_missing_is_listed_and_the_exit_code_is_1(root, tmp_path, capsys):
    (root / "Images" / "00.png").unlink()
    (root / "Images" / "01.png").write_bytes(b"nothing")
    with open(root / "val.txt", "a") as file:
        file.write("x.png\n")
    with open(root / "captions.txt", "a") as file:
        file.write('02.png,"two\nlines"\n2258277193_586949ec62.jpg.1,bad\n')
    with pytest.raises(SystemExit) as exit_code:
        command.run(["check", "captions", f"root={root}", f"json={tmp_path / 'report.json'}"])
    assert exit_code.value.code == 1
    shown = capsys.readouterr().out
    for line in (
        f"Images that are not there: 1: train.txt, line 1: {root / 'Images' / '00.png'}",
        f"Images that cannot be decoded: 1: train.txt, line 2: cannot decode the image {root / 'Images' / '01.png'} (7",
        "Listed, but without captions: 1: val.txt, line 3 names 'x.png', which has no captions",
        "caption of several lines, joined: 1: captions.txt, line 26",
        "bad image name, left out: 1: captions.txt, line 28: 2258277193_586949ec62.jpg.1",
        "Not complete. Replace what is damaged or missing",
    ):
        assert line in shown
    assert "data prepare" not in shown  # that would unpack Flickr8k into it
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["splits"]["train"]["images"] == 6
    assert report["complete"] is False


def test_a_part_of_a_published_set_is_not_complete(tmp_path, capsys):
    root = write_captions(tmp_path / "set", images=12)
    for part, name in (("train", "train"), ("val", "dev"), ("test", "test")):
        (root / f"{part}.txt").rename(root / f"Flickr_8k.{name}Images.txt")
    with pytest.raises(SystemExit) as exit_code:
        command.run(["check", "captions", f"root={root}"])
    assert exit_code.value.code == 1
    shown = capsys.readouterr().out
    assert (
        "Split train is not the published one: 8 images and 16 captions instead of 6000 images and 30000 captions."
        in shown
    )
    assert "`lstmzoo data prepare captions dataset=flickr8k root=ANOTHER_FOLDER` brings the whole set." in shown
    assert "\nComplete." not in shown


def test_a_jpeg_that_ends_too_early_is_not_complete(root, capsys):
    """With some versions of OpenCV it would decode, its end grey."""
    picture = cv2.imencode(".jpg", cv2.imread(str(root / "Images" / "01.png")))[1].tobytes()[:-3]
    (root / "Images" / "01.png").write_bytes(picture)
    with pytest.raises(SystemExit) as exit_code:
        command.run(["check", "captions", f"root={root}"])
    assert exit_code.value.code == 1
    reason = f"the image {root / 'Images' / '01.png'} ends too early ({len(picture)} bytes); fetch it again"
    assert f"Images that cannot be decoded: 1: train.txt, line 2: {reason}" in capsys.readouterr().out


def write_coco(root: Path, image: str = "COCO_train2014_000000000009.jpg", name: str = "captions_train2014") -> None:
    """One image with a caption; the file of the image isn't there."""
    root.mkdir(exist_ok=True)
    content = {"images": [{"id": 9, "file_name": image}], "annotations": [{"image_id": 9, "caption": "A dog"}]}
    (root / f"{name}.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "image", "short"),
    [
        ("captions_train2014", "COCO_train2014_000000000009.jpg", ["train"]),
        ("captions_train2017", "000000000009.jpg", ["train"]),
        ("captions_train", "COCO_train2014_000000000009.jpg", []),
        ("captions_train2014", "a.jpg", []),
    ],
)
def test_your_own_set_in_cocos_layout_is_not_measured_against_coco(tmp_path, name, image, short):
    write_coco(tmp_path, image, name)
    cv2.imwrite(str(tmp_path / image), np.zeros((8, 8, 3), np.uint8))
    report = check(tmp_path)
    assert (report.short, report.whole) == (short, not short)


def write_flickr8k(root: Path, folder: str, captions: str = "Flickr8k.token.txt") -> None:
    """Flickr8k without one of its two pictures."""
    (root / folder).mkdir(parents=True)
    (root / captions).write_text("a.jpg#0\tA dog\nb.jpg#0\tA cat\n")
    cv2.imwrite(str(root / folder / "a.jpg"), np.zeros((8, 8, 3), np.uint8))


def test_the_remedy_is_a_download_only_where_it_brings_what_is_missing(tmp_path):
    prepared, elsewhere, coco = (tmp_path / name for name in ("prepared", "elsewhere", "coco"))
    write_flickr8k(prepared, "Flicker8k_Dataset")
    fetching = f"Delete what is damaged, then run `lstmzoo data prepare captions dataset=flickr8k root={prepared}`"
    assert check(prepared).how_to_complete == fetching
    write_flickr8k(elsewhere, "Images")  # the download would unpack into another folder, which is not looked at
    write_coco(coco)
    for root in (elsewhere, coco):
        assert "data prepare" not in check(root).how_to_complete
        assert check(root).how_to_complete.startswith("Replace what is damaged or missing")


def test_flickr30k_is_not_promised_by_download(tmp_path):
    (tmp_path / "flickr30k-images").mkdir()
    (tmp_path / "results_20130124.token").write_text("a.jpg#0\tA dog\n")
    cv2.imwrite(str(tmp_path / "flickr30k-images" / "a.jpg"), np.zeros((8, 8, 3), np.uint8))
    assert check(tmp_path).how_to_complete == "Fetch captions and lists again"


def test_missing_images_of_a_prepared_set_can_be_brought_back(tmp_path):
    write_flickr8k(tmp_path, "Flicker8k_Dataset")
    (tmp_path / "Flicker8k_Dataset" / "a.jpg").unlink()
    fetching = f"or run `lstmzoo data prepare captions dataset=flickr8k root={tmp_path}`"
    with pytest.raises(DataError, match=rf"2 images .* image_dir=\.\.\.,.*{fetching}$"):
        Captions(tmp_path, "all")


def test_the_remedy_of_a_simulated_set_makes_it_whole(tmp_path):
    root = tmp_path / "simulated"
    command.run(["simulate", "captions", f"root={root}", "images=10", "seed=3"])
    next((root / "images").iterdir()).unlink()
    _, _, words = check(root).how_to_complete.partition("`lstmzoo data ")
    command.run(words.rstrip("`").split())
    assert check(root).whole


@pytest.mark.parametrize("dataset", ["x", "flickr8k"])
def test_a_set_without_images_is_not_complete(tmp_path, capsys, dataset):
    (tmp_path / "dataset_flickr8k.json").write_text(json.dumps({"images": [], "dataset": dataset}))
    with pytest.raises(SystemExit) as exit_code:
        command.run(["check", "captions", f"root={tmp_path}"])
    assert exit_code.value.code == 1
    shown = capsys.readouterr().out
    assert f"Not complete. {tmp_path / 'dataset_flickr8k.json'} has no image with captions" in shown


def test_published_numbers_of_flickr30k_with_and_without_split_lists(root):
    (root / "captions.txt").unlink()
    (root / "results_20130124.token").write_text("".join(f"{number:02d}.png#0\tA dog\n" for number in range(12)))
    report = check(root)
    assert {split: count.images_published for split, count in report.splits.items()} == {
        "train": 29_000,
        "val": 1_014,
        "test": 1_000,
    }
    assert report.short == ["train", "val", "test"]
    assert not report.whole
    for split in report.splits:
        (root / f"{split}.txt").unlink()
    assert check(root).splits["in no split"].images_published == 31_783


@pytest.mark.parametrize("java", [True, False])
def test_missing_java_is_told(root, monkeypatch, capsys, java):
    monkeypatch.setattr("lstmzoo.captioning.metrics.java.has_java", lambda: java)
    command.run(["check", "captions", f"root={root}"])
    shown = capsys.readouterr().out
    assert ("METEOR" in shown) is not java
    assert ("default-jre-headless" in shown) is not java


@pytest.mark.slow
def test_real_flickr8k(real_data, capsys):
    if not (real_data / "flickr8k").is_dir():
        pytest.skip(f"no Flickr8k in {real_data}")
    command.run(["check", "captions", f"root={real_data / 'flickr8k'}"])
    shown = capsys.readouterr().out
    assert "6000" in shown
    assert "30000" in shown
    assert "Split test is not here (1000 images were published)." in shown
    assert "absent: test." in shown


def test_published_numbers_add_up():
    """Karpathy split COCO's 40,504 validation images with 202,654 captions again."""
    coco = KARPATHY["coco"]
    assert coco["restval"][0] + coco["val"][0] + coco["test"][0] == 40_504
    assert coco["restval"][1] + coco["val"][1] + coco["test"][1] == 202_654
    assert sum(images for images, _ in KARPATHY["flickr30k"].values()) == 31_014
    assert sum(captions for _, captions in KARPATHY["flickr8k"].values()) == 40_000


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


class Web:
    """Serves files; counts how often each is asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked = files, []

    def __call__(self, url: str) -> Any:
        self.asked.append(url)
        response = io.BytesIO(self.files[url])
        response.headers = {}  # type: ignore[attr-defined]
        return response


@pytest.fixture
def web(root, monkeypatch) -> Web:
    """A Flickr8k of 12 pictures, in two archives as the real one."""
    picture = (root / "Images" / "00.png").read_bytes()
    tokens = "".join(f"{number}.jpg#{k}\tA dog\n" for number in range(12) for k in range(5))
    texts = {"Flickr8k.token.txt": tokens.encode(), "__MACOSX/._Flickr8k.token.txt": b"x"}
    texts |= {f"Flickr_8k.{part}Images.txt": b"" for part in ("dev", "test")}
    texts["Flickr_8k.trainImages.txt"] = b"1.jpg\n2.jpg\n"
    files = {
        "https://x.org/Flickr8k_text.zip": zipped(texts),
        "https://x.org/Flickr8k_Dataset.zip": zipped({f"Flicker8k_Dataset/{i}.jpg": picture for i in range(12)}),
        "https://x.org/caption_datasets.zip": zipped({"dataset_coco.json": b"{}", "dataset_flickr8k.json": b"{}"}),
    }
    text, images, karpathy = files
    archives = {
        "flickr8k": (Archive(text, "Flickr8k.token.txt"), Archive(images, "Flicker8k_Dataset", 12)),
        "coco": (Archive(karpathy, "dataset_coco.json", keep="dataset_coco.json"),),
    }
    monkeypatch.setattr(preparing, "ARCHIVES", archives)
    return Web(files)


def test_prepare_fetches_once(web, tmp_path):
    target = prepare(tmp_path / "flickr8k", opener=web)
    assert len(Captions(target, "train")) == 2
    assert not (target / "__MACOSX").exists()
    assert set(json.loads((target / "downloads" / "sha256.json").read_text())) == {
        "Flickr8k_text.zip",
        "Flickr8k_Dataset.zip",
    }
    prepare(target, opener=web)
    assert len(web.asked) == 2
    (target / "Flicker8k_Dataset" / "3.jpg").unlink()
    prepare(target, opener=web)  # unpacked again from the archive that is there
    assert len(web.asked) == 2
    assert (target / "Flicker8k_Dataset" / "3.jpg").exists()


def test_prepare_takes_one_file_out_of_several(web, tmp_path):
    target = prepare(tmp_path / "coco", "coco", opener=web)
    assert sorted(path.name for path in target.iterdir()) == ["dataset_coco.json", "downloads"]


def test_prepare_from_files_at_hand(web, tmp_path):
    source = tmp_path / "at hand"
    source.mkdir()
    with pytest.raises(DataError, match=r"Flickr8k_text.zip, Flickr8k_Dataset.zip.*https"):
        prepare(tmp_path / "flickr8k", source=source, opener=web)
    for url, content in web.files.items():
        (source / url.rpartition("/")[2]).write_bytes(content)
    prepare(tmp_path / "flickr8k", source=source, opener=web)
    assert web.asked == []
    assert len(Captions(tmp_path / "flickr8k", "train")) == 2


def test_prepare_points_to_flickr30k(root, tmp_path):
    with pytest.raises(DataError, match=r"https.*source=FOLDER"):
        prepare(tmp_path / "flickr30k", "flickr30k")
    (root / "Images").rename(root / "flickr30k-images")
    (root / "results_20130124.token").write_text("00.png#0\tA dog\n")
    target = prepare(tmp_path / "flickr30k", "flickr30k", source=root)
    assert len(Captions(target, "all")) == 1
    assert (target / "flickr30k-images").is_symlink()


def test_prepare_refusals(tmp_path):
    with pytest.raises(LstmzooError, match=r"'flickr9k'.*'flickr8k'"):
        prepare(tmp_path, "flickr9k")
    (tmp_path / "simulated.json").write_text("{}")
    with pytest.raises(DataError, match="root=data/flickr8k"):
        prepare(tmp_path)
