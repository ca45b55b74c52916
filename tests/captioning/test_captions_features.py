"""Cached features: the encoder's own, computed once, whatever interrupts."""

from __future__ import annotations

import os
import pickle
import resource
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_captions import write_captions
from torch.nn import functional as F

from lstmzoo.captioning.data.features import FeatureCache, UnreadableImages
from lstmzoo.captioning.data.square_images import read_image
from lstmzoo.data import Captions
from lstmzoo.errors import DataError
from lstmzoo.io.progress import without_progress


class Pool:
    """Means over 4 × 4 fields of each colour: features that one can work out by hand."""

    image_size = 16

    def __init__(self, key: str = "pool v1", fail_at: int | None = None) -> None:
        self.key, self.fail_at = key, fail_at
        self.seen = 0

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        if self.fail_at is not None and self.seen >= self.fail_at:
            raise KeyboardInterrupt
        self.seen += len(images)
        return F.avg_pool2d(images.float() / 255, 4).flatten(2).transpose(1, 2)  # (B, 16, 3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_captions(tmp_path / "set", images=10)


@pytest.fixture
def paths(root: Path) -> list[Path]:
    return sorted((root / "Images").iterdir())


def expected(path: Path) -> np.ndarray:
    image = read_image(path, (16, 16)).astype(np.float64) / 255
    return image.reshape(3, 4, 4, 4, 4).mean(axis=(2, 4)).reshape(3, 16).T


def build(folder: Path, paths: list[Path], encoder: Pool, batch_size: int = 3) -> FeatureCache:
    return FeatureCache(folder, paths, encoder).build(encoder, batch_size=batch_size)


def test_features_are_the_encoders(tmp_path, paths):
    cache = build(tmp_path / "cache", paths, Pool())
    for number, path in enumerate(paths):
        grid = cache.grid(number)
        assert (grid.dtype, grid.shape) == (np.float16, (16, 3))
        np.testing.assert_allclose(grid, expected(path), atol=1e-3)


def test_data_set_gives_features_in_place_of_images(root):
    encoder = Pool()
    data = Captions(root, "train")
    data.use_features(encoder)
    item = data[1]
    assert "image" not in item
    np.testing.assert_allclose(item["grid"], expected(data.records[1].path), atol=1e-3)
    assert encoder.seen == len(data)
    again = Captions(root, "train")
    again.use_features(encoder)
    assert encoder.seen == len(data)  # computed once
    assert torch.equal(again[1]["grid"], item["grid"])
    assert (root / ".lstmzoo_cache").is_dir()


def test_features_of_mirrored_images_are_kept_beside_the_others(root):
    encoder = Pool()
    data = Captions(root, "train")
    data.use_features(encoder, mirrored=True)
    assert encoder.seen == 2 * len(data)
    places = np.arange(16).reshape(4, 4)[:, ::-1].ravel()  # the cells of the grid, row by row
    for number, record in enumerate(data.records):
        mirrored = data.image(number, mirrored=True)
        np.testing.assert_allclose(data.image(number)["grid"], expected(record.path), atol=1e-3)
        np.testing.assert_allclose(mirrored["grid"], expected(record.path)[places], atol=1e-3)
    Captions(root, "train").use_features(encoder, mirrored=True)
    assert encoder.seen == 2 * len(data)  # computed once


def test_an_interrupted_run_goes_on(tmp_path, paths):
    folder = tmp_path / "cache"
    with pytest.raises(KeyboardInterrupt):
        build(folder, paths, Pool(fail_at=5))  # stops after two batches of three
    assert not list(folder.rglob("*.npy"))  # nothing that looks finished
    second = Pool()
    cache = build(folder, paths, second)
    assert second.seen == len(paths) - 6
    for number, path in enumerate(paths):
        np.testing.assert_allclose(cache.grid(number), expected(path), atol=1e-3)
    assert sorted(file.suffix for file in folder.rglob("*.*") if file.is_file()) == [".lock", ".npy"]


def test_a_full_disk_is_told_and_nothing_computed_is_lost(tmp_path, paths):
    """A file that cannot grow stands for the disk. Memory maps with holes ended the process by a signal."""
    folder = tmp_path / "cache"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    rows = build(tmp_path / "probe", paths[:1], Pool()).grid(0).nbytes
    resource.setrlimit(resource.RLIMIT_FSIZE, (128 + 7 * rows, hard))  # two batches of three
    try:
        with without_progress(), pytest.raises(DataError, match="cache_dir="):  # stderr is a file here, too
            build(folder, paths, Pool())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(folder.rglob("*.npy"))
    encoder = Pool()
    cache = build(folder, paths, encoder)
    assert encoder.seen == len(paths) - 6
    for number, path in enumerate(paths):
        np.testing.assert_allclose(cache.grid(number), expected(path), atol=1e-3)


def test_a_run_interrupted_before_the_last_rename_is_finished(tmp_path, paths, monkeypatch):
    rename = os.replace

    def interrupted(source: Path, target: Path) -> None:
        if target.name.endswith(".grid.npy"):
            raise KeyboardInterrupt
        rename(source, target)

    folder = tmp_path / "cache"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(folder, paths, Pool())
    encoder = Pool()
    cache = build(folder, paths, encoder)
    assert encoder.seen == 0
    for number, path in enumerate(paths):
        np.testing.assert_allclose(cache.grid(number), expected(path), atol=1e-3)
    assert sorted(file.suffix for file in folder.rglob("*.*") if file.is_file()) == [".lock", ".npy"]


