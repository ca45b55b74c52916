"""Sets as others write and publish them: read rightly, or refused in one line; and what `data check` says of them."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_captions import write_captions

from lstmzoo.captioning.data.check import check
from lstmzoo.captioning.data.layouts import read_captions
from lstmzoo.captioning.data.text import plain, tokenize, unsegmented
from lstmzoo.captioning.data.vocabulary import Vocabulary
from lstmzoo.captioning.metrics.scores import load_results
from lstmzoo.cli import data as command
from lstmzoo.data import Captions
from lstmzoo.errors import DataError, DataWarning, LstmzooError


def write_images(folder: Path, *names: str) -> None:
    """JPEGs, whatever they are called."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(cv2.imencode(".jpg", np.zeros((6, 8, 3), np.uint8))[1].tobytes())


def said(root: Path, **options: Any) -> dict[str, tuple[str, ...]]:
    return {record.path.name: record.captions for record in read_captions(root, **options).records}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions.csv", "image,caption\na.jpg,a dog\nb.jpg,two cats\n"),
        ("captions.csv", "image;caption\na.jpg;a dog\nb.jpg;two cats\n"),
        ("captions.tsv", "image\tcaption\na.jpg\ta dog\nb.jpg\ttwo cats\n"),
        ("captions.csv", '\ufeff"file_name","text"\r\n"a.jpg","a dog"\r\n"b.jpg","two cats"\r\n'),
        ("results.csv", "image_name| comment_number| comment\na.jpg| 0| a dog\nb.jpg| 4   two cats\n"),
        ("captions.csv", "id;image;caption\n1;a.jpg;a dog\n2;b.jpg;two cats\n"),
        ("captions.csv", "image,caption\na,a dog\nb,two cats\n"),
    ],
)
def test_csv_however_columns_are_parted_and_called(tmp_path, name, text):
    """Flickr30k is handed on with bars, one of which is missing."""
    write_images(tmp_path / "images", "a.jpg", "b.jpg")
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert said(tmp_path) == {"a.jpg": ("a dog",), "b.jpg": ("two cats",)}


def test_quotes_between_bars_are_text(tmp_path):
    text = 'image_name| comment_number| comment\na.jpg| 0| "Go" says a man , "now\na.jpg| 1| a man\n'
    (tmp_path / "results.csv").write_text(text)
    assert said(tmp_path) == {"a.jpg": ('"Go" says a man , "now', "a man")}


@pytest.mark.parametrize("suffix", ["gif", "tif", "avif", "JPG", "jp2", "ppm", "jpe"])
def test_images_of_all_formats_that_are_read(tmp_path, suffix):
    write_images(tmp_path, f"a.{suffix}", f"b.{suffix}")
    (tmp_path / "captions.csv").write_text(f"image,caption\na.{suffix},a dog\nb,two cats\n")
    assert said(tmp_path) == {f"a.{suffix}": ("a dog",), f"b.{suffix}": ("two cats",)}
    (tmp_path / "train.txt").write_text("a\nb\n")
    assert len(Captions(tmp_path, "train")) == 2


def test_names_without_suffix(tmp_path):
    write_images(tmp_path / "images", "a.jpg", "b.1.png", "plain", "twice.jpg", "twice.png")
    lines = ["image,caption", "a,a dog", "b.1,a cat", "plain,a hen", "none,a cow", "other.heic,a pig"]
    (tmp_path / "captions.csv").write_text("\n".join(lines))
    assert list(said(tmp_path)) == ["a.jpg", "b.1.png", "plain"]
    with pytest.warns(DataWarning, match=r"^.*2 captions.* line 5: none, .* line 6: other\.heic"):
        Captions(tmp_path, "all")
    (tmp_path / "captions.csv").write_text("image,caption\ntwice,a dog\n")
    with pytest.raises(DataError, match=r"'twice'.* twice\.jpg, twice\.png"):
        read_captions(tmp_path)
    (tmp_path / "captions.csv").write_text("image,caption\nimg01,a dog\nimg02,a cat\n")
    with pytest.raises(DataError, match=r"\.jpg.*captions\.csv, line 2: img01"):
        read_captions(tmp_path)


