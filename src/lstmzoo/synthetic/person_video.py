"""Videos of one person doing one action: scene, camera and figure, frame by frame, from a script."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from lstmzoo.synthetic.body import Look, random_look
from lstmzoo.synthetic.figure import Figure, View, cast_shadow
from lstmzoo.synthetic.gait import box, clap, travel, wave
from lstmzoo.synthetic.scene import HEIGHT, WIDTH, Scene, random_scene
from lstmzoo.synthetic.script import find_person, stream, write_script

Array = np.ndarray

_POSES = {"boxing": box, "handclapping": clap, "handwaving": wave}  # all others travel
_BODY, _CLOTHES, _SCENE, _NOISE = 0, 1, 2, 5  # independent random streams; `script` has others


def shoot(person: int, action: str, scenario: int, seed: int, gap: int = 0) -> Iterator[Array]:
    """Yield the images (120, 160) uint8 of the video that :func:`write_script` plans, then `gap` of the empty scene."""
    script, performer = write_script(person, action, scenario, seed), find_person(person, seed)
    scene = random_scene(scenario, script.horizon, stream(seed, _SCENE, person, scenario))
    zoom = script.zoom
    view = View(*scene.zoomed(script.x, script.row, zoom), script.height * zoom, script.yaw)
    joints = _POSES.get(action, travel)(script.phase, performer.style)
    figure = Figure(joints, view, _look(person, scenario, seed), scene.light, scene.relief)
    outlines = cast_shadow(joints, view, scene.slant)
    if scene.wall:
        outlines += cast_shadow(joints, view, (0.0, -1.0), scene.wall)
    shadow = [np.rint(8 * outline - 4).astype(np.int32) for outline in outlines]
    noise = stream(seed, _NOISE, person, scenario, *action.encode())
    grain = np.rint(noise.normal(0, scene.noise, (3 * HEIGHT, 3 * WIDTH))).astype(np.int16)
    offsets = noise.integers((0, 0), (2 * HEIGHT, 2 * WIDTH), (len(script.x), 2))
    share = np.arange(len(offsets)) / noise.uniform(40, 200)
    drift = 1 + noise.uniform(0, 0.05) * np.sin(2 * np.pi * (share + noise.random()))  # cameras adapt to the light
    for frame, (row, column) in enumerate(offsets):
        image = scene.view(float(zoom[frame])).copy()
        image = _with_shadow(image, scene, [outline[frame] for outline in shadow])
        figure.paint(frame, image)
        image = _exposed(image, scene, drift[frame])
        yield cv2.add(image, grain[row : row + HEIGHT, column : column + WIDTH], dtype=cv2.CV_8U)
    empty = _exposed(scene.view(1.0), scene)  # whatever the action was
    for row, column in noise.integers((0, 0), (2 * HEIGHT, 2 * WIDTH), (gap, 2)):
        yield cv2.add(empty, grain[row : row + HEIGHT, column : column + WIDTH], dtype=cv2.CV_8U)


def _exposed(image: Array, scene: Scene, gain: float = 1.0) -> Array:
    """What lens and camera make of the light."""
    image = cv2.LUT(cv2.GaussianBlur(image, (3, 3), scene.blur), scene.exposure)
    return cv2.convertScaleAbs(image, alpha=gain)


def _with_shadow(image: Array, scene: Scene, outlines: list[Array]) -> Array:
    """Darken an image by a soft shadow, outlined in fixed point (4 bits) at half the resolution."""
    mask = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    for outline in outlines:
        cv2.fillConvexPoly(mask, outline, 255, cv2.LINE_8, 4)
    soft = cv2.GaussianBlur(mask, (7, 7), scene.softness / 2)
    remaining = cv2.convertScaleAbs(soft, alpha=-scene.shade, beta=255)
    remaining = cv2.resize(remaining, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(image, remaining, scale=1 / 255)


def _look(person: int, scenario: int, seed: int) -> Look:
    outfit = 3 if scenario == 3 else 0  # other clothes in scenario 3 only
    clothes = stream(seed, _CLOTHES, person, outfit)
    return random_look(stream(seed, _BODY, person, 1), clothes, dressed_up=scenario == 3)
