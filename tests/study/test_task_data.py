"""The simulators' options gap, occlusion and agreement: the cue lies D steps back, and nothing after it tells."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lstmzoo.actions.data.kth_simulated import SimulatedKTH
from lstmzoo.actions.data.kth_simulator import simulate_kth
from lstmzoo.captioning.data.captions_simulated import SimulatedCaptions
from lstmzoo.captioning.data.captions_simulator import CAPTIONS_FILE, exact_match, simulate_captions
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.segmentation.data.davis import SimulatedDAVIS
from lstmzoo.segmentation.data.simulator import read_occlusions, simulate_davis
from lstmzoo.synthetic.agreement import AROUND, SPEAKERS
from lstmzoo.synthetic.davis_course import CURTAIN, MARKED_FRAMES, write_course
from lstmzoo.synthetic.davis_paint import paint
from lstmzoo.synthetic.person_video import shoot

D = 6

# -- Recognition: the figure has left ---------------------------------------------------------------------------------


def test_the_empty_scene_is_the_same_whatever_the_action_was():
    gaits = ("walking", "jogging", "running")
    films = [np.stack([*shoot(1, action, 1, 0, 100)]).astype(float) for action in gaits]
    empty = [film[-100:] for film in films]
    sensor = empty[0].std(0).mean()  # grey values of noise, which differs in every frame
    for one in empty[1:]:
        assert np.abs(one.mean(0) - empty[0].mean(0)).mean() < 3 * sensor / 10  # of the means of 100 frames
        assert one.std(0).mean() == pytest.approx(sensor, rel=0.1)
    assert max(np.abs(film[:-100] - empty[0].mean(0)).max() for film in films) > 50  # the figure is seen before
    assert np.array_equal(films[0][:-100], np.stack([*shoot(1, "walking", 1, 0)]))


@pytest.fixture(scope="module")
def kth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kth")
    simulate_kth(root, persons=1, actions=["walking", "boxing"], scenarios=1, gap=D, workers=1)
    return root


def test_a_clip_ends_with_so_many_frames_of_the_empty_scene(kth):
    settings = {"clip_len": 4, "frame_interval": 2, "size": (60, 80)}
    plain, gapped = (SimulatedKTH(kth, "all", gap=gap, **settings) for gap in (0, D))
    assert (plain.frames_per_clip, gapped.frames_per_clip) == (4, 4 + D)
    for number in range(len(plain)):
        path = gapped.segments[number].path
        videos = [data[number]["video"].numpy() for data in (plain, gapped)]
        assert np.array_equal(videos[0], videos[1][:4])
        assert np.array_equal(videos[1][4:, 0], gapped.cache.frames(path)[-D:][..., 0])
    assert all(segment.last < gapped.cache.count(segment.path) - D + 1 for segment in gapped.segments)


@pytest.mark.parametrize("gap", [D + 1, -1, 1.5])
def test_a_gap_that_the_videos_have_not_is_refused(kth, gap):
    with pytest.raises((DataError, LstmzooError), match=f"data.gap.*{gap}"):
        SimulatedKTH(kth, "all", gap=gap)


def test_other_gaps_are_other_sets(kth):
    with pytest.raises(DataError, match=str(kth)):
        simulate_kth(kth, persons=1, actions=["walking"], scenarios=1, gap=D + 1, workers=1)


# -- Segmentation: a curtain ------------------------------------------------------------------------------------------


def course(seed: int, curtain: int = D):
    return write_course((48, 80), 10 + D, np.random.default_rng(seed), occluded=True, curtain=curtain)


@pytest.mark.parametrize("seed", range(6))
def test_after_the_badges_nothing_shows_which_shape_is_the_object(seed):
    one = course(seed)
    other = replace(one, number=np.zeros_like(one.number))
    for kind in range(one.kind.max() + 1):  # another of each kind
        there = np.flatnonzero(one.kind == kind)
        other.number[np.roll(there, 1)] = one.number[there]
    paintings = [[*paint(each, np.random.default_rng(0))] for each in (one, other)]
    for t, (a, b) in enumerate(zip(*paintings, strict=True)):
        assert np.array_equal(a.frame, b.frame) == (t >= MARKED_FRAMES)
        closed = CURTAIN <= t < CURTAIN + D
        assert a.ids.any() != closed
        assert a.visible.max() == (0 if closed else pytest.approx(1, abs=0.5))


def test_nothing_moves_behind_the_curtain_and_all_goes_on_after_it():
    with_it, without = course(3), course(3, curtain=0)
    for name in ("centre", "angle", "camera"):
        held, free = getattr(with_it, name), getattr(without, name)
        assert np.array_equal(held[:CURTAIN], free[:CURTAIN])
        assert np.array_equal(held[CURTAIN + D :], free[CURTAIN : len(free) - D])
        assert (held[CURTAIN : CURTAIN + D] == free[CURTAIN - 1]).all()


def test_an_occlusion_is_reported_and_belongs_to_the_set(tmp_path):
    settings = {"train": 2, "val": 0, "test": 0, "frames": 10 + D, "size": (48, 80), "seed": 0}
    simulate_davis(tmp_path, **settings, occlusion=D)
    for found in read_occlusions(tmp_path).values():
        assert found["during"] == [*range(CURTAIN, CURTAIN + D)]
        assert found["after"] == [*range(CURTAIN + D, 10 + D)]
    with pytest.raises(DataError, match=str(tmp_path)):
        simulate_davis(tmp_path, **settings)
    with pytest.raises(LstmzooError, match=f"frames.*{10 + D}"):
        simulate_davis(tmp_path, **{**settings, "frames": 9 + D}, occlusion=D)
    asked = {"train_sequences": 2, "val_sequences": 0, "test_sequences": 0, "simulated_frames": 10 + D}
    with pytest.raises(LstmzooError, match=f"data.occlusion={D}"):
        SimulatedDAVIS.simulate_missing(tmp_path, **asked, simulated_size=(48, 80))


# -- Captioning: who spoke --------------------------------------------------------------------------------------------


def sentences(root: Path) -> list[tuple[list[str], str]]:
    images = json.loads((root / CAPTIONS_FILE).read_text())["images"]
    return [(one["tokens"], image["filename"]) for image in images for one in image["sentences"]]


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("captions")
    simulate_captions(root, images=100, agreement=D)
    return root


def test_the_first_word_decides_the_last_and_nothing_between_does(captions):
    endings: dict[str, set[str]] = {}
    for words, _ in sentences(captions):
        assert len(words) == AROUND + D
        assert words[0] == words[-1] in SPEAKERS
        assert words[-2 - D : -1] == [*map(str, range(1, D + 1)), "did"]
        endings.setdefault(" ".join(words[1:-1]), set()).add(words[-1])
    common = [found for found in endings.values() if len(found) == len(SPEAKERS)]
    assert len(common) > 5  # the same words between, and every ending
    counts = Counter(words[0] for words, _ in sentences(captions))
    assert min(counts.values()) > 0.8 * 500 / len(SPEAKERS)


def test_the_image_does_not_tell_who_speaks(captions, tmp_path):
    simulate_captions(tmp_path, images=10)
    for image in sorted((tmp_path / "images").iterdir()):
        assert image.read_bytes() == (captions / "images" / image.name).read_bytes()
    speakers: dict[str, set[str]] = {}
    for words, image in sentences(captions):
        speakers.setdefault(image, set()).add(words[0])
    assert sum(len(found) > 1 for found in speakers.values()) > 90


def test_such_sentences_are_true_of_their_image(captions):
    said = {image: " ".join(words) for words, image in sentences(captions)}
    assert exact_match(captions, said) == 1
    shifted = dict(zip(said, [*said.values()][1:] + [*said.values()][:1], strict=True))
    assert exact_match(captions, shifted) < 0.5
    wrong = {image: f"{text.rsplit(' ', 1)[0]} nobody" for image, text in said.items()}
    assert exact_match(captions, wrong) == 0


def test_captions_are_the_same_each_time_and_another_set_is_taken_as_it_is(captions, tmp_path, capsys):
    simulate_captions(tmp_path, images=10, agreement=D)
    assert sentences(tmp_path) == sentences(captions)[:50]
    SimulatedCaptions.simulate_missing(tmp_path, images=10, agreement=D + 1)
    out = capsys.readouterr().out
    assert out.index(f"agreement={D}") < out.index(f"agreement={D + 1}")
    with pytest.raises(DataError, match=str(tmp_path)):
        simulate_captions(tmp_path, images=10)
