"""Captions from every layout, words, and what bad files are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from lstmzoo.captioning.data.layouts import read_captions
from lstmzoo.captioning.data.text import tokenize
from lstmzoo.captioning.data.vocabulary import SPECIALS, Vocabulary
from lstmzoo.data import Captions
from lstmzoo.errors import DataError, LstmzooError

SAID = {
    "a.jpg": ["A dog runs .", "The dog's bowl, red"],
    "b.jpg": ["Two cats"],
    "c.jpg": ['He says "hi, you"', "A T-shirt"],
}
SPLIT = {"a.jpg": "train", "b.jpg": "val", "c.jpg": "test"}


def write_images(folder: Path, names: Any = SAID) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        image = np.zeros((30, 40, 3), np.uint8)
        image[:, :20, 2] = 200  # red on the left
        image[:, 20:, 0] = 50 * number
        assert cv2.imwrite(str(folder / name), image)


def karpathy_entry(name: str, **more: Any) -> dict[str, Any]:
    sentences = [{"raw": text, "tokens": ["as", "given"] if name == "a.jpg" else []} for text in SAID[name]]
    return {"filename": name, "split": SPLIT[name], "sentences": sentences, **more}


def write_karpathy(root: Path) -> None:
    images = [karpathy_entry(name, cocoid=number, filepath="val2014") for number, name in enumerate(SAID, start=40)]
    images[0]["split"] = "restval"
    (root / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))
    write_images(root / "val2014")


def write_coco(root: Path) -> None:
    ids = dict(zip(SAID, (40, 41, 42), strict=True))
    (root / "annotations").mkdir(parents=True)
    for year, names in (("train2014", ["a.jpg"]), ("val2014", ["b.jpg", "c.jpg"])):
        annotations = [{"id": 1, "image_id": ids[name], "caption": text} for name in names for text in SAID[name]]
        images = [{"id": ids[name], "file_name": name} for name in names]
        content = {"images": images, "annotations": [*annotations, {"image_id": 999, "caption": "of nothing"}]}
        (root / "annotations" / f"captions_{year}.json").write_text(json.dumps(content))
        write_images(root / year, names)


def write_lists(root: Path, names: dict[str, str]) -> None:
    for split, file in names.items():
        (root / file).write_text("".join(f"{name}\n" for name, its in SPLIT.items() if its == split))


FLICKR8K_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "val": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}


def write_flickr8k(root: Path) -> None:
    lines = [f"{name}#{k}\t{text}\n" for name, texts in SAID.items() for k, text in enumerate(texts)]
    (root / "Flickr8k.token.txt").write_text("".join([*lines, "2258277193_586949ec62.jpg.1#0\tA bad name\n"]))
    write_lists(root, FLICKR8K_LISTS)
    write_images(root / "Flicker8k_Dataset")


def write_flickr30k(root: Path) -> None:
    lines = [f"{name}#{k}\t{text}\r\n" for name, texts in SAID.items() for k, text in enumerate(texts)]
    (root / "results_20130124.token").write_text("".join(lines), newline="")
    for name, split in SPLIT.items():
        (root / f"{split}.txt").write_text(name.removesuffix(".jpg"))
    write_images(root / "flickr30k-images")


def write_csv(root: Path) -> None:
    quoted = [(name, text.replace('"', '""')) for name, texts in SAID.items() for text in texts]
    (root / "captions.txt").write_text("image,caption\n" + "".join(f'{name},"{text}"\n' for name, text in quoted))
    write_lists(root, {"train": "train.txt", "val": "val.txt", "test": "test.txt"})
    write_images(root / "Images")


LAYOUTS = {
    "karpathy": write_karpathy,
    "coco": write_coco,
    "flickr8k": write_flickr8k,
    "flickr30k": write_flickr30k,
    "csv": write_csv,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_says_the_same(root, layout, named):
    LAYOUTS[layout](root)
    data = {split: Captions(root, split, layout if named else "auto") for split in ("train", "val")}
    data["all"] = Captions(root, "all")
    assert data["train"].files.layout == layout
    assert [len(data[split]) for split in ("train", "val", "all")] == [1, 2 if layout == "coco" else 1, 3]
    item = data["train"][0]
    assert item["captions"] == SAID["a.jpg"]
    assert item["image_id"] == (40 if layout in ("coco", "karpathy") else "a.jpg")
    assert item["tokens"][0] == (["as", "given"] if layout == "karpathy" else ["a", "dog", "runs"])
    said = {record.path.name: list(record.captions) for record in data["all"].records}
    assert said == SAID
    assert {record.image_id for record in data["all"].records} == (
        {40, 41, 42} if layout in ("coco", "karpathy") else set(SAID)
    )


def test_items(root):
    write_csv(root)
    train = Captions(root, "all", size=(20, 24))
    image = train[0]["image"]
    assert (image.shape, image.dtype) == ((3, 20, 24), torch.uint8)
    assert image[0, :, :8].float().mean() > 150 > 50 > image[0, :, -8:].float().mean()  # red is first, and on the left
    assert train[0]["tokens"][1] == ["the", "dog", "'s", "bowl", "red"]
    assert len(train.sentences()) == 5
    assert train[(1, 7)]["index"] == 1  # as the sampler of training asks
    with pytest.raises(IndexError):
        train[3]


@pytest.mark.slow
def test_flickr8k_as_published(real_data):
    folder = real_data / "flickr8k"
    if not folder.is_dir():
        pytest.skip(f"no Flickr8k in {real_data}")
    files = read_captions(folder)
    assert (files.layout, files.dataset) == ("flickr8k", "flickr8k")
    train, val = files.of("train"), files.of("val")
    assert (len(train), len(val)) == (6_000, 1_000)
    assert {len(record.captions) for record in (*train, *val)} == {5}
    assert not files.issues.found
    assert Captions(folder, "dev")[0]["image"].shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man, in red, isn't here.", "a man in red is n't here"),
        ("The dogs' bowl; the dog's T-shirt!", "the dogs bowl the dog 's t-shirt"),
        ("O’Neil can’t — at 5 p.m.", "o'neil ca n't at 5 p.m"),
        ("Café #2 (in Zürich) & co", "café 2 in zürich co"),
        ("A nai\u0308ve cafe\u0301 dog", "a naïve café dog"),  # marks by themselves
        ("Ａ ｄｏｇ！ the ﬁeld", "a dog the field"),  # full width, a ligature
        ("a zero\u200bwidth d\0og", "a zerowidth dog"),
        ("एक कुत्ता दौड़ता है", "एक कुत्ता दौड़ता है"),  # marks for which there is no letter
        ("a heart \u2764\ufe0f and x\u0302", "a heart and x\u0302"),
    ],
)
def test_words(caption, words):
    assert " ".join(tokenize(caption)) == words


MADE_USUAL = ("naïve", "dog ½", "it’s a café")


def test_odd_text_is_normalised_and_counted(root):
    said = ["One\u2028line", "two\nlines", "no\u00a0break", "zero\u200bwidth", "", " . ", "lost \ufffd", 5, "fine"]
    said += ["nai\u0308ve", "ｄｏｇ ½", "it’s a café"]
    images = [{"filename": "a.jpg", "split": "train", "sentences": [{"raw": text} for text in said]}]
    images.append({"filename": "b.jpg", "split": "train", "sentences": [{"raw": "\u200b"}]})
    (root / "dataset.json").write_text(json.dumps({"images": images}))
    files = read_captions(root)
    assert files.records[0].captions == (
        "One line",
        "two lines",
        "no break",
        "zerowidth",
        "lost \ufffd",
        "fine",
        *MADE_USUAL,
    )
    assert {kind: len(places) for kind, places in files.issues.found.items()} == {
        "caption of several lines, joined": 2,
        "odd white space, made a blank": 1,
        "invisible characters, removed": 2,
        "caption without words, left out": 3,
        "characters lost in an earlier conversion (U+FFFD)": 1,
        "letters in an unusual form (marks by themselves, full width), made usual ones": 2,
        "caption that is not text, left out": 1,
        "image without captions, left out": 1,
    }
    assert files.issues.found["invisible characters, removed"][0] == "dataset.json, images[0].sentences[3]"


def test_a_caption_may_hold_a_line_separator_in_text_files(root):
    write_flickr8k(root)
    token = root / "Flickr8k.token.txt"
    token.write_text(token.read_text().replace("A dog runs", "A dog\u2028runs\x85fast"))
    assert Captions(root, "train")[0]["captions"] == ["A dog runs fast .", "The dog's bowl, red"]
    assert [*read_captions(root).issues.found] == ["bad image name, left out", "caption of several lines, joined"]


def test_published_words_are_normalised_as_captions_are(root):
    tokens = ["a", "nai\u0308ve", "\u200b", "dog"]
    images = [{"filename": "a.jpg", "split": "train", "sentences": [{"raw": "A naïve dog", "tokens": tokens}]}]
    (root / "dataset.json").write_text(json.dumps({"images": images}))
    assert read_captions(root).records[0].tokens == (("a", "naïve", "dog"),)


def break_json(root: Path) -> None:
    write_karpathy(root)
    (root / "dataset_coco.json").write_text('{"images": [')


def nest_json(root: Path) -> None:
    (root / "dataset.json").write_text("[" * 100_000)


def drop_filename(root: Path) -> None:
    (root / "dataset.json").write_text(json.dumps({"images": [karpathy_entry("a.jpg"), {"split": "train"}]}))


def unknown_split(root: Path) -> None:
    (root / "dataset.json").write_text(json.dumps({"images": [karpathy_entry("a.jpg") | {"split": "trian"}]}))


def same_image_twice(root: Path) -> None:
    (root / "dataset.json").write_text(json.dumps({"images": [karpathy_entry("a.jpg")] * 2}))


def list_a_stranger(root: Path) -> None:
    write_csv(root)
    (root / "train.txt").write_text("a.jpg\n\nx.jpg\ny.jpg\n")


def list_twice(root: Path) -> None:
    write_csv(root)
    (root / "test.txt").write_text("a.jpg\n")


def drop_image(root: Path) -> None:
    write_flickr8k(root)
    (root / "Flickr_8k.trainImages.txt").write_text("c.jpg\na.jpg\n")
    (root / "Flickr_8k.testImages.txt").unlink()
    (root / "Flicker8k_Dataset" / "a.jpg").unlink()


def drop_images(root: Path) -> None:
    write_csv(root)
    (root / "Images" / "a.jpg").unlink()


def break_tab(root: Path) -> None:
    (root / "Flickr8k.token.txt").write_text("a.jpg#0\tA dog\na.jpg#1 A dog\n")


def unquoted_comma(root: Path) -> None:
    (root / "captions.txt").write_text("image,caption\na.jpg,A dog, running\n")


def unclosed_quote(root: Path) -> None:
    lines = ["image,caption", "a.jpg,fine", 'a.jpg,"A dog', "b.jpg,A cat", "b.jpg,A bird"]
    (root / "captions.txt").write_text("\n".join(lines) + "\n")


def endless_field(root: Path) -> None:
    (root / "captions.txt").write_text(f"image,caption\na.jpg,{'A dog ' * 30_000}\n")


def unclosed_quote_of_a_large_file(root: Path) -> None:
    (root / "captions.txt").write_text('image,caption\na.jpg,"A dog\n' + "b.jpg,A cat\n" * 20_000)


def quote_closed_by_another_image(root: Path) -> None:
    (root / "captions.txt").write_text('image,caption\na.jpg,"A dog\nb.jpg,A cat\nc.jpg,two"\n')


def quote_closed_too_early(root: Path) -> None:
    (root / "captions.txt").write_text('image,caption\na.jpg,"Dogs" run\n')


def karpathy_with(**wrong: Any) -> Any:
    def write(root: Path) -> None:
        (root / "dataset.json").write_text(json.dumps({"images": [karpathy_entry("a.jpg") | wrong]}))

    return write


def karpathy_with_tokens(tokens: Any) -> Any:
    return karpathy_with(sentences=[{"raw": "A dog"}, {"raw": "A dog", "tokens": tokens}])


def coco_with(**wrong: Any) -> Any:
    def write(root: Path) -> None:
        good = {"annotations": [{"image_id": 1, "caption": "A dog"}], "images": [{"id": 1, "file_name": "a.jpg"}]}
        (root / "captions_train2014.json").write_text(json.dumps(good | wrong))

    return write


def coco_image_twice(root: Path) -> None:
    coco_with(images=[{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}])(root)


def empty_filename(root: Path) -> None:
    (root / "images").mkdir()
    images = [karpathy_entry("a.jpg"), karpathy_entry("a.jpg") | {"filename": ""}]
    (root / "dataset.json").write_text(json.dumps({"images": images}))
    write_images(root / "images")


def no_header(root: Path) -> None:
    (root / "captions.csv").write_text("a.jpg,A dog\n")


def latin1(root: Path) -> None:
    (root / "captions.txt").write_bytes(b"image,caption\na.jpg,caf\xe9\n")


def two_files(root: Path) -> None:
    for name in ("dataset_a.json", "dataset_b.json"):
        (root / name).write_text("{}")


def no_lists(root: Path) -> None:
    write_csv(root)
    (root / "train.txt").unlink()
    (root / "val.txt").unlink()
    (root / "test.txt").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (break_json, r"dataset_coco.json is not JSON .*line 1"),
        (nest_json, r"dataset.json is not JSON .*it may be incomplete, fetch it again"),
        (drop_filename, r"dataset.json, images\[1\] has no 'filename'"),
        (unknown_split, r"images\[0\]: unknown split 'trian'; did you mean 'train'"),
        (coco_image_twice, r"images\[1\] is the image 1 of captions_train2014.json, images\[0\]"),
        (empty_filename, r"images\[1\] names .*images, where there is no file"),
        (same_image_twice, r"images\[1\] is the image 'a.jpg' of dataset.json, images\[0\]"),
        (
            list_a_stranger,
            r"train.txt, line 3 names 'x.jpg', which has no captions in .*captions.txt \(2 such entries\)",
        ),
        (list_twice, r"test.txt, line 1: 'a.jpg' is listed already in train.txt, line 1"),
        (drop_image, r"Flickr_8k.trainImages.txt, line 2 names .*a.jpg, where there is no file; `lstmzoo data check"),
        (
            drop_images,
            r"none of the 1 images of split 'train' is in .*Images; name their folder with image_dir=\.\.\.$",
        ),
        (break_tab, r"Flickr8k.token.txt, line 2 is not of the form"),
        (unquoted_comma, r"captions.txt, line 2 has 3 columns instead of 2; captions with commas must be quoted"),
        (unclosed_quote, r"captions.txt, line 3 to 5: a quote is not closed properly .*is written \"A \"\"quoted\"\" "),
        (endless_field, r"captions.txt, line 2 has a field of more than 131072 characters; shorten or remove it"),
        (unclosed_quote_of_a_large_file, r"captions.txt, line 2 to \d+: a quote is not closed properly"),
        (quote_closed_by_another_image, r"captions.txt, line 2 opens a quote that goes on over the lines of other im"),
        (quote_closed_too_early, r"captions.txt, line 2: a quote is not closed properly"),
        (lambda root: (root / "dataset.json").write_text('{"images": null}'), r"'images' must be a list, not null"),
        (karpathy_with(sentences=None), r"dataset.json, images\[0\]: 'sentences' must be a list, not null"),
        (karpathy_with(filename=None), r"images\[0\]: 'filename' must be a text, not null"),
        (karpathy_with(filepath=None), r"images\[0\]: 'filepath' must be a text, not null"),
        (karpathy_with(cocoid=[1]), r"images\[0\]: 'cocoid' must be a number or a text, not \[1\]"),
        (karpathy_with(sentences=[5]), r"images\[0\].sentences\[0\] has no 'raw': 5"),
        (karpathy_with_tokens(5), r"images\[0\].sentences\[1\]: 'tokens' is a list of words, not '5'"),
        (karpathy_with_tokens("a dog"), r"images\[0\].sentences\[1\]: 'tokens' is a list of words, not 'a dog'"),
        (karpathy_with_tokens(["a", 5]), r"images\[0\].sentences\[1\]: 'tokens' is a list of words"),
        (coco_with(annotations=None), r"captions_train2014.json: 'annotations' must be a list, not null"),
        (coco_with(images=[None]), r"captions_train2014.json, images\[0\] has no 'id': None"),
        (
            coco_with(annotations=[{"image_id": [1], "caption": "A dog"}]),
            r"annotations\[0\]: 'image_id' must be a number or a text, not \[1\]",
        ),
        (coco_with(images=[{"id": 1, "file_name": None}]), r"images\[0\]: 'file_name' must be a text, not null"),
        (
            coco_with(annotations=[{"image_id": "1", "caption": "A dog"}]),
            r"in split 'train'; it has \(none\); image without captions, left out: captions_train2014.json, "
            r"images\[0\]; `lstmzoo data check captions root=.*` lists",
        ),
        (coco_with(images=[]), r"it has \(none\); caption of an image that is not listed, left out: .*\(image 1\);"),
        (karpathy_with(sentences=[]), r"it has \(none\); image without captions, left out: dataset.json, images\[0\];"),
        (karpathy_with(split="val"), r"no image in split 'train'; it has val$"),
        (no_header, r"captions.csv must start with a line 'image,caption', not 'a.jpg,A dog'"),
        (latin1, r"captions.txt, line 2 is not UTF-8"),
        (two_files, r"dataset_a.json, .*dataset_b.json; name the one that is meant: data.root=FILE"),
        (no_lists, r"no image in split 'train'.*there is only split 'all'"),
        (lambda root: None, r"holds no captions: no dataset_\*.json .*`lstmzoo data prepare captions"),
        (lambda root: root.rmdir(), r"does not exist"),
    ],
)
def test_bad_files_are_named(root, spoil, message):
    spoil(root)
    with pytest.raises(DataError, match=message):
        Captions(root, "train")


@pytest.mark.parametrize("split", ["train", "trainval", "all"])
def test_a_listed_stranger_is_refused_wherever_its_split_is_part_of(root, split):
    list_a_stranger(root)
    with pytest.raises(DataError, match=r"train.txt, line 3.*'x.jpg'"):
        Captions(root, split)
    assert len(Captions(root, "val")) == 1


def test_an_image_that_does_not_decode_is_named(root):
    write_csv(root)
    (root / "Images" / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.jpg \(10 bytes\).*train\.txt, line 1; `lstmzoo data check"):
        Captions(root, "train")[0]


def test_wrong_choices(root):
    write_csv(root)
    for arguments, message in (
        ({"split": "tain"}, "unknown split 'tain'"),
        ({"layout": "coca"}, r"'coca'.*'coco'"),
    ):
        with pytest.raises(LstmzooError, match=message):
            Captions(root, **arguments)
    with pytest.raises(DataError, match=r"csv.*'coco'"):
        Captions(root, layout="coco")


def test_a_file_may_be_named_and_folders_elsewhere(root, tmp_path):
    write_csv(root)
    (root / "Images").rename(tmp_path / "elsewhere")
    (tmp_path / "lists").mkdir()
    (root / "train.txt").rename(tmp_path / "lists" / "train.txt")
    found = Captions(root / "captions.txt", "train", image_dir=tmp_path / "elsewhere", split_dir=tmp_path / "lists")
    assert found[0]["image_id"] == "a.jpg"


def test_vocabulary():
    sentences = [["a", "dog"], ["a", "cat"], ["a", "dog", "<unk>"], ["zebra"]]
    vocabulary = Vocabulary.build(sentences, min_count=2)
    assert vocabulary.words == [*SPECIALS, "a", "dog"]
    assert len({vocabulary.pad, vocabulary.bos, vocabulary.eos, vocabulary.unk}) == 4
    assert vocabulary.encode(["a", "zebra"]) == [1, 4, 3, 2]
    assert vocabulary.encode(["a", "dog", "a"], max_words=2) == [1, 4, 5]  # cut: it does not end here
    assert vocabulary.encode(["a", "<eos>", "<pad>", "dog"]) == [1, 4, 3, 3, 5, 2]  # written so by a person
    assert vocabulary.decode(torch.tensor([1, 4, 5, 2, 4, 0])) == "a dog"
    assert "dog" in vocabulary.words
    assert len(vocabulary) == 6


def test_vocabulary_travels_in_a_checkpoint(tmp_path):
    vocabulary = Vocabulary.build([["b", "a", "b"]], min_count=1)
    torch.save({"vocabulary": vocabulary.to_dict()}, tmp_path / "c.ckpt")
    again = Vocabulary.from_dict(torch.load(tmp_path / "c.ckpt", weights_only=True)["vocabulary"])
    assert again.words == vocabulary.words
    with pytest.raises(LstmzooError, match="<pad>"):
        Vocabulary.from_dict({"words": ["a"], "specials": ["<s>"]})
    with pytest.raises(LstmzooError, match=r"\['a'\]"):
        Vocabulary(["a", "a"])
    with pytest.raises(DataError, match="3 times"):
        Vocabulary.build([["a"]], min_count=3)