def test_the_known_bad_name_of_flickr8k_is_no_news(tmp_path):
    write_images(tmp_path, "a.jpg")
    (tmp_path / "Flickr8k.token.txt").write_text("a.jpg#0\tA dog\n2258277193_586949ec62.jpg.1#0\tTwo dogs\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        assert len(Captions(tmp_path, "all")) == 1


@pytest.mark.parametrize("name", ["chinese", "emoji", "gifs", "html", "kagglef30k", "nolists", "noextn", "semicolon"])
def test_sets_that_failed(failing, tmp_path, capsys, name):
    """Those that can be trained on are complete; of the others, one line says what to do."""
    root = tmp_path / name
    shutil.copytree(failing / "csv" / name, root, copy_function=shutil.copyfile)
    root.chmod(0o755)
    write_images(root, *(f"img{number:02d}.jpg" for number in range(12)), "a0.gif", "a1.tif", "a2.jpg", "a3.avif")
    remedies = {"chinese": "segment them", "gifs": "data.min_count=1", "nolists": "train.txt, val.txt and test.txt"}
    if name not in remedies:
        command.run(["check", "captions", f"root={root}"])
        assert len(Captions(root, "train").records) == 8
        return
    with pytest.raises(SystemExit):
        command.run(["check", "captions", f"root={root}"])
    assert remedies[name] in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "dev", "eval"])
@pytest.mark.parametrize("form", ["annotations/{}.json", "captions_{}.json", "annotations/captions_{}2020.json"])
def test_splits_by_their_usual_names(tmp_path, capsys, name, form):
    coco(tmp_path / form.format("train"), "a.jpg")
    coco(tmp_path / form.format(name), "b.jpg")
    coco(tmp_path / "annotations" / "mine.json", "c.jpg")
    coco(tmp_path / "annotations" / "instances_train2017.json", "a.jpg")
    files = read_captions(tmp_path)
    assert [[record.path.name for record in files.of(split)] for split in ("train", "val")] == [["a.jpg"], ["b.jpg"]]
    assert [*files.issues.found.values()] == [["mine.json"]]
    write_images(tmp_path, "a.jpg", "b.jpg")
    with pytest.raises(SystemExit):
        command.run(["check", "captions", f"root={tmp_path}"])
    said = capsys.readouterr().out
    assert "mine.json" in said
    assert "1 caption per image" in said
    shutil.rmtree(tmp_path / "annotations")
    for old in tmp_path.glob("*.json"):
        old.unlink()
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,a dog\nb.jpg,two cats\n")
    (tmp_path / "train.txt").write_text("a\n")
    (tmp_path / f"{name}.txt").write_text("b\n")
    assert [record.path.name for record in read_captions(tmp_path).of("val")] == ["b.jpg"]


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[" + b"9" * 5000 + b"]", b"\xff[]", b"[{"])
def test_broken_results_are_explained_in_plain_words(tmp_path, content):
    (tmp_path / "results.json").write_bytes(content)
    (tmp_path / "dataset.json").write_bytes(content)
    for name, read in (("results.json", load_results), ("dataset.json", read_captions)):
        with pytest.raises(DataError, match=name) as caught:
            read(tmp_path / name)
        assert not re.search(r"\n|codec|sys\.|recursion", str(caught.value))


def coco(path: Path, *names: str, captions: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"images": [{"id": number, "file_name": name} for number, name in enumerate(names)]}
    if captions:
        content["annotations"] = [{"image_id": number, "caption": f"a {name[0]}"} for number, name in enumerate(names)]
    path.write_text(json.dumps(content))


def test_your_own_set_in_cocos_layout_may_have_a_test_split(tmp_path):
    for split in ("train", "val", "test"):
        coco(tmp_path / "annotations" / f"captions_{split}2014.json", f"{split}.jpg")
    assert {record.split: record.path.name for record in read_captions(tmp_path).records} == {
        "train": "train.jpg",
        "val": "val.jpg",
        "test": "test.jpg",
    }
    assert check(tmp_path).short == []
    coco(tmp_path / "annotations" / "captions_test2014.json", "test.jpg", captions=False)  # as COCO's own
    coco(tmp_path / "annotations" / "captions_mine.json", "x.jpg")
    files = read_captions(tmp_path)
    assert [record.split for record in files.records] == ["train", "val"]
    assert [place for places in files.issues.found.values() for place in places] == [
        "captions_test2014.json",
        "captions_mine.json",
    ]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.json", "train"),
        ("my_val_set.json", "val"),
        ("dataset-test.json", "test"),
        ("captions.json", ""),
        ("captions_mine.json", ""),
        ("training_validation.json", ""),
    ],
)
@pytest.mark.parametrize("layout", ["auto", "coco"])
def test_a_file_of_cocos_form_may_have_any_name(tmp_path, name, split, layout):
    coco(tmp_path / "annotations" / name, "a.jpg")
    write_images(tmp_path / "images", "a.jpg")
    files = read_captions(tmp_path / "annotations" / name, layout)
    assert (files.layout, files.records[0].split) == ("coco", split)
    assert len(Captions(tmp_path / "annotations" / name, split or "all")) == 1
    if name == "train.json":
        assert said(tmp_path) == {"a.jpg": ("a a",)}


