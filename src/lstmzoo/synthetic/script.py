"""What happens in a video of one person doing one action: where the person is in every frame, and in which pose.

Walking, jogging and running are drawn from one and the same script: the same ways through the image, with the same
poses, sizes and zooms, and everything random about them comes from streams that do not know the action. Only speed and
cadence differ, and with them the number of frames that a way takes. So a single frame cannot tell the three apart; the
course of time can. Their speeds overlap about as far as the lengths of the published sequences do.

Every annotated range closes: it ends as it begins, with nobody in sight or after a whole number of cycles, so that a
clip may run on from its end to its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstmzoo.synthetic.gait import Style, random_style
from lstmzoo.synthetic.scene import GROUND, HEIGHT, WIDTH

Array = np.ndarray

SPEED = {"walking": 0.0345, "jogging": 0.0555, "running": 0.0770}  # median, in body heights per frame
CADENCE = {"walking": 25.5, "jogging": 18.8, "running": 15.8}  # median, in frames per gait cycle
PERIOD = {"boxing": (14.0, 40.0), "handclapping": (10.0, 24.0), "handwaving": (22.0, 48.0)}  # frames per cycle
RANGES = 4
_SHORTEST = 46  # frames of a range on the spot
_BEYOND = 0.3  # so many body heights outside, a figure is out of sight
_BODY, _STAGE, _CAMERA, _PACE = 0, 3, 4, 6  # independent random streams; `person_video` has others


@dataclass(frozen=True)
class Script:
    """What happens in a video, one value per frame.

    Attributes:
        phase: (N,) phase of the action in cycles.
        x: (N,) column of the figure.
        row: (N,) row of the ground below the figure.
        height: (N,) height of the body, in pixels.
        yaw: (N,) heading, in radians.
        zoom: (N,) factor by which the camera enlarges all this.
        horizon: row of the horizon, often above the image.
        ranges: first and last frame of every annotated range, counted from 1, inclusive.
    """

    phase: Array
    x: Array
    row: Array
    height: Array
    yaw: Array
    zoom: Array
    horizon: float
    ranges: list[tuple[int, int]]


@dataclass(frozen=True)
class Person:
    """Traits that a person keeps in every video; none depends on the action."""

    style: Style
    height: float  # relative to others
    pace: float  # speed, relative to others
    cadence: float  # frames per gait cycle, relative to others


def find_person(person: int, seed: int) -> Person:
    """Draw the traits of a person."""
    rng = stream(seed, _BODY, person)
    return Person(random_style(rng), rng.uniform(0.93, 1.07), _spread(rng, 0.06), _spread(rng, 0.03))


def write_script(person: int, action: str, scenario: int, seed: int) -> Script:
    """Plan the video of one person, action and scenario."""
    performer, stage = find_person(person, seed), stream(seed, _STAGE, person, scenario)
    own = stream(seed, _PACE, person, scenario, *action.encode())
    height = performer.height * stage.uniform(58, 90)
    if stage.random() < 0.6:  # the camera looks down, or as far as to the horizon
        horizon, row = stage.uniform(-160, -30), stage.uniform(max(height + 3, 78), 114)
    else:
        horizon, row = stage.uniform(44, 58), stage.uniform(96, 112)
    if action in SPEED:
        speed = SPEED[action] * performer.pace * _spread(stage, 0.05) * _spread(own, 0.07)
        cadence = CADENCE[action] * performer.cadence * _spread(stage, 0.03) * _spread(own, 0.05)
        oblique = scenario == 2 and stage.random() < 0.7
        zoom = _Zoom(scenario == 2 and not oblique, stream(seed, _CAMERA, person, scenario))
        return _crossings(speed, cadence, _Camera(height, row, horizon), zoom, oblique, stage)
    zoom = _Zoom(scenario == 2, stream(seed, _CAMERA, person, scenario))
    return _on_the_spot(action, min(height * own.uniform(1.0, 1.45), 104), horizon, zoom, own)


class _Zoom:
    """A camera that zooms slowly in and out, once in a range, or holds still."""

    def __init__(self, moves: bool, camera: np.random.Generator) -> None:
        self.depth = camera.uniform(0.04, 0.29) * moves
        self.middle = camera.uniform(self.depth - 0.4, 0.18 - self.depth) * moves
        self.start = camera.random()

    @property
    def widest(self) -> float:
        return float(np.exp(self.middle - self.depth))

    def at(self, progress: Array) -> Array:
        """The factor at each share (N,) of a range."""
        return np.exp(self.middle + self.depth * np.sin(2 * np.pi * (progress + self.start)))


@dataclass(frozen=True)
class _Camera:
    """How large and where a body is seen in the middle of its way."""

    height: float
    row: float
    horizon: float

    def see(self, along: Array, angle: float, focus: float, middle: float) -> tuple[Array, Array, Array]:
        """Project a straight way, `along` it in pixels of its middle; returns column, row and height."""
        scale = 1 / (1 - along * np.sin(angle) / focus)  # of what is nearer or farther than the middle
        x = WIDTH / 2 + (middle + along * np.cos(angle)) * scale
        return x, self.horizon + (self.row - self.horizon) * scale, self.height * scale


def _crossings(
    speed: float, cadence: float, camera: _Camera, zoom: _Zoom, oblique: bool, stage: np.random.Generator
) -> Script:
    """Come into the image, cross it and leave, again and again to and fro, turning out of sight.

    A range is one crossing with a share of the time before and after it, the same share at every speed.
    """
    course = stage.choice([-1, 1]) * stage.uniform(0.2, 0.95) if oblique else stage.normal(0, 0.13)
    focus = stage.uniform(260, 500)
    rightwards = bool(stage.random() < 0.5)
    legs: list[tuple[Array, ...]] = []
    ranges: list[tuple[int, int]] = []
    frames = 0
    for leg in range(RANGES):
        angle, middle = course + stage.normal(0, 0.03), stage.uniform(-12, 12)
        before, after = stage.uniform(0.04, 0.14, 2)  # in the range, as shares of the crossing
        away, start = stage.uniform(0.05, 0.25, 2), stage.random(2)
        first, last = _visible(camera, angle, focus, middle, zoom.widest)
        crossing = (last - first) / (speed * camera.height)  # frames
        # Shares of the way done at each frame: 0 and 1 are where the figure is lost from sight.
        begin, end = -before - away[0] * (leg > 0), 1 + after + away[1] * (leg < RANGES - 1)
        done = begin + (np.arange(round((end - begin) * crossing)) + start[0]) / crossing
        inside = np.flatnonzero((done >= -before) & (done < 1 + after))
        ranges.append((frames + int(inside[0]) + 1, frames + int(inside[-1]) + 1))
        frames += len(done)
        onward = rightwards == (leg % 2 == 0)
        along = first + (last - first) * (done if onward else 1 - done).clip(-0.15, 1.15)
        legs.append(
            (
                start[1] + np.arange(len(done)) / cadence,
                *camera.see(along, angle, focus, middle),
                np.full(len(done), angle if onward else angle + np.pi),
                zoom.at((done + before) / (1 + before + after)),
            )
        )
    phase, x, row, height, yaw, zooms = (np.concatenate(values) for values in zip(*legs, strict=True))
    return Script(phase, x, row, height, yaw, zooms, camera.horizon, ranges)


def _visible(camera: _Camera, angle: float, focus: float, middle: float, zoom: float) -> tuple[float, float]:
    """Find the stretch of a way, around its middle, on which the figure can be seen."""
    along = np.arange(-500.0, 500.0)
    along = along[along * np.sin(angle) < 0.5 * focus]  # no nearer than this
    x, row, height = camera.see(along, angle, focus, middle)
    across = np.abs(x - WIDTH / 2) < WIDTH / 2 / zoom + _BEYOND * height
    seen = across & (row - height < GROUND + (HEIGHT - GROUND) / zoom)
    hidden = np.append(np.flatnonzero(~seen), [0, len(seen) - 1])
    centre = int(np.searchsorted(along, 0.0))
    return float(along[hidden[hidden <= centre].max()]), float(along[hidden[hidden > centre].min()])


def _on_the_spot(action: str, height: float, horizon: float, zoom: _Zoom, stage: np.random.Generator) -> Script:
    """Stand still and act, without a pause; the ranges follow each other, each of whole cycles of its own tempo."""
    usual = stage.uniform(*PERIOD[action])
    periods = usual * stage.uniform(0.94, 1.06, RANGES)
    cycles = np.ceil(_SHORTEST / periods)
    lengths = np.rint(cycles * periods).astype(int)
    facing = float(stage.choice([0.0, np.pi])) if action == "boxing" else np.pi / 2
    turn = stage.uniform(-0.25, 0.7) if action == "boxing" else stage.uniform(-0.3, 0.3)
    last = np.cumsum(lengths)
    frames = int(last[-1])
    done = np.concatenate([np.arange(n) / n for n in lengths])
    return Script(
        phase=stage.random() + done * np.repeat(cycles, lengths),
        x=np.full(frames, WIDTH / 2 + stage.uniform(-30, 30)),
        row=np.full(frames, stage.uniform(max(height + 4, GROUND - 4), 117)),
        height=np.full(frames, height),
        yaw=np.full(frames, facing + turn * np.cos(facing) if action == "boxing" else facing + turn),
        zoom=zoom.at(done),
        horizon=horizon,
        ranges=[(int(end - n + 1), int(end)) for n, end in zip(lengths, last, strict=True)],
    )


def stream(seed: int, *key: int) -> np.random.Generator:
    """A stream of random numbers, independent of those with other keys."""
    return np.random.default_rng([seed, *key])


def _spread(rng: np.random.Generator, deviation: float) -> float:
    """A factor around 1."""
    return float(np.exp(np.clip(rng.normal(0, deviation), -2.5 * deviation, 2.5 * deviation)))
