"""Clips made of photographs, in which it is motion that tells objects from their background.

A photograph is the background, with pieces of others glued on. More such pieces, the objects, move over it by
themselves, turn, deform and are occluded, while the camera pans, zooms and turns. In a single frame what moves looks
much like what is glued on; some of the glued pieces are copies of parts of the objects. Objects may also come from
videos, and then move as they did there as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from lstmzoo.synthetic.cutouts import SIDE, Array, Cutout, cut_out

_ROOM = 1.6  # side of the background, in sides of the frame
_TRIES = 8  # clips drawn until every object is seen in the first frame
_SEEN = 0.004  # share of the frame that an object covers there at least
_RADIUS = 0.12, 0.42  # of an object, in heights of the frame
_BLANK = 0.25  # share of the clips with frames that show nothing


class Matter(Protocol):
    """What draws photographs, RGB, uint8 (H, W, 3), and objects that move, as a cutout for each frame, or None."""

    def background(self, rng: np.random.Generator) -> Array: ...

    def texture(self, rng: np.random.Generator) -> Array: ...

    def moving(self, frames: int, rng: np.random.Generator) -> list[Cutout] | None: ...


@dataclass(frozen=True)
class _Path:
    """Where something is at each step: x, y in heights of the frame, turned by an angle, scaled (T, each)."""

    place: Array  # (T, 2)
    angle: Array
    scale: Array


@dataclass(frozen=True)
class _Part:
    """A piece of an object that swings about the object's centre and deforms."""

    cutouts: list[Cutout]  # (T)
    radius: float
    offset: Array  # (2,) from the centre, in radii of the object
    swing: Array  # (T,) radians
    waves: Array  # (4,) amplitude, frequency, phase and speed of the deformation