def test_a_file_of_karpathys_form_may_have_any_name(tmp_path):
    image = {"filename": "a.jpg", "split": "val", "sentences": [{"raw": "a dog"}]}
    (tmp_path / "mine.json").write_text(json.dumps({"images": [image]}))
    assert read_captions(tmp_path / "mine.json").layout == "karpathy"
    with pytest.raises(DataError, match=r"root=FILE, e\.g\. data\.root=.*mine\.json"):
        read_captions(tmp_path)


ENTITIES = {
    "a dog &amp; a cat&#39;s &quot;toy&quot; <b>run</b>": 'a dog & a cat\'s "toy" run',
    "caf&eacute; &#x1F436;&nbsp;&amp;quot;x&amp;quot;<br/>": 'café 🐶 "x"',
    "A&W &lt;unk&gt; &copy &nosuch; a<b 5>3": "A&W <unk> &copy &nosuch; a<b 5>3",
}


def test_entities_and_tags_of_html_are_counted_and_undone(tmp_path):
    for raw, text in ENTITIES.items():
        assert plain(raw) == plain(text) == text
    assert tokenize(next(iter(ENTITIES))) == ("a", "dog", "a", "cat", "'s", "toy", "run")
    sentences = [{"raw": text} for text in [*ENTITIES, "a dog"]]
    (tmp_path / "dataset.json").write_text(
        json.dumps({"images": [{"filename": "a.jpg", "split": "train", "sentences": sentences}]})
    )
    (record,), found = read_captions(tmp_path).records, read_captions(tmp_path).issues.found
    assert record.captions == (*ENTITIES.values(), "a dog")
    assert next(len(places) for kind, places in found.items() if "HTML" in kind) == 3


@pytest.mark.slow
def test_no_words_of_flickr8k_have_changed(real_data):
    """What old checkpoints know stays what they meet: nothing in these captions is markup."""
    if not (real_data / "flickr8k").is_dir():
        pytest.skip(f"no Flickr8k in {real_data}")
    files = read_captions(real_data / "flickr8k")
    assert not any("HTML" in kind for kind in files.issues.found)


@pytest.mark.parametrize(
    ("captions", "parted"),
    [
        (["一只狗在草地上奔跑", "两个人在海边散步"], False),
        (["一只 狗 在 草地 上 奔跑", "两个 人 在 海边 散步"], True),
        (["狗跑", "猫睡", "两只狗"], False),
        (["狗 跑", "猫 睡", "两 只 狗"], True),
        (["a dog called 小狗", "a cat called 小猫"], True),
        (["犬が草の上を走っている", "二人の男"], False),
        (["犬 が 草 の 上 を 走っ て いる"], True),
        (["สุนัขวิ่งบนหญ้า"], False),
        (["สุนัข วิ่ง บน หญ้า"], True),
        (["개가 풀밭에서 달린다", "собака бежит по траве", "a dog runs"], True),
    ],
)
def test_captions_without_blanks_between_words_are_noticed(captions, parted):
    sentences = [tokenize(caption) for caption in captions] * 5
    assert bool(unsegmented(sentences)) is not parted
    if parted:
        assert len(Vocabulary.build(sentences)) > 5
    else:
        with pytest.raises(DataError, match="segment"):
            Vocabulary.build(sentences)


