"""Files of every kind that lstmzoo reads, changed at random and given to the command that reads them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tiny_captions
import tiny_davis
from PIL import Image

import tiny_data
from stress import samples, trial


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        name: what it is called in the table.
        share: its part of all inputs.
        seeds: makes a folder and returns the files in it of which each is changed in turn.
        command: the arguments that read a changed file.
        text: whether changes of lines and words are worth making, too.
    """

    name: str
    share: int
    seeds: Callable[[Path], list[Path]]
    command: Callable[[Path, Path], list[str]]
    text: bool = False


def changed(content: bytes, rng: random.Random, text: bool) -> bytes:
    """Change a file in one to three places."""
    for _ in range(rng.randint(1, 3)):
        content = rng.choice([*BYTES, *TEXTS] if text else BYTES)(content, rng)
    return content


def _flip(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return b"\x00"
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.randbytes(rng.randint(1, 40)) + content[at:]


def _blank(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    length = min(rng.randint(1, 64), len(content) - at)
    return content[:at] + rng.choice([b"\x00", b"\xff"]) * length + content[at + length :]


def _head(content: bytes, rng: random.Random) -> bytes:
    """Change one of the first bytes, where sizes stand."""
    at = rng.randrange(max(1, min(64, len(content))))
    return content[:at] + bytes([rng.choice([0, 1, 127, 128, 255])]) + content[at + 1 :]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(content) + 1), rng.randint(1, 200)
    return content[:at] + content[at : at + length] * rng.randint(2, 5) + content[at + length :]


def _word(content: bytes, rng: random.Random) -> bytes:
    """Put something in the place of a word."""
    words = content.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(ODD_WORDS)
    return b" ".join(words)


def _line(content: bytes, rng: random.Random) -> bytes:
    """Put something in the place of a line, or leave one out."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at : at + 1] = rng.choice([[], [lines[at]] * 2, [rng.choice(ODD_WORDS)], [lines[at] + rng.choice(ODD_WORDS)]])
    return b"\n".join(lines)


BYTES = [_flip, _cut, _insert, _blank, _head, _repeat]
TEXTS = [_word, _line]
ODD_WORDS = [
    *(
        b"",
        b"-1",
        b"0",
        b"nan",
        b"1e999",
        b"9" * 5001,
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"\x00",
        b"\xff\xfe",
        b"\xed\xa0\x80",
    ),
    *(b"../../../etc/passwd", b"/", b"~", b"a" * 300, b"[" * 3000, b'{"a":' * 3000, b"${oc.env:HOME}", b"${nope:1}"),
    *(b"!!python/object/apply:os.system [id]", b"&a [*a]", b"[/x]", b"\x1b[31m", "é".encode("latin-1"), "…".encode()),
]


def _videos(folder: Path) -> list[Path]:
    files = []
    for name, codec in (("xvid.avi", "XVID"), ("mjpg.avi", "MJPG"), ("v.mp4", "mp4v"), ("v.mkv", "XVID")):
        writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter.fourcc(*codec), 25, (96, 48))
        for number in range(12):
            writer.write(tiny_data.numbered_frame(number))
        writer.release()
        files.append(folder / name)
    samples.action_checkpoint(folder / "a.ckpt")
    return files


def _images(folder: Path) -> list[Path]:
    samples.caption_checkpoint(folder / "c.ckpt")
    image = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    files = [folder / f"image{suffix}" for suffix in (".jpg", ".webp", ".bmp", ".png", ".gif", ".tif")]
    for file in files:
        Image.fromarray(image).save(file)
    return files


def _masks(folder: Path) -> list[Path]:
    tiny_davis.write_davis(folder / "d", {"train": ["a"], "val": ["b"]}, frames=3)
    return [folder / "d" / "Annotations" / "480p" / "a" / "00001.png"]


def _davis_lists(folder: Path) -> list[Path]:
    files = []
    for year in (2016, 2017):
        tiny_davis.write_davis(folder / str(year), {"train": ["a"], "val": ["b"]}, frames=3, year=year)
        files += sorted((folder / str(year) / "ImageSets").rglob("train.txt"))
    return files


def _csv(folder: Path) -> list[Path]:
    root = tiny_captions.write_captions(folder / "csv", 6)
    return [root / "captions.txt", root / "train.txt"]


def _json(folder: Path) -> list[Path]:
    root = tiny_captions.write_captions(folder / "json", 6)
    images = []
    for number in range(6):
        sentences = [{"raw": "a red field", "tokens": ["a", "red", "field"], "sentid": number, "imgid": number}]
        images.append(
            {
                "filename": f"{number:02d}.png",
                "imgid": number,
                "split": "train",
                "sentids": [number],
                "sentences": sentences,
            }
        )
    (root / "dataset.json").write_text(json.dumps({"dataset": "mine", "images": images}))
    (root / "captions.txt").unlink()
    return [root / "dataset.json"]


def _results(folder: Path) -> list[Path]:
    tiny_captions.write_captions(folder / "csv", 6)  # of which the first four are for training
    file = folder / "results.json"
    file.write_text(json.dumps([{"image_id": f"{n:02d}.png", "caption": "a red field"} for n in range(4)]))
    return [file]


def _kth_list(folder: Path) -> list[Path]:
    names = {f"person{person:02d}_boxing_d1": [(1, 10), (11, 20)] for person in (1, 2)}
    return [tiny_data.write_kth(folder / "kth", names) / "00sequences.txt"]


def _folder_lists(folder: Path) -> list[Path]:
    for name in ("run", "sit"):
        for number in range(4):
            tiny_data.write_video(folder / "own" / name / f"{name}_{number}.avi", 8)
    lists = folder / "lists"
    lists.mkdir()
    for split, numbers in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
        lines = [f"{name}/{name}_{number}.avi" for name in ("run", "sit") for number in numbers]
        (lists / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return [lists / "train.txt"]


def _run_file(name: str) -> Callable[[Path], list[Path]]:
    def seeds(folder: Path) -> list[Path]:
        return [samples.finished_run(folder) / name]

    return seeds


def _overrides(folder: Path) -> list[Path]:
    file = folder / "override"
    file.write_text("model.cell=gru\ntask.lr=1e-3\ndata.size=[32,32]\nmodel=action_rnn\ntrainer.max_epochs=1")
    return [file]


def _as_words(file: Path, folder: Path) -> list[str]:
    words = file.read_bytes().replace(b"\x00", b"").decode("utf-8", "surrogateescape").split("\n")
    return ["train", "--cfg", "job", *(word for word in words if not word.startswith("-"))]


TARGETS = [
    Target(
        "video (AVI XVID and MJPG, MP4, MKV)",
        195,
        _videos,
        lambda file, folder: ["predict", f"ckpt_path={folder}/a.ckpt", f"input={file}", f"output={folder}/out"],
    ),
    Target("mask PNG", 195, _masks, lambda file, folder: ["data", "check", "davis", f"root={folder}/d"]),
    Target(
        "image (JPEG, WebP, BMP, PNG, GIF, TIFF)",
        150,
        _images,
        lambda file, folder: ["predict", f"ckpt_path={folder}/c.ckpt", f"input={file}", f"output={folder}/out"],
    ),
    Target(
        "captions JSON",
        162,
        _json,
        lambda file, folder: ["data", "check", "captions", f"root={folder}/json"],
        text=True,
    ),
    Target(
        "results JSON",
        45,
        _results,
        lambda file, folder: ["eval", f"results={file}", "data=captions", f"data.root={folder}/csv", "split=train"],
        text=True,
    ),
    Target(
        "captions csv and lists",
        108,
        _csv,
        lambda file, folder: ["data", "check", "captions", f"root={folder}/csv"],
        text=True,
    ),
    Target(
        "00sequences.txt",
        117,
        _kth_list,
        lambda file, folder: ["data", "check", "kth", f"root={folder}/kth"],
        text=True,
    ),
    Target(
        "ImageSets of 2016 and 2017",
        117,
        _davis_lists,
        lambda file, folder: ["data", "check", "davis", f"root={folder}/{'2016' if '/2016/' in str(file) else '2017'}"],
        text=True,
    ),
    Target(
        "lists of video_folder",
        54,
        _folder_lists,
        lambda file, folder: [
            *("train", "experiment=video_folder", f"data.root={folder}/own", f"data.split_dir={folder}/lists"),
            *("trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "trainer.max_epochs=1"),
            *("model.hidden_size=4", "model.feature_size=4", "data.size=[32,32]", "data.num_workers=0"),
            *(f"data.cache_dir={folder}/cache", "test_after_fit=false", f"hydra.run.dir={folder}/fuzzed_run"),
        ],
        text=True,
    ),
    Target(
        "config.yaml of a run (resume)",
        72,
        _run_file("config.yaml"),
        lambda file, folder: ["train", f"resume={folder}/run"],
        text=True,
    ),
    Target(
        "metrics.csv of a run (resume)",
        36,
        _run_file("metrics.csv"),
        lambda file, folder: ["train", f"resume={folder}/run"],
        text=True,
    ),
    Target("overrides of train", 132, _overrides, _as_words, text=True),
]
TOTAL = sum(target.share for target in TARGETS)


def outcomes(target: Target, folder: Path, count: int, seed: int = 0) -> Iterator[tuple[str, trial.Outcome]]:
    """Change files of a kind and give each to its command.

    Args:
        target: the kind.
        folder: an empty folder to work in.
        count: how many inputs.
        seed: every seed gives other inputs.

    Yields:
        What no command may do (empty where it did nothing of the kind), and what became of the command.
    """
    pristine, work = folder / "pristine", folder / "work"
    pristine.mkdir(parents=True)
    seeds = target.seeds(pristine)
    for file in seeds:
        unchanged = trial.run(target.command(file, pristine), pristine)
        assert unchanged.kind == "read", unchanged.text
    rng = random.Random(f"{seed} {target.name}")
    for number in range(count):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(pristine, work)
        file = work / seeds[number % len(seeds)].relative_to(pristine)
        file.write_bytes(changed(file.read_bytes(), rng, target.text))
        outcome = trial.run(target.command(file, work), work)
        yield "; ".join(outcome.faults), outcome