def photograph_clip(
    matter: Matter, size: tuple[int, int], frames: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Make a clip out of photographs.

    Args:
        matter: draws the photographs of a clip.
        size: (H, W) of the frames, in pixels.
        frames: T.
        rng: source of all randomness.

    Returns:
        Frames uint8 (T, H, W, 3), and masks uint8 (T, H, W): 1 … K the objects, 0 all else. Each object is
        seen in the first frame, unless so many tries in a row fail.
    """
    for _ in range(_TRIES):
        video, masks = _Collage(matter, size, frames, rng).paint()
        objects = int(masks.max())
        if objects and all((masks[0] == number).mean() >= _SEEN for number in range(1, objects + 1)):
            break
    return _recorded(video, rng), masks


class _Collage:
    """What is in a clip, and where."""

    def __init__(self, matter: Matter, size: tuple[int, int], frames: int, rng: np.random.Generator) -> None:
        self.matter, self.size, self.frames, self.rng = matter, size, frames, rng
        height, width = size
        self.aspect = width / height
        still, hectic = rng.random(2) < (0.25, 0.3)
        pan = 0.0 if still else rng.exponential(0.04 if hectic else 0.015)
        self.camera = self._path(np.zeros(2), pan, zoom=0.0 if still else 0.15, turn=0.0 if still else 0.06)
        textures = [matter.texture(rng) for _ in range(2)]
        self.objects = [self._object(textures, pan) for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))]
        self.background = self._background(matter.background(rng), textures)
        self.near = self._near(textures) if rng.random() < 0.35 else None
        self.parallax = rng.uniform(1.05, 1.4)

    def paint(self) -> tuple[Array, Array]:
        """Paint all frames (T, H, W, 3), with their masks (T, H, W)."""
        video = np.empty((self.frames, *self.size, 3), np.uint8)
        masks = np.zeros((self.frames, *self.size), np.uint8)
        for t in range(self.frames):
            canvas = self._view(self.background, t)
            for number, (path, parts) in enumerate(self.objects, start=1):
                for part in parts:
                    alpha = self._paint_part(canvas, path, part, t)
                    masks[t][alpha > 127] = number
            if self.near is not None:
                layer = self._view(self.near, t, self.parallax)
                _blend(canvas, layer[..., :3], layer[..., 3])
                masks[t][layer[..., 3] > 127] = 0
            video[t] = canvas
        return video, masks

    # -- what happens --------------------------------------------------------------------------------------------

    def _path(self, start: Array, speed: float, *, zoom: float, turn: float) -> _Path:
        """Wander smoothly: steps of about `speed` heights of the frame, in a direction that turns."""
        rng, time = self.rng, np.arange(self.frames)
        heading = rng.uniform(0, 2 * np.pi) + _wander(self.frames, rng, 1.2)
        pace = speed * np.clip(1 + _wander(self.frames, rng, 0.8), 0, None)  # it may stand still for a while
        steps = pace[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        place = start + np.cumsum(steps, axis=0) - steps[0]
        angle = rng.normal(0, turn) * time / 4 + _wander(self.frames, rng, turn)
        return _Path(place, angle, np.exp(_wander(self.frames, rng, zoom)))

    def _object(self, textures: list[Array], pan: float) -> tuple[_Path, list[_Part]]:
        """Draw an object of one to three parts, or of a video, in the middle or anywhere."""
        rng = self.rng
        radius = float(np.exp(rng.uniform(*np.log(_RADIUS))))
        start = rng.uniform(-0.38, 0.38, 2) * (self.aspect, 1)
        speed = (0.004 if pan > 0.01 else 0.01) + rng.exponential(0.02)
        path = self._path(start, speed, zoom=0.12, turn=0.12)
        if rng.random() < 0.7:  # it turns back at the edges more often than not
            path = replace(path, place=_reflected(path.place, 0.6 * np.array([self.aspect, 1])))
        if filmed := self.matter.moving(self.frames, rng):
            return path, [_Part(filmed, radius, np.zeros(2), np.zeros(self.frames), np.zeros(4))]
        source = textures[rng.integers(2)]
        parts = []
        for number in range(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2])):
            share, reach = (1.0, 0.0) if number == 0 else (rng.uniform(0.35, 0.7), rng.uniform(0.6, 1.0))
            direction = rng.uniform(0, 2 * np.pi)
            offset = reach * np.array([np.cos(direction), np.sin(direction)])
            swing = rng.uniform(0, 0.5) * np.sin(rng.uniform(0.2, 1.2) * np.arange(self.frames) + rng.uniform(0, 6.28))
            waves = np.array([rng.uniform(0, 0.07), rng.uniform(1, 2.5), rng.uniform(0, 6.28), rng.uniform(0, 0.9)])
            parts.append(_Part([cut_out(source, rng)] * self.frames, radius * share, offset, swing, waves))
        return path, parts

    def _background(self, photograph: Array, textures: list[Array]) -> Array:
        """A photograph larger than the frame, with pieces glued on, some of which are copies of the objects."""
        rng = self.rng
        canvas = _cover(photograph, self._canvas_size(), rng)
        for _ in range(rng.integers(3, 13)):  # a third of them is in view
            parts = self.objects[rng.integers(len(self.objects))][1]
            cutout = parts[0].cutouts[0] if rng.random() < 0.4 else cut_out(textures[rng.integers(2)], rng)
            radius = np.exp(rng.uniform(*np.log(_RADIUS))) * self.size[0]
            centre = rng.uniform(0.1, 0.9, 2) * canvas.shape[1::-1]
            _stick(canvas, cutout, centre, radius, rng.uniform(0, 2 * np.pi))
        return canvas

    def _near(self, textures: list[Array]) -> Array:
        """What is in front of everything: one or two upright strips, RGBA."""
        rng = self.rng
        height, width = self._canvas_size()
        layer = np.zeros((height, width, 4), np.uint8)
        layer[..., :3] = _cover(textures[rng.integers(2)], (height, width), rng)
        for _ in range(rng.integers(1, 3)):
            left, slant = rng.uniform(0.1, 0.9) * width, rng.normal(0, 0.1) * width
            broad = rng.uniform(0.03, 0.14) * width
            corners = [(left, 0), (left + broad, 0), (left + slant + broad, height), (left + slant, height)]
            alpha = np.zeros((height, width), np.uint8)
            cv2.fillPoly(alpha, [np.array(corners, np.int32)], 255, cv2.LINE_AA)
            layer[..., 3] = np.maximum(layer[..., 3], alpha)
        return layer

    # -- painting ------------------------------------------------------------------------------------------------

    def _canvas_size(self) -> tuple[int, int]:
        return round(_ROOM * self.size[0]), round(_ROOM * self.size[1])

    def _view(self, canvas: Array, t: int, parallax: float = 1.0) -> Array:
        """What the camera sees of the background at a step."""
        height, width = self.size
        angle, scale = self.camera.angle[t], self.camera.scale[t]
        seen = np.array(canvas.shape[1::-1]) / 2 + parallax * height * self.camera.place[t]
        matrix = _similarity(np.array([width, height]) / 2, seen, angle, 1 / scale)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(canvas, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)

    def _paint_part(self, canvas: Array, path: _Path, part: _Part, t: int) -> Array:
        """Paint a part of an object; return how much of every pixel (H, W) it covers, 0 to 255."""
        height, width = self.size
        angle, scale = path.angle[t] + part.swing[t], path.scale[t]
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ part.offset
        centre = np.array([width, height]) / 2 + height * (path.place[t] + part.radius * scale * turned)
        return _stick(canvas, _deformed(part, t), centre, height * part.radius * scale, angle)


def _stick(canvas: Array, cutout: Cutout, centre: Array, radius: float, angle: float) -> Array:
    """Paint a cutout over a canvas (H, W, 3), in place; return its alpha (H, W)."""
    alpha = np.zeros(canvas.shape[:2], np.uint8)
    reach = 1.5 * radius  # half of the diagonal of the square, and a little more
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach), canvas.shape[1::-1]).astype(int)
    if (low >= high).any():
        return alpha
    matrix = _similarity(centre - low, np.full(2, SIDE / 2), -angle, SIDE / (2 * radius))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    box = tuple(int(side) for side in high - low)
    colours = cv2.warpAffine(cutout.colours, matrix, box, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    there = slice(low[1], high[1]), slice(low[0], high[0])
    alpha[there] = cv2.warpAffine(cutout.alpha, matrix, box, flags=flags)
    _blend(canvas[there], colours, alpha[there])
    return alpha


def _similarity(centre: Array, source: Array, angle: float, scale: float) -> Array:
    """The matrix (2, 3) that maps `centre` to `source`, turned and scaled about it."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array(
        [
            [c, -s, source[0] - c * centre[0] + s * centre[1]],
            [s, c, source[1] - s * centre[0] - c * centre[1]],
        ]
    )