def one_word_each(root: Path) -> None:
    lines = (root / "captions.txt").read_text().splitlines()
    lines[1:] = [f"{line.split(',')[0]},word{number}" for number, line in enumerate(lines[1:])]
    (root / "captions.txt").write_text("\n".join(lines))


def no_training_list(root: Path) -> None:
    (root / "train.txt").unlink()


@pytest.mark.parametrize(("spoil", "remedy"), [(one_word_each, "data.min_count=1"), (no_training_list, "train.txt")])
def test_what_cannot_be_trained_on_is_not_complete(tmp_path, spoil: Callable[[Path], None], remedy):
    root = write_captions(tmp_path / "set", images=12)
    assert check(root).complete
    spoil(root)
    report = check(root)
    assert report.whole
    assert not report.complete
    assert remedy in report.why_untrainable[0]
    assert report.as_dict()["trainable"] is False


def test_a_broken_marker_of_a_simulated_set_is_named(tmp_path):
    root = tmp_path / "set"
    command.run(["simulate", "captions", f"root={root}", "images=10", "seed=3"])
    for text in ("", "{}", "[" * 5000):
        (root / "simulated.json").write_text(text)
        next((root / "images").iterdir()).unlink()
        with pytest.raises(DataError, match=r"simulated\.json"):
            check(root)


DEEP = [
    ("dataset.json", '{"images": [%s]}'),
    ("dataset.json", '{"images": [{"filename": %s, "split": "train"}]}'),
    (
        "dataset.json",
        '{"images": [{"filename": "a.jpg", "split": "train", "sentences": [{"raw": "x", "tokens": %s}]}]}',
    ),
    ("captions_train.json", '{"images": [], "annotations": [{"image_id": %s}]}'),
    ("results.json", '[{"image_id": %s, "caption": ""}]'),
]


@pytest.mark.parametrize(("name", "form"), DEEP)
def test_json_of_any_depth_is_one_line(tmp_path, name, form):
    for depth in [5, *range(900, 1100, 7), 20_000]:
        (tmp_path / name).write_text(form % ("[" * depth + "]" * depth))
        with pytest.raises(DataError) as error:
            (load_results if name == "results.json" else read_captions)(tmp_path / name)
        assert len(str(error.value)) < 600


@pytest.mark.filterwarnings("ignore::lstmzoo.errors.DataWarning")
def test_nothing_foreign_is_raised_whatever_the_bytes(tmp_path):
    write_images(tmp_path, "a.jpg", "b.jpg")
    good = {
        "captions.csv": 'image,caption\na.jpg,"A ""dog"", running"\nb.jpg,caf\u00e9 &amp; <b>bar</b>\n',
        "results.csv": "image_name| comment_number| comment\na.jpg| 0| A dog\nb.jpg| 1   A cat\n",
        "Flickr8k.token.txt": "a.jpg#0\tA dog\nb.jpg#0\tA cat\n",
        "captions_train.json": json.dumps(
            {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": "A dog"}]}
        ),
        "results.json": '[{"image_id": 42, "caption": "a dog"}]',
    }
    random = Random(11)
    for name, text in good.items():
        for _ in range(60):
            content = bytearray(text.encode())
            for _ in range(random.randint(1, 4)):
                place = random.randrange(len(content))
                content[place : place + random.randint(0, 6)] = random.choice(
                    [
                        b"",
                        bytes([random.randrange(256)]),
                        b'"',
                        b"\n",
                        b"\0",
                        b"/" * 5,
                        b"x" * 300,
                        b"&#99999999;",
                        b"[",
                    ]
                )
            (tmp_path / name).write_bytes(content)
            try:
                if name == "results.json":
                    load_results(tmp_path / name)
                else:
                    Captions(tmp_path / name, "all")
            except LstmzooError:
                continue
