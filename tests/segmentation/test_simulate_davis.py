"""The simulated DAVIS: the real layouts, repeatable, beyond a network without memory, clear to who has watched."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from lstmzoo.cli import main
from lstmzoo.data import DAVIS
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.segmentation.data import simulator
from lstmzoo.segmentation.data.davis import SimulatedDAVIS
from lstmzoo.segmentation.data.label_folder import LabelFolder
from lstmzoo.segmentation.data.masks import davis_palette
from lstmzoo.segmentation.data.simulator import read_occlusions
from lstmzoo.segmentation.datamodule import SegmentationDataModule
from lstmzoo.synthetic.davis_course import MARKED_FRAMES, Course, write_course
from lstmzoo.synthetic.davis_paint import CLASSES, paint

SMALL: dict[str, Any] = {"train": 4, "val": 1, "test": 1, "frames": 30}
SIZE = (96, 160)


def simulate_davis(root: Path, **options: Any) -> Path:
    simulator.simulate_davis(root, **{"size": SIZE, "seed": 0, **options})
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_davis(tmp_path_factory.mktemp("data") / "davis", **SMALL)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def course(seed: int, *, frames: int = 40, occluded: bool = True) -> Course:
    return write_course(SIZE, frames, np.random.default_rng(seed), occluded=occluded)


# -- Files --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_both_years_read_it(root):
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        several, one = DAVIS(root, split), DAVIS(root, split, year=2016)
        assert (several.year, one.year, len(several)) == (2017, 2016, count)
        assert several.sequences == one.sequences
        assert (one.binary, several.binary) == (True, False)
    item = DAVIS(root, "val")[0]
    assert item["video"].shape == (30, 3, *SIZE)
    assert item["annotated"].all()


def test_masks_have_the_palette_and_lists_the_published_form(root):
    with Image.open(root / "Annotations" / "480p" / "val-000" / "00000.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.array(image.getpalette()).reshape(-1, 3), davis_palette())
    lines = (root / "ImageSets" / "480p" / "val.txt").read_text().splitlines()
    assert lines[3] == "/JPEGImages/480p/val-000/00003.jpg /Annotations/480p/val-000/00003.png"
    assert len(lines) == 30
    assert (root / "ImageSets" / "2017" / "train.txt").read_text() == "train-000\ntrain-001\ntrain-002\ntrain-003\n"


def test_classes_of_every_pixel_are_those_of_the_same_frames(root, tmp_path, capsys):
    """Shapes of a look are of a class, objects and distractors alike; where bars pass, it is theirs."""
    command = ["data", "simulate", "davis", f"root={tmp_path / 'set'}", "classes=true", "train=4", "val=1", "test=1"]
    assert main([*command, "frames=30", "size=96,160"]) == 0
    assert f"data check label_folder root={tmp_path / 'set'}" in capsys.readouterr().out
    distractors = 0
    for labelled, masked in zip(LabelFolder(tmp_path / "set", "train"), DAVIS(root, "train"), strict=True):
        np.testing.assert_array_equal(labelled["video"], masked["video"])
        classes, ids = labelled["masks"].numpy(), masked["masks"].numpy()
        assert (classes < len(CLASSES)).all()
        looks = [np.unique(classes[ids == number]) for number in range(1, ids.max() + 1)]
        assert [len(look) for look in looks] == [1] * len(looks), "an object does not change its class"
        assert {0, 6} & set(np.concatenate(looks)) == set(), "objects are neither ground nor bars"
        shapes = (classes > 0) & (classes < 6)
        assert set(np.unique(classes[shapes])) == set(np.concatenate(looks)), "distractors look like the objects"
        distractors += (shapes & (ids == 0)).sum()
    assert distractors > 1000
    bars = [(item["masks"] == 6).any().item() for item in LabelFolder(tmp_path / "set", "train")]
    assert bars == [True, True, True, False]  # one of four has none


def test_classes_are_of_shapes_and_of_a_folder_of_their_own(root, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "photograph.png")
    with pytest.raises(LstmzooError, match=r"classes.*backgrounds"):
        DAVIS.simulate(tmp_path / "set", backgrounds=tmp_path, classes=True)
    assert not (tmp_path / "set").exists()
    with pytest.raises(DataError, match=re.escape(str(root))):
        DAVIS.simulate(root, **SMALL, size=SIZE, classes=True)


def test_occlusions_say_when_objects_are_hidden(root):
    occlusions = read_occlusions(root)
    assert set(occlusions) == {f"train-00{n}" for n in range(4)} | {"val-000", "test-000"}
    assert occlusions["train-003"]["during"] == occlusions["train-003"]["after"] == []  # one of four has no bars
    for name, told in occlusions.items():
        masks = next(item for item in DAVIS(root, name.split("-")[0]) if item["name"] == name)["masks"].numpy()
        areas = np.stack([(masks == int(k)).sum(axis=(1, 2)) for k in told["visible"]], axis=1)  # (T, K)
        shares = np.array(list(told["visible"].values())).T
        np.testing.assert_allclose(shares, areas / areas[0], atol=0.3)  # things are whole at first, and turn
        assert ((shares == 0) == (areas == 0)).all()
        assert told["marked"] == [0, 1, 2, 3, 4]
        assert (shares[:MARKED_FRAMES] == 1).all()
        assert told["during"] == [t for t in range(30) if min(shares[t]) < 0.5]
        gone = [t for t in range(30) if min(shares[t]) < 0.05]
        assert told["after"] == [t for t in range(30) if gone and t > gone[0] and min(shares[t]) >= 0.5]
    assert sum(len(told["after"]) for told in occlusions.values()) > 20
    assert read_occlusions(root / "nowhere") == {}


@pytest.mark.slow
def test_a_second_call_completes_and_extends(root, tmp_path, monkeypatch):
    whole = files(root)

    def stops_in_third(made: Course, rng: np.random.Generator) -> Any:
        for number, painting in enumerate(paint(made, rng)):
            if len(list(tmp_path.glob("davis/JPEGImages/480p/*"))) == 2 and number == 5:
                raise KeyboardInterrupt
            yield painting

    monkeypatch.setattr(simulator, "paint", stops_in_third)
    with pytest.raises(KeyboardInterrupt):
        simulate_davis(tmp_path / "davis", **SMALL)
    monkeypatch.undo()
    left = files(tmp_path / "davis")
    assert {name.split("/")[2] for name in left if name.startswith("JPEG")} == {"train-000", "train-001"}
    assert not (tmp_path / "davis" / ".partial").exists()
    simulate_davis(tmp_path / "davis", **SMALL)
    assert files(tmp_path / "davis") == whole
    simulate_davis(tmp_path / "davis", **{**SMALL, "val": 2, "test": 0})  # asks for more, and for less: nothing is lost
    more = files(tmp_path / "davis")
    assert {name: more[name] for name in whole if "val.txt" not in name and name != "occlusions.json"}.items() <= (
        whole.items()
    )
    assert (tmp_path / "davis" / "ImageSets" / "2017" / "val.txt").read_text().split() == ["val-000", "val-001"]
    assert len(read_occlusions(tmp_path / "davis")) == 7


def test_a_complete_set_may_be_read_only(root, monkeypatch):
    def locked(*args: Any) -> None:
        raise PermissionError(13, "Permission denied", args[0])

    before = files(root)
    monkeypatch.setattr(simulator, "FileLock", locked)
    monkeypatch.setattr(simulator, "write_atomically", locked)
    assert simulate_davis(root, **SMALL) == root
    assert files(root) == before
    with pytest.raises(PermissionError):
        simulate_davis(root, **{**SMALL, "train": 5})


WANTED: dict[str, Any] = {
    "train_sequences": 1,
    "val_sequences": 1,
    "test_sequences": 1,
    "simulated_frames": 30,
    "simulated_size": [96, 160],
    "simulation_seed": 0,
}


@pytest.mark.parametrize("other", [{"simulated_frames": 31}, {"simulated_size": [96, 170]}, {"simulation_seed": 1}])
def test_training_says_how_to_take_a_set_as_it_is(root, other):
    data = SegmentationDataModule(SimulatedDAVIS, root, simulate=True, **{**WANTED, **other})
    ((name, value),) = other.items()
    for look in (data.prepare_data, lambda: data.check(test=True)):
        with pytest.raises(DataError) as error:
            look()
        for part in (f"data.{name}={value}", "data=davis", "data.test_list=test", f"data.root={root}"):
            assert part in str(error.value)
    SegmentationDataModule(SimulatedDAVIS, root, test_list="test", num_workers=0).check(test=True)


@pytest.mark.parametrize(
    "wrong", [{"simulated_frames": 9}, {"train_sequences": -1}, {"simulated_size": [9, 9]}, {"simulation_seed": None}]
)
def test_training_names_numbers_by_their_keys(tmp_path, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(LstmzooError, match=re.escape(f"data.{name}={value}")):
        SimulatedDAVIS.simulate_missing(tmp_path / "new", **{**WANTED, **wrong})
    assert not (tmp_path / "new").exists()


def test_other_folders_are_refused(root, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=rf"{tmp_path} .*DAVIS"):
        simulate_davis(tmp_path, **SMALL)
    assert files(tmp_path) == {"thesis.txt": b"years of work"}
    for other in ({"seed": 1}, {"frames": 31}, {"size": (96, 170)}):
        with pytest.raises(DataError, match=rf"{root} .*'seed'.*'seed'"):
            simulate_davis(root, **{**SMALL, **other})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": -1}, "^train=-1 .* 0 or more$"),
        ({"train": None}, "^train=None .* 0 or more$"),
        ({"train": 0, "val": 0, "test": 0}, "train=0, val=0, test=0"),
        ({"seed": -1}, "seed=-1"),
        ({"frames": 9}, "^frames=9 .* 10 or more$"),
        ({"frames": "many"}, "^frames=many "),
        ({"size": (20, 160)}, r"^size=\(20, 160\).* 48 or more$"),
        ({"size": (96,)}, r"size=\(96,\)"),
        ({"size": None}, "size=None"),
    ],
)
def test_options_out_of_range_are_named(tmp_path, options, message):
    with pytest.raises(LstmzooError, match=message):
        simulate_davis(tmp_path / "davis", **{**SMALL, **options})
    assert not (tmp_path / "davis").exists()


# -- Only history tells --------------------------------------------------------------------------------------------


def swap(made: Course) -> Course:
    """The same course, in which another thing of every kind is the object."""
    number = np.zeros_like(made.number)
    for kind in range(made.kind.max() + 1):
        doubles = np.flatnonzero((made.kind == kind) & (made.number == 0))
        number[doubles[0]] = kind + 1
    return replace(made, number=number)


@pytest.mark.parametrize("seed", range(4))
def test_once_the_badges_are_gone_no_frame_tells_objects_from_doubles(seed):
    """The frames are the same, to the last bit, whichever things are the objects; the truth is not."""
    made = course(seed)
    one, other = (list(paint(each, np.random.default_rng(9))) for each in (made, swap(made)))
    for t, (a, b) in enumerate(zip(one, other, strict=True)):
        same = np.array_equal(a.frame, b.frame)
        assert same == (t >= MARKED_FRAMES)
    differ = [t for t in range(MARKED_FRAMES, 40) if not np.array_equal(one[t].ids > 0, other[t].ids > 0)]
    assert len(differ) > 25


def silhouettes(made: Course) -> list[np.ndarray]:
    """What is seen of all things, (T) of (H, W): those of one kind under one number, as their looks tell."""
    frames = []
    every = replace(made, number=np.arange(1, len(made.kind) + 1))
    for painting in paint(every, np.random.default_rng(9)):
        frames.append(np.concatenate([[0], made.kind + 1])[painting.ids])
    return frames


@pytest.mark.slow
def test_who_watches_can_follow_the_objects():
    """The follower knows the first mask and the looks: it takes the blob of the kind nearest to the last place."""
    right, asked = 0, 0
    for seed in range(12):
        made = course(seed)
        truth = [painting.ids for painting in paint(made, np.random.default_rng(9))]
        place = {k: np.argwhere(truth[0] == k).mean(axis=0) for k in range(1, made.number.max() + 1)}
        kind = {k: int(made.kind[made.number == k][0]) + 1 for k in place}
        lost = dict.fromkeys(place, 0)
        for t, looks in enumerate(silhouettes(made)):
            for k in place:
                _, labels, stats, centres = cv2.connectedComponentsWithStats((looks == kind[k]).astype(np.uint8))
                blobs = [i for i in range(1, len(stats)) if stats[i, cv2.CC_STAT_AREA] > 40]
                apart = {i: float(np.hypot(*(centres[i][::-1] - place[k]))) for i in blobs}
                best = min(apart, key=apart.__getitem__, default=0)
                if not best or apart[best] > 8 + lost[k]:
                    lost[k] += 1
                    continue
                lost[k], place[k] = 0, centres[best][::-1]
                if (truth[t] == k).sum() > 100:
                    asked += 1
                    right += bool((truth[t][labels == best] == k).mean() > 0.5)
    assert asked > 400
    assert right / asked > 0.95


def test_objects_and_doubles_keep_the_same_rules():
    """Speed, place and time behind bars do not give the objects away."""
    speed, place, hidden = [], [], []
    for seed in range(60):
        made = course(seed)
        objects = made.number > 0
        steps = np.hypot(*np.diff(made.centre, axis=0).T).mean(axis=1)  # (N,)
        bar = np.stack(
            [np.abs(made.centre[..., 1 - one.axis] - one.centre[:, None]) < one.width / 2 for one in made.bars]
        )
        away = np.hypot(*(made.centre - (80, 48)).T).mean(axis=1)
        for found, numbers in ((speed, steps), (place, away), (hidden, bar.any(axis=0).mean(axis=0))):
            found.append((numbers[objects].mean(), numbers[~objects].mean()))
    for numbers in map(np.array, (speed, place, hidden)):
        difference = numbers[:, 0] - numbers[:, 1]
        assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(len(numbers))


def test_things_keep_apart_and_in_the_picture():
    for seed in range(30):
        made = course(seed, frames=80)
        low, high = made.centre.min(axis=(0, 1)), made.centre.max(axis=(0, 1))
        assert (low > 4).all()
        assert (high < (156, 92)).all()
        apart = np.hypot(*(made.centre[:, :, None] - made.centre[:, None]).transpose(3, 0, 1, 2))
        nearest = apart[:, ~np.eye(len(made.kind), dtype=bool)].min()
        assert nearest > 12, seed
        assert np.hypot(*np.diff(made.centre, axis=0).T).max() < 1.5


def test_bars_come_after_the_badges_and_hide_every_thing_wholly():
    hidden, things = 0, 0
    for seed in range(30):
        made = course(seed, frames=45)
        edge = made.radius[None] + 1
        covered = np.zeros(made.centre.shape[:2], bool)
        for bar in made.bars:
            apart = np.abs(made.centre[..., 1 - bar.axis] - bar.centre[:, None])
            assert (apart - bar.width / 2 > made.radius)[: MARKED_FRAMES + 1].all()
            covered |= apart < bar.width / 2 - edge
        hidden, things = hidden + covered.any(axis=0).sum(), things + len(made.kind)
    assert hidden / things > 0.95


def test_the_background_moves():
    made = course(3, occluded=False)
    pictures = [painting.frame.astype(float) for painting in paint(made, np.random.default_rng(9))]
    corner = [picture[:10, :10] for picture in pictures]
    assert np.mean([np.abs(a - b).mean() for a, b in pairwise(corner)]) > 4  # the noise alone gives 3.4
    assert np.abs(pictures[0] - pictures[-1]).mean() > 12


def test_other_sizes(tmp_path):
    root = simulate_davis(tmp_path / "d", train=1, val=0, test=0, frames=10, size=(144, 200))
    item = DAVIS(root, "train")[0]
    assert item["video"].shape == (10, 3, 144, 200)
    assert (item["masks"][0] > 0).float().mean() > 0.008
