"""A drawn person: the parts of a body as shaded round shapes, and the body's shadow on the ground.

Every limb is a tapered capsule and every trunk part the hull of a few discs. Each is painted several times,
smaller and lighter towards the light, at three times the size of the image, then averaged down: that gives
soft edges and a rounded look for about half a millisecond a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lstmzoo.synthetic.body import Look, Part, parts
from lstmzoo.synthetic.gait import Joints

Array = np.ndarray

_FINE = 3  # the figure is drawn this many times larger than the image
_SHIFT = 4  # fractional bits of the polygon corners
_TILT = 0.10  # how much lower a nearer point appears: the camera looks down a little
_LEVELS = ((1.0, 0.0, -0.32), (0.78, 0.12, -0.08), (0.42, 0.32, 0.10))  # size, offset towards the light, tone
_ARC = np.linspace(-1.0, 1.0, 8)
_CIRCLE = np.linspace(0.0, 2 * np.pi, 12, endpoint=False)
_SMALL = 0.03  # discs below this radius are too small for the middle level of shading


@dataclass(frozen=True)
class View:
    """How a figure stands before the camera, one value per frame.

    Attributes:
        x: (N,) column of the pelvis, in pixels.
        ground: (N,) row of the ground below the pelvis, in pixels.
        height: (N,) height of the body, in pixels.
        yaw: (N,) heading in radians: 0 to the right, π to the left, π/2 towards the camera.
    """

    x: Array
    ground: Array
    height: Array
    yaw: Array

    def project(self, point: Array) -> tuple[Array, Array]:
        """Map points (N, 3) in body units to pixels (N, 2) and depth (N,), positive towards the camera."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        depth = point[:, 0] * sin + point[:, 2] * cos
        column = self.x + self.height * (point[:, 0] * cos - point[:, 2] * sin)
        row = self.ground + self.height * (_TILT * depth - point[:, 1])
        return np.stack([column, row], axis=-1), depth


