"""Places in front of a still camera: a lawn, a gravel lot, a house wall and a room, each in its own light.

Outdoors the camera often looks down, so that nothing but the ground is seen. The sun casts long hard shadows, short
ones or hardly any; lamps cast soft ones on the floor and on the wall. A place is painted once, twice as fine and a
little larger than the image, so that the camera can zoom.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

Array = np.ndarray

WIDTH, HEIGHT = 160, 120
GROUND = 100.0  # row of the ground about which the camera zooms
_CENTRE = np.array([80.0, GROUND])
_TILE = 480  # pixels of a side of a texture, at least as many as of the painting
_GREY = np.arange(256) / 255
_LEFT, _TOP, _RIGHT, _BOTTOM = -40, -50, 200, 130  # what the painting covers: zoom factors of 0.67 and more
_X, _Y = (grid.astype(np.float32) for grid in np.meshgrid(np.arange(_LEFT, _RIGHT, 0.5), np.arange(_TOP, _BOTTOM, 0.5)))


@dataclass(frozen=True)
class Scene:
    """A place, its light and the camera's traits.

    Attributes:
        painting: (360, 480) uint8 view at twice the image's resolution, with a margin.
        light: unit vector (x, y) in the image towards the light.
        slant: (x, y) shadow of a point one unit above the ground.
        wall: (x, y) place of the shadow on the wall beside the figure, in body heights; None outdoors.
        shade: share of the light that the shadow takes away.
        softness: standard deviation of the shadow's blur, in pixels.
        relief: how strongly light and shade model the figure, 0 to 1.
        blur: standard deviation of the lens blur, in pixels.
        noise: standard deviation of the sensor noise, in grey values.
        exposure: (256,) uint8 grey value that the camera makes of each.
    """

    painting: Array
    light: tuple[float, float]
    slant: tuple[float, float]
    wall: tuple[float, float] | None
    shade: float
    softness: float
    relief: float
    blur: float
    noise: float
    exposure: Array

    def view(self, zoom: float) -> Array:
        """Return the empty place (120, 160) uint8 as the camera sees it."""
        return self._still if zoom == 1.0 else self._zoomed(zoom)

    @cached_property
    def _still(self) -> Array:
        return self._zoomed(1.0)

    def _zoomed(self, zoom: float) -> Array:
        shift = zoom * (np.array([_LEFT, _TOP]) - _CENTRE) + _CENTRE
        matrix = np.array([[zoom / 2, 0, shift[0]], [0, zoom / 2, shift[1]]])
        return cv2.warpAffine(self.painting, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)

    @staticmethod
    def zoomed(x: Array, row: Array, zoom: Array) -> tuple[Array, Array]:
        """Where the camera sees places (N,) of the scene at each zoom factor (N,)."""
        return _CENTRE[0] + zoom * (x - _CENTRE[0]), _CENTRE[1] + zoom * (row - _CENTRE[1])


def random_scene(scenario: int, horizon: float, rng: np.random.Generator) -> Scene:
    """Paint a place for scenario 1 (outdoors), 2 (with zoom), 3 (with other clothes) or 4 (a room).

    Where the horizon (a row) is far above the image, the camera looks down and sees nothing but the ground.
    """
    indoors = scenario == 4
    side = float(rng.choice([-1.0, 1.0]))
    painting = _room(rng) if indoors else (_lawn, _lot, _wall)[rng.choice(3, p=[0.5, 0.3, 0.2])](rng, horizon)
    painting = cv2.GaussianBlur(np.clip(painting * _uneven_light(rng), 4, 250).astype(np.uint8), (0, 0), 0.9)
    slant, shade, softness, high = _lamps(rng, side) if indoors else _sun(rng, side)
    return Scene(
        painting=painting,
        light=(side * float(np.sqrt(1 - high**2)), -high),
        slant=slant,
        wall=(-side * rng.uniform(0.08, 0.5), rng.uniform(-0.12, 0.08)) if indoors else None,
        shade=shade,
        softness=softness,
        relief=rng.uniform(0.2, 1.0),
        blur=rng.uniform(0.4, 0.8),
        noise=rng.uniform(1.5, 4.0),
        exposure=_exposure(rng),
    )


def _sun(rng: np.random.Generator, side: float) -> tuple[tuple[float, float], float, float, float]:
    """Draw the shadow's slant, shade and softness, and how high the light stands: low, high or behind clouds."""
    weather = rng.random()
    if weather < 0.35:
        slant = (-side * rng.uniform(0.5, 1.7), rng.uniform(-0.4, 0.15))
        return slant, rng.uniform(0.25, 0.65), rng.uniform(0.6, 1.4), rng.uniform(0.3, 0.75)
    slant = (-side * rng.uniform(0.1, 0.45), -rng.uniform(0.02, 0.12))
    if weather < 0.7:
        return slant, rng.uniform(0.2, 0.45), rng.uniform(0.8, 2.2), rng.uniform(0.75, 0.95)
    return slant, rng.uniform(0.02, 0.12), rng.uniform(2.0, 3.5), rng.uniform(0.9, 0.99)