@pytest.mark.parametrize("spoil", ["journal", "partial"])
def test_what_an_interruption_spoilt_is_computed_anew(tmp_path, paths, spoil):
    folder = tmp_path / "cache"
    with pytest.raises(KeyboardInterrupt):
        build(folder, paths, Pool(fail_at=5))
    if spoil == "journal":
        next(folder.rglob("*.done")).write_text("")
    else:
        next(folder.rglob("*.grid.partial")).unlink()
    encoder = Pool()
    cache = build(folder, paths, encoder)
    assert encoder.seen == len(paths)
    np.testing.assert_allclose(cache.grid(0), expected(paths[0]), atol=1e-3)


def test_two_runs_at_once_compute_once(tmp_path, paths):
    encoders = [Pool(), Pool()]
    threads = [threading.Thread(target=build, args=(tmp_path / "cache", paths, encoder)) for encoder in encoders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(encoder.seen for encoder in encoders) == [0, len(paths)]


def test_another_encoder_or_picture_is_computed_anew(tmp_path, paths):
    folder = tmp_path / "cache"
    build(folder, paths, Pool())
    other = Pool("pool v2")
    build(folder, paths, other)
    assert other.seen == len(paths)
    paths[0].write_bytes(paths[2].read_bytes())
    changed = Pool()
    cache = build(folder, paths, changed)
    assert changed.seen == len(paths)
    np.testing.assert_allclose(cache.grid(0), expected(paths[2]), atol=1e-3)


def test_a_copy_elsewhere_needs_no_new_features(root, tmp_path):
    Captions(root, "all").use_features(Pool())
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copy)  # with other times of change
    shutil.rmtree(root)
    encoder = Pool()
    data = Captions(tmp_path / "copy", "all")
    data.use_features(encoder)
    assert encoder.seen == 0
    np.testing.assert_allclose(data[2]["grid"], expected(data.records[2].path), atol=1e-3)


def test_a_changed_picture_is_noticed_whatever_its_size_and_time(tmp_path, paths):
    first, other = (paths[number].read_bytes() for number in (0, 2))
    size = max(len(first), len(other))
    paths[0].write_bytes(first.ljust(size, b"\0"))
    before = paths[0].stat()
    build(tmp_path / "cache", paths, Pool())
    paths[0].write_bytes(other.ljust(size, b"\0"))
    os.utime(paths[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    cache = build(tmp_path / "cache", paths, Pool())
    np.testing.assert_allclose(cache.grid(0), expected(paths[2]), atol=1e-3)


def test_a_change_anywhere_in_an_uncompressed_picture_is_noticed(tmp_path):
    pixels, path = np.zeros((64, 64, 3), np.uint8), tmp_path / "x.bmp"
    cv2.imwrite(str(path), pixels)
    build(tmp_path / "cache", [path], Pool())
    pixels[16:18, 16:18] = 255  # neither at the beginning, nor in the middle, nor at the end
    cv2.imwrite(str(path), pixels)
    cache = build(tmp_path / "cache", [path], Pool())
    np.testing.assert_allclose(cache.grid(0), expected(path), atol=1e-3)
    assert cache.grid(0).any()


def test_pictures_of_one_name_in_two_folders_are_two(tmp_path, paths):
    for folder, path in (("a", paths[0]), ("b", paths[2])):
        (tmp_path / folder).mkdir()
        shutil.copy(path, tmp_path / folder / "x.png")
    cache = build(tmp_path / "cache", [tmp_path / "b" / "x.png", tmp_path / "a" / "x.png"], Pool())
    np.testing.assert_allclose(cache.grid(0), expected(paths[2]), atol=1e-3)
    cache = build(tmp_path / "cache", [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"], Pool())
    np.testing.assert_allclose(cache.grid(0), expected(paths[0]), atol=1e-3)


def test_all_undecodable_pictures_are_named_at_once(root, paths):
    for number in (4, 7):
        paths[number].write_bytes(b"no picture")
    with pytest.raises(UnreadableImages, match=rf"{paths[4].name}.* 1 more") as error:
        build(root / "cache", paths, Pool())
    assert list(error.value.errors) == [4, 7]
    place = rf"it is named in val.txt, line 1 \(2 such entries\); `lstmzoo data check captions root={root}`"
    with pytest.raises(DataError, match=rf"{paths[4].name}.*; {place}"):
        Captions(root, "all").use_features(Pool())


def test_damaged_and_missing_caches_are_named(tmp_path, paths):
    cache = build(tmp_path / "cache", paths, Pool())
    cache.grid_file.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"grid\.npy.*delete"):
        cache.grid(0)
    cache.grid_file.unlink()
    with pytest.raises(DataError, match=r"grid\.npy"):
        cache.grid(0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cache_dir="):
        build(tmp_path / "file", paths, Pool())


def test_workers_get_no_copies(tmp_path, paths):
    cache = build(tmp_path / "cache", paths, Pool())
    cache.grid(0)
    assert len(pickle.dumps(cache)) < 5000
    assert np.array_equal(pickle.loads(pickle.dumps(cache)).grid(1), cache.grid(1))