class Figure:
    """One person through a video: joints, view and look turned into polygons, painted frame by frame.

    Args:
        joints: pose of every frame, as from :mod:`lstmzoo.synthetic.gait`.
        view: place, size and heading in every frame.
        look: body and clothes.
        light: unit vector (x, y) in the image towards the light.
        relief: how strongly light and shade model the body, 0 to 1.
    """

    def __init__(self, joints: Joints, view: View, look: Look, light: tuple[float, float], relief: float = 1.0) -> None:
        body = [(part, *_discs(part, view)) for part in parts(joints, look)]
        self._size, self._corner = _cut_out(view, [(centres, radii) for _, centres, radii, _ in body])
        self._canvas = np.zeros((self._size[0] * _FINE, self._size[1] * _FINE, 2), np.uint8)
        # Per group and level of shading: the fills of that level, each with corners and tone for every frame.
        self._fills: dict[str, list[list[tuple[list[Array], list[float], bool]]]] = {}
        depths: dict[str, list[Array]] = {}
        for part, centres, radii, depth in body:
            tone = part.tone * (1 + np.clip(2.0 * depth, -0.2, 0))  # the far side of the body is darker
            levels = self._fills.setdefault(part.group, [[] for _ in _LEVELS])
            for level, (scale, offset, change) in enumerate(_LEVELS):
                gain = 1 + relief * change
                if level == 1 and max(part.radii) < _SMALL:
                    continue
                shifted = centres + offset * radii[..., None] * np.asarray(light)
                corners = self._fixed_point(_hull_points(shifted, scale * radii))
                tones = np.clip(gain * tone + 30 * (gain - 1), 4, 250).tolist()
                levels[level].append((list(corners), tones, len(part.radii) > 2))
            depths.setdefault(part.group, []).append(depth)
        self._order = _paint_order({group: np.mean(values, axis=0) for group, values in depths.items()})

    def paint(self, frame: int, image: Array) -> None:
        """Paint the figure of one frame into ``image`` (H, W) uint8, in place; parts outside are cut off."""
        (left, top), (rows, columns) = self._corner[frame], self._size
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + columns, image.shape[1]), min(top + rows, image.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        self._canvas[:] = 0
        for group in self._order[frame]:
            # Level by level over the whole limb, so that no dark rim shows at elbows and knees.
            for level in self._fills[group]:
                for corners, tones, loose in level:
                    outline = cv2.convexHull(corners[frame]) if loose else corners[frame]
                    cv2.fillConvexPoly(self._canvas, outline, (tones[frame], 255), cv2.LINE_8, _SHIFT)
        small = cv2.resize(self._canvas, (columns, rows), interpolation=cv2.INTER_AREA)
        small = small[y0 - top : y1 - top, x0 - left : x1 - left]
        behind = cv2.multiply(image[y0:y1, x0:x1], 255 - small[..., 1], scale=1 / 255)
        image[y0:y1, x0:x1] = cv2.add(behind, small[..., 0])

    def _fixed_point(self, corners: Array) -> Array:
        """Turn corners (N, P, 2) in pixels of the image into fixed-point corners on the canvas."""
        fine = (corners - self._corner[:, None] + 0.5) * _FINE - 0.5
        return np.rint(fine * (1 << _SHIFT)).astype(np.int32)


def cast_shadow(
    joints: Joints, view: View, slant: tuple[float, float], shift: tuple[float, float] = (0.0, 0.0)
) -> list[Array]:
    """Outline the body's shadow on the ground, or on a wall behind it.

    Args:
        joints: pose of every frame.
        view: place, size and heading in every frame.
        slant: (x, y) displacement of the shadow of a point one unit above the ground, in the image; (0, -1) is
            upright, as on a wall.
        shift: (x, y) displacement of the whole shadow, in body heights.

    Returns:
        One array (N, P, 2) per part of the body, in pixels.
    """
    bones = [("pelvis", "neck", 0.085), ("head", "head", 0.06)]
    for side in ("left", "right"):
        chain = [("hip", "knee", 0.05), ("knee", "heel", 0.035), ("heel", "toe", 0.025)]
        chain += [("shoulder", "elbow", 0.035), ("elbow", "hand", 0.025)]
        bones += [(f"{side}_{start}", f"{side}_{end}", radius) for start, end, radius in chain]
    outlines = []
    for start, end, radius in bones:
        ends = []
        for point in (joints[start], joints[end]):
            flat, _ = view.project(point * (1, 0, 1))
            ends.append(flat + view.height[:, None] * (point[:, 1:2] * np.asarray(slant) + np.asarray(shift)))
        centres = np.stack(ends, axis=1)
        corners = _hull_points(centres, np.repeat((radius * view.height)[:, None], 2, axis=1))
        middle = centres.mean(axis=1, keepdims=True)
        outlines.append(middle + (corners - middle) * (1.0, 0.75))  # discs on the ground look flat
    return outlines


def _cut_out(view: View, discs: list[tuple[Array, Array]]) -> tuple[tuple[int, int], Array]:
    """Find a rectangle that holds the figure in any frame: (rows, columns) and its corners (N, 2) in the image."""
    foot = np.stack([view.x, view.ground], axis=-1)
    low = np.min([(centres - radii[..., None]).min(axis=1) - foot for centres, radii in discs], axis=(0, 1))
    high = np.max([(centres + radii[..., None]).max(axis=1) - foot for centres, radii in discs], axis=(0, 1))
    columns, rows = np.ceil(high - low).astype(int) + 3
    return (int(rows), int(columns)), np.floor(foot + low).astype(int) - 1


def _discs(part: Part, view: View) -> tuple[Array, Array, Array]:
    """Project discs to pixels (N, D, 2) with radii (N, D) and mean depth (N,); nearer ones look larger."""
    projected = [view.project(point) for point in part.centres]
    centres = np.stack([pixels for pixels, _ in projected], axis=1)
    depth = np.stack([depth for _, depth in projected], axis=1)
    return centres, np.asarray(part.radii) * view.height[:, None] * (1 + 0.4 * depth), depth.mean(axis=1)


def _paint_order(depth: dict[str, Array]) -> list[list[str]]:
    """Names of the groups from back to front, for every frame."""
    orders = []
    for frame in range(len(depth["trunk"])):
        arms = sorted(("left arm", "right arm"), key=lambda group: depth[group][frame])
        legs = sorted(("left leg", "right leg"), key=lambda group: depth[group][frame])
        hidden = [arm for arm in arms if depth[arm][frame] < -0.02]
        bag_in_front = "bag" in depth and depth["bag"][frame] > 0
        order = [
            *hidden,
            *legs,
            "backpack",
            *([] if bag_in_front else ["bag"]),
            "hair",
            "neck",
            "seat",
            "trunk",
            "stripe",
        ]
        order += ["strap", "head", *(["bag"] if bag_in_front else []), *(arm for arm in arms if arm not in hidden)]
        orders.append([group for group in order if group in depth])
    return orders


def _hull_points(centres: Array, radii: Array) -> Array:
    """Corners (N, P, 2) of discs (N, D, 2): in order around a capsule for two, to be hulled for more."""
    if centres.shape[1] > 2:
        circle = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=-1)
        corners = centres[:, :, None] + radii[:, :, None, None] * circle
        return corners.reshape(len(corners), -1, 2)
    axis = centres[:, 1] - centres[:, 0]
    length = np.maximum(np.hypot(axis[:, 0], axis[:, 1]), 1e-6)
    heading = np.arctan2(axis[:, 1], axis[:, 0])
    # The outer tangents touch both circles at the angles heading ± tangent.
    tangent = np.arccos(np.clip((radii[:, 0] - radii[:, 1]) / length, -1, 1))
    near = heading[:, None] + np.pi + _ARC * (np.pi - tangent)[:, None]
    far = heading[:, None] + _ARC * tangent[:, None]
    arcs = [
        centres[:, d, None] + radii[:, d, None, None] * np.stack([np.cos(a), np.sin(a)], axis=-1)
        for d, a in ((0, near), (1, far))
    ]
    return np.concatenate(arcs, axis=1)