def _lamps(rng: np.random.Generator, side: float) -> tuple[tuple[float, float], float, float, float]:
    """Draw what `_sun` draws, for a room."""
    slant = (-side * rng.uniform(0.08, 0.6), -rng.uniform(0.0, 0.10))
    return slant, rng.uniform(0.08, 0.35), rng.uniform(1.5, 4.0), rng.uniform(0.4, 0.95)


def _exposure(rng: np.random.Generator) -> Array:
    """Draw the camera's tone curve: dark or bright, with little contrast or much."""
    curve = 255 * _GREY ** np.exp(rng.uniform(-0.6, 0.5))
    curve = 128 + rng.uniform(0.6, 1.15) * (curve - 128) + rng.uniform(-25, 25)
    return np.clip(curve, 2, 253).astype(np.uint8)


def _lawn(rng: np.random.Generator, horizon: float) -> Array:
    """A mown lawn before a line of trees under a pale sky."""
    sky = rng.uniform(205, 225) - 0.15 * (_Y - _TOP)
    hedge = _Y - horizon + rng.uniform(5, 12) + 1.5 * _band(rng, 40)
    image = _mix(sky, rng.uniform(125, 150) + 9 * _texture(rng, 1.2)[: len(_Y)], hedge, 1.5)
    ragged = 0.16 * _texture(rng, 0.8)
    for tree in rng.uniform((-25, 10, 6, 100), (185, 22, 13, 140), (int(rng.integers(5, 12)), 4)):
        ragged = np.roll(ragged, 97)
        image = _plant(image, ragged, horizon, *tree)
    grass = rng.uniform(95, 165) + 0.25 * (_Y - max(horizon, 0)) + rng.uniform(4, 14) * _ground(rng, horizon, 1.0, 1.15)
    return _mix(image, grass, _Y - horizon, 1.2)


def _plant(image: Array, ragged: Array, foot: float, x: float, rise: float, wide: float, tone: float) -> Array:
    """Add a tree with a round ragged crown, lit from above."""
    ragged = ragged[: len(_Y)]
    inside = 1 + ragged - np.hypot((_X - x) / wide, (_Y - (foot - rise)) / (0.85 * wide))
    crown = tone + 45 * ragged - 0.9 * (_Y - (foot - rise))
    trunk = (np.abs(_X - x) < 0.09 * wide) & (np.abs(_Y - foot + rise / 2) < rise / 2)
    return _mix(np.where(trunk, tone - 30, image), crown, inside, 0.25)


def _lot(rng: np.random.Generator, horizon: float) -> Array:
    """A gravel lot before a far building with windows."""
    facade = rng.uniform(165, 190) + 4 * _texture(rng, 1.0)[: len(_Y)]
    pitch, offset = rng.uniform(17, 24), rng.uniform(0, 20)
    window = ((_X + offset) % pitch < 0.5 * pitch) & ((_Y - horizon + 90) % 19 < 10) & (_Y - horizon < -7)
    facade = np.where(window, facade - rng.uniform(30, 55), facade)
    hedge = rng.uniform(105, 130) + 10 * _texture(rng, 2.0)[: len(_Y)]
    image = _mix(facade, hedge, _Y - (horizon - 5 - 1.2 * _band(rng, 50)), 0.8)
    gravel = rng.uniform(120, 215) + 0.2 * (_Y - max(horizon, 0)) + rng.uniform(3, 12) * _ground(rng, horizon, 1.5, 1.5)
    return _mix(image, gravel, _Y - horizon, 0.8)