def _deformed(part: _Part, t: int) -> Cutout:
    """Shift rows and columns of a cutout by waves that run through it."""
    amplitude, frequency, phase, speed = part.waves
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    turn = 2 * np.pi * frequency / SIDE
    bent = (
        (x + amplitude * SIDE * np.sin(turn * y + phase + speed * t)).astype(np.float32),
        (y + amplitude * SIDE * np.sin(turn * x + 1.7 * phase + 0.8 * speed * t)).astype(np.float32),
    )
    return Cutout(*(cv2.remap(plane, *bent, cv2.INTER_LINEAR, borderMode=mode) for plane, mode in zip(
        part.cutouts[t], (cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT), strict=True
    )))  # fmt: skip


def _blend(canvas: Array, colours: Array, alpha: Array) -> None:
    """Lay colours over a canvas, in place."""
    share = alpha[..., None].astype(np.uint16)
    canvas[:] = ((canvas * (255 - share) + colours * share + 127) // 255).astype(np.uint8)


def _cover(photograph: Array, size: tuple[int, int], rng: np.random.Generator) -> Array:
    """A window of a photograph, mirrored or not, that fills (H, W)."""
    height, width = photograph.shape[:2]
    share = rng.uniform(0.7, 1.0) * min(height / size[0], width / size[1])
    tall, broad = max(int(share * size[0]), 1), max(int(share * size[1]), 1)
    top, left = rng.integers(height - tall + 1), rng.integers(width - broad + 1)
    seen = cv2.resize(photograph[top : top + tall, left : left + broad], size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(seen[:, ::-1]) if rng.random() < 0.5 else seen


def _reflected(place: Array, edge: Array) -> Array:
    """Places (T, 2), thrown back where they are beyond an edge (2,) on either side."""
    return np.where(np.abs(place) > edge, np.sign(place) * (2 * edge - np.abs(place)), place)


def _wander(frames: int, rng: np.random.Generator, strength: float) -> Array:
    """A slow sum of two sines with a random phase (T,), zero at first."""
    time = np.arange(frames)[:, None]
    wave = np.sin(rng.uniform(0.05, 0.5, 2) * time + rng.uniform(0, 2 * np.pi, 2)) * rng.normal(0, strength, 2)
    return (wave - wave[0]).sum(1)


def _recorded(video: Array, rng: np.random.Generator) -> Array:
    """What a camera makes of it: changing light, blur, grain, and now and then frames that show nothing."""
    frames = len(video)
    light = 1 + _wander(frames, rng, 0.06)
    sigma, grain = rng.choice([0.0, 0.6, 1.1]), rng.uniform(0, 5)
    blank = rng.random(frames) < 0.2 if rng.random() < _BLANK else np.zeros(frames, bool)
    blank[0] = False
    for t in range(frames):
        frame = cv2.GaussianBlur(video[t], (0, 0), sigma) if sigma else video[t]
        noisy = frame * np.float32(light[t]) + grain * rng.standard_normal(frame.shape, np.float32)
        if blank[t]:
            noisy = rng.uniform(0, 255) + 20 * rng.standard_normal(frame.shape, np.float32)
        video[t] = np.clip(noisy, 0, 255).astype(np.uint8)
    return video
