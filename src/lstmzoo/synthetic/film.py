"""Videos of one person doing one action: staging, camera and picture, frame by frame.

Walking, jogging and running are filmed from one and the same script: the same way, to and fro, with the same poses
at the same places, sizes and zooms, and everything random about it comes from streams that do not know the action.
Only the number of frames per gait cycle differs, and with it the number of frames that the way takes. So a single
frame cannot tell the three apart; the course of time can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from lstmzoo.synthetic.body import Look, random_look
from lstmzoo.synthetic.figure import Figure, View, cast_shadow
from lstmzoo.synthetic.gait import Style, box, clap, random_style, travel, wave
from lstmzoo.synthetic.scene import HEIGHT, WIDTH, Scene, random_scene

Array = np.ndarray

CADENCE = {"walking": 25.5, "jogging": 17.0, "running": 11.3}  # frames per gait cycle at 25 frames a second
STANDING = {"boxing": (box, 17.0), "handclapping": (clap, 15.0), "handwaving": (wave, 26.0)}  # least per cycle
RANGES = 4
_NEARER, _LOWER = 1.25, 6.0  # those who act on the spot are filmed from nearer: larger, and this many rows lower
_EXTENT = 154.0  # pixels gone in one range by those who walk, jog or run
_LEGS = 2 + 2 * RANGES  # more than are ever begun
_BODY, _CLOTHES, _SCENE, _STAGE, _CAMERA, _NOISE = range(6)  # independent random streams


@dataclass(frozen=True)
class Script:
    """What happens in a video, one value per frame.

    Attributes:
        phase: (N,) phase of the action in cycles.
        x: (N,) column of the figure.
        lane: (N,) rows by which the figure stands nearer than usual.
        yaw: (N,) heading, in radians.
        progress: (N,) share of the video's script that is done, 0 to 1; the camera zooms with it.
        ranges: first and last frame of every annotated range, counted from 1, inclusive.
    """

    phase: Array
    x: Array
    lane: Array
    yaw: Array
    progress: Array
    ranges: list[tuple[int, int]]


@dataclass(frozen=True)
class _Person:
    """Traits that a person keeps in every video; none depends on the action."""

    style: Style
    height: float
    tempo: float


def write_script(person: int, action: str, scenario: int, seed: int) -> Script:
    """Plan the video of one person, action and scenario."""
    performer, stage = _person(person, seed), _stream(seed, _STAGE, person, scenario)
    tempo = performer.tempo * stage.uniform(0.99, 1.01)
    if action in CADENCE:
        return _back_and_forth(CADENCE[action] * tempo, performer, stage)
    return _on_the_spot(action, tempo, _stream(seed, _STAGE, person, scenario, *action.encode()))


def shoot(person: int, action: str, scenario: int, seed: int) -> Iterator[Array]:
    """Yield the pictures (120, 160) uint8 of the video that :func:`write_script` plans."""
    script, performer = write_script(person, action, scenario, seed), _person(person, seed)
    scene = random_scene(scenario, _stream(seed, _SCENE, person, scenario))
    zoom = _zoom(script.progress, scenario, _stream(seed, _CAMERA, person, scenario))
    height = performer.height * (1.0 if action in CADENCE else _NEARER)
    view = View(script.x, scene.ground_at(zoom) + script.lane, height * zoom, script.yaw)
    pose = travel if action in CADENCE else STANDING[action][0]
    joints = pose(script.phase, performer.style)
    figure = Figure(joints, view, _look(person, scenario, seed), scene.light, scene.relief)
    outlines = cast_shadow(joints, view, scene.slant)
    if scene.wall:
        outlines += cast_shadow(joints, view, (0.0, -1.0), scene.wall)
    shadow = [np.rint(8 * outline - 4).astype(np.int32) for outline in outlines]
    noise = _stream(seed, _NOISE, person, scenario, *action.encode())
    grain = np.rint(noise.normal(0, scene.noise, (3 * HEIGHT, 3 * WIDTH))).astype(np.int16)
    offsets = noise.integers((0, 0), (2 * HEIGHT, 2 * WIDTH), (len(script.x), 2))
    for frame, (row, column) in enumerate(offsets):
        picture = scene.view(float(zoom[frame])).copy()
        picture = _with_shadow(picture, scene, [outline[frame] for outline in shadow])
        figure.paint(frame, picture)
        picture = cv2.LUT(cv2.GaussianBlur(picture, (3, 3), scene.blur), scene.exposure)
        yield cv2.add(picture, grain[row : row + HEIGHT, column : column + WIDTH], dtype=cv2.CV_8U)


def _back_and_forth(period: float, performer: _Person, stage: np.random.Generator) -> Script:
    """Pace to and fro through the picture, turning out of sight; a range is as long as one crossing takes.

    The video begins anywhere on the lap. So at any moment of any range, every place is as likely at every cadence:
    whichever frames of a range one looks at, how often a place is seen does not tell how fast it is passed.
    """
    begin, start = stage.random(), stage.random()
    turn, lane = stage.uniform(-0.1, 0.1, _LEGS), stage.uniform(-2, 3, _LEGS)

    cycles = _EXTENT / (performer.style.stride * performer.height)
    frames = round(cycles * period)
    beyond = 0.27 * performer.height  # so far outside, the figure is out of sight
    reach = WIDTH + 2 * beyond
    # Place, pose and zoom follow the share of the way done, so they go together alike at every cadence.
    done = (np.arange(RANGES * frames) + stage.random()) / frames
    way = 2 * begin + done * _EXTENT / reach  # in legs, from one side to the other
    leg = way.astype(int)
    rightwards = leg % 2 == 0
    x = reach * np.where(rightwards, way - leg, 1 - (way - leg)) - beyond
    last = frames * np.arange(1, RANGES + 1)
    return Script(
        phase=start + cycles * done,
        x=x,
        lane=lane[leg],
        yaw=turn[leg] + np.where(rightwards, 0.0, np.pi),
        progress=np.clip(done / RANGES, 0, 1),
        ranges=[(int(end - frames + 1), int(end)) for end in last],
    )


def _on_the_spot(action: str, tempo: float, stage: np.random.Generator) -> Script:
    """Stand still and act, without a pause; the ranges follow each other and differ a little in tempo."""
    lengths = stage.integers(46, 63, RANGES)
    period = STANDING[action][1] * tempo * stage.uniform(1.0, 1.3)
    periods = np.repeat(period * stage.uniform(0.96, 1.04, RANGES), lengths)
    frames = len(periods)
    facing = float(stage.choice([0.0, np.pi])) if action == "boxing" else np.pi / 2
    turn = stage.uniform(0.1, 0.5) if action == "boxing" else stage.uniform(-0.2, 0.2)
    last = np.cumsum(lengths)
    return Script(
        phase=stage.random() + np.cumsum(1 / periods),
        x=np.full(frames, WIDTH / 2 + stage.uniform(-12, 12)),
        lane=np.full(frames, _LOWER + stage.uniform(-2, 3)),
        yaw=np.full(frames, facing + turn * np.cos(facing) if action == "boxing" else facing + turn),
        progress=np.linspace(0, 1, frames),
        ranges=[(int(end - n + 1), int(end)) for n, end in zip(lengths, last, strict=True)],
    )


def _zoom(progress: Array, scenario: int, camera: np.random.Generator) -> Array:
    """Zoom slowly in and out in scenario 2; hold still in the others."""
    if scenario != 2:
        return np.ones_like(progress)
    depth, turns, start = camera.uniform(0.10, 0.18), camera.uniform(0.6, 1.3), camera.random()
    return np.exp(depth * np.sin(2 * np.pi * (turns * progress + start)))


def _with_shadow(picture: Array, scene: Scene, outlines: list[Array]) -> Array:
    """Darken a picture by a soft shadow, outlined in fixed point (4 bits) at half the resolution."""
    mask = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    for outline in outlines:
        cv2.fillConvexPoly(mask, outline, 255, cv2.LINE_8, 4)
    soft = cv2.GaussianBlur(mask, (7, 7), scene.softness / 2)
    remaining = cv2.convertScaleAbs(soft, alpha=-scene.shade, beta=255)
    remaining = cv2.resize(remaining, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(picture, remaining, scale=1 / 255)


def _person(person: int, seed: int) -> _Person:
    rng = _stream(seed, _BODY, person)
    return _Person(style=random_style(rng), height=rng.uniform(62, 73), tempo=rng.uniform(0.97, 1.03))


def _look(person: int, scenario: int, seed: int) -> Look:
    outfit = 3 if scenario == 3 else 0  # other clothes in scenario 3 only
    clothes = _stream(seed, _CLOTHES, person, outfit)
    return random_look(_stream(seed, _BODY, person, 1), clothes, dressed_up=scenario == 3)


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng([seed, *key])