def _wall(rng: np.random.Generator, horizon: float) -> Array:
    """A pavement along a wall of bricks or planks; the wall's foot stands where others have a far horizon."""
    foot = horizon + rng.uniform(30, 38)
    wall = rng.uniform(110, 190) + 7 * _texture(rng, 1.2)[: len(_Y)]
    if rng.random() < 0.5:
        row = np.floor((_Y - foot) / 5.0)
        along = (_X + 6.5 * (row % 2)) / 13.0
        tint = rng.normal(0, 7, (64, 64))[row.astype(int) % 64, np.floor(along).astype(int) % 64]
        joint = ((_Y - foot) % 5.0 < 0.9) | (along % 1.0 < 0.07)
        wall = np.where(joint, wall + rng.uniform(14, 24), wall + tint)
    else:
        plank = np.floor(_X / 9.0).astype(int)
        wall = wall + rng.normal(0, 6, 64)[plank % 64] - 22.0 * (_X % 9.0 < 0.8)
    wall = wall - 25 * np.exp(-np.clip(foot - _Y, 0, None) / 4)
    pavement = rng.uniform(110, 185) + 0.3 * (_Y - max(foot, 0)) + 7 * _ground(rng, horizon - 5, 1.5, 1.4)
    return _mix(wall, pavement, _Y - foot, 0.5)


def _room(rng: np.random.Generator) -> Array:
    """A room with a plain lit wall, a skirting board and a smooth floor."""
    foot = rng.uniform(82, 108)
    lamp_x, lamp_y = rng.uniform(0, 160), rng.uniform(-10, 70)
    pool = np.exp(-((_X - lamp_x) ** 2 + 1.6 * (_Y - lamp_y) ** 2) / (2 * rng.uniform(40, 85) ** 2))
    wall = rng.uniform(70, 155) + rng.uniform(20, 100) * pool + 2.0 * _texture(rng, 0.6)[: len(_Y)]
    door, wide = rng.uniform(-10, 150), rng.uniform(26, 34)
    inside = np.abs(_X - door) < wide / 2
    frame = (np.abs(np.abs(_X - door) - wide / 2) < 1.3) & (_Y > 18)
    if rng.random() < 0.6:
        wall = np.where(inside & (_Y > 18), wall - rng.uniform(12, 30), wall)
        wall = np.where(frame | (inside & (np.abs(_Y - 18) < 1.3)), wall - 38, wall)
    wall = np.where(_Y - foot > -4, rng.uniform(95, 130), wall)
    floor = rng.uniform(70, 150) + 0.6 * (_Y - foot) + 2 * _ground(rng, foot - 30, 0.3, 0.7)
    floor = floor + 0.35 * (cv2.GaussianBlur(cv2.flip(wall, 0), (0, 0), 9) - 150)  # the wall's sheen
    return _mix(wall, floor, _Y - foot, 0.5)


def _uneven_light(rng: np.random.Generator) -> Array:
    """Give the slow change of brightness across the view and towards its corners."""
    x, y = (_X - 80) / 80, (_Y - 60) / 60
    slope = rng.uniform(-0.08, 0.08) * x + rng.uniform(-0.05, 0.05) * y
    return (rng.uniform(0.92, 1.06) + slope - 0.05 * (x**2 + y**2)).astype(np.float32)


def _mix(far: Array, near: Array, distance: Array, width: float) -> Array:
    """Blend from ``far`` (distance < 0) to ``near`` (distance > 0) over an edge of the given width."""
    share = np.clip(distance / width + 0.5, 0, 1)
    return (far * (1 - share) + near * share).astype(np.float32)


def _band(rng: np.random.Generator, bumps: int) -> Array:
    """Smooth random curve over the columns, about ±1."""
    curve = rng.normal(size=(1, bumps)).astype(np.float32)
    return cv2.resize(curve, (_X.shape[1], 1), interpolation=cv2.INTER_CUBIC)


def _texture(rng: np.random.Generator, roughness: float) -> Array:
    """Fractal noise (_TILE, _TILE) of unit variance; the rougher, the more of it is in fine grains."""
    total = np.zeros((_TILE, _TILE), np.float32)
    for octave, cells in enumerate((8, 20, 50, 130, _TILE)):
        grain = rng.normal(size=(cells, cells)).astype(np.float32)
        total += roughness**octave * cv2.resize(grain, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC)
    return (total - total.mean()) / total.std()


def _ground(rng: np.random.Generator, horizon: float, fineness: float, roughness: float) -> Array:
    """Noise on a plane seen in perspective: grains shrink and fade towards the horizon."""
    below = np.maximum(_Y - horizon, 1.0)
    fineness *= max(1.0, (100 - horizon) / 55)  # seen from above, the ground is nearer
    u = 1000 + (_X - 80) / below * 100 * fineness
    v = 6000 / below * fineness
    tile = _texture(rng, roughness)
    across, away = (
        np.abs((w + _TILE - 1) % (2 * _TILE - 2) - _TILE + 1).astype(np.float32) for w in (u, v)
    )  # repeats without seams
    return cv2.remap(tile, across, away, cv2.INTER_LINEAR) * np.clip(below / 25, 0, 1)
