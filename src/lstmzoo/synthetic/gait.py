"""Body poses over time: where every joint of a moving figure is at each phase of its action.

Lengths are in units of body height. The figure stands with the pelvis above the origin; x points forward,
y up and z to its left. All functions take the phase in cycles, one number per frame, and return joints as
``{name: (N, 3)}``; one cycle is two steps, two punches, one clap or one wave.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Joints = dict[str, Array]

HIP, SHOULDER, ANKLE = 0.515, 0.80, 0.045  # heights above the ground
UPPER_ARM, FOREARM, THIGH, SHIN, FOOT = 0.17, 0.165, 0.245, 0.235, 0.14


@dataclass(frozen=True)
class Style:
    """How one person moves; the three gaits share it, so that no single pose tells them apart.

    Attributes:
        stride: distance travelled per gait cycle.
        lift: height of the swinging foot.
        lean: forward lean of the trunk, in radians.
        elbow: mean elbow flexion, in radians.
        swing: amplitude of the arm swing, in radians.
        bob: amplitude of the vertical movement of the pelvis.
        sink: how much lower the pelvis is than with straight legs.
        shoulders: half the width between the shoulders.
        hips: half the width between the hips.
        reach: share of the arm's length used when waving, clapping and punching.
        arc: angles between which arms wave, in radians from straight down.
        clap: how wide hands are apart before a clap, and the height where they meet.
        crouch: how far a boxer crouches, 0 to 1; most stand upright.
        guard: how far in front of the body and how high his hands wait.
        punch: height of his punches.
        twist: how far his shoulders turn with them, in radians.
        dwell: how long boxing arms stay out, 0 to 1.
    """

    stride: float
    lift: float
    lean: float
    elbow: float
    swing: float
    bob: float
    sink: float
    shoulders: float
    hips: float
    reach: float
    arc: tuple[float, float]
    clap: tuple[float, float]
    crouch: float
    guard: tuple[float, float]
    punch: float
    twist: float
    dwell: float


def random_style(rng: np.random.Generator) -> Style:
    """Draw a person's way of moving."""
    return Style(
        stride=rng.uniform(0.72, 0.90),
        lift=rng.uniform(0.05, 0.22),
        lean=rng.uniform(0.0, 0.16),
        elbow=rng.uniform(0.15, 1.7),
        swing=rng.uniform(0.2, 0.75),
        bob=rng.uniform(0.006, 0.02),
        sink=rng.uniform(0.014, 0.035),
        shoulders=rng.uniform(0.095, 0.125),
        hips=rng.uniform(0.045, 0.062),
        reach=rng.uniform(0.82, 0.98),
        arc=(rng.uniform(0.25, 1.3), rng.uniform(2.4, 3.1)),
        clap=(rng.uniform(0.14, 0.36), rng.uniform(0.64, 0.82)),
        crouch=rng.uniform(0.0, 1.0) ** 2,
        guard=(rng.uniform(0.08, 0.2), rng.uniform(0.66, 0.86)),
        punch=rng.uniform(0.76, 0.90),
        twist=rng.uniform(0.15, 0.7),
        dwell=rng.uniform(0.0, 1.0),
    )


def travel(phase: Array, style: Style) -> Joints:
    """Walk, jog or run: one and the same cycle of poses, whatever the cadence.

    A foot is on the ground for half the cycle; there it moves back as fast as the body moves forward, so that
    it does not slide when the body travels ``style.stride`` per cycle.
    """
    bob = -style.sink - style.bob * np.cos(4 * np.pi * phase)
    joints = _trunk(style, np.full_like(phase, style.lean), bob, twist=0.18 * np.sin(2 * np.pi * phase))
    for side, sign, shift in (("left", 1.0, 0.0), ("right", -1.0, 0.5)):
        _leg(joints, side, *_foot_path((phase + shift) % 1.0, style, sign))
        swing = -style.swing * np.cos(2 * np.pi * (phase + shift - 0.04)) + 0.1 - style.lean
        bend = style.elbow + 0.3 * style.swing * np.sin(2 * np.pi * (phase + shift + 0.3))
        _swinging_arm(joints, side, sign, swing, bend)
    return joints


def wave(phase: Array, style: Style) -> Joints:
    """Wave both arms in an arc from beside the body to overhead and back."""
    joints = _standing(phase, style)
    low, high = style.arc
    raise_angle = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(2 * np.pi * phase)
    length = style.reach * (UPPER_ARM + FOREARM)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hand = joints[f"{side}_shoulder"] + length * np.stack(
            [0.12 * np.sin(raise_angle), -np.cos(raise_angle), sign * np.sin(raise_angle)], axis=-1
        )
        _arm(joints, side, hand, pole=(-0.3, -0.6, sign))
    return joints


def clap(phase: Array, style: Style) -> Joints:
    """Clap the hands in front of the chest."""
    joints = _standing(phase, style)
    apart, (width, height) = 0.5 - 0.5 * np.cos(2 * np.pi * phase), style.clap
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hand = np.stack(
            [
                0.30 * style.reach - 0.10 * apart,
                height - 0.02 * apart,
                sign * (0.012 + width * style.reach * apart),
            ],
            axis=-1,
        )
        _arm(joints, side, hand, pole=(-0.5, -1.0, 0.7 * sign))
    return joints


def box(phase: Array, style: Style) -> Joints:
    """Box the air with alternating punches from a guard in front of the chin, upright or crouching, one foot ahead."""
    turn = style.twist * np.sin(2 * np.pi * phase)
    bob = -0.008 - 0.03 * style.crouch + 0.006 * np.cos(4 * np.pi * phase)
    joints = _trunk(style, np.full_like(phase, 0.6 * style.lean * style.crouch + 0.01), bob, twist=turn)
    joints = {name: point + (0.015 * np.sin(2 * np.pi * phase))[:, None] * (1, 0, 0) for name, point in joints.items()}
    for side, sign, ahead in (("left", 1.0, 0.11), ("right", -1.0, -0.12)):
        ankle = np.broadcast_to(
            (ahead * (0.15 + 0.85 * style.crouch), ANKLE, sign * (style.hips + 0.02)), (len(phase), 3)
        )
        _leg(joints, side, ankle, np.zeros_like(phase))
        punch = np.clip(-sign * np.sin(2 * np.pi * phase), 0, None) ** (1.0 - 0.6 * style.dwell)
        guard = np.array([*style.guard, sign * 0.065])
        target = np.array([0.42 * style.reach, style.punch, sign * 0.03])
        _arm(joints, side, guard + punch[:, None] * (target - guard), pole=(-0.1, -1.0, 0.35 * sign))
    return joints


def _standing(phase: Array, style: Style) -> Joints:
    """Stand upright, feet a little apart, breathing with the movement of the arms."""
    bob = -0.008 + 0.004 * np.sin(2 * np.pi * phase)
    joints = _trunk(style, np.full_like(phase, 0.02), bob, twist=np.zeros_like(phase))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ankle = np.broadcast_to((-0.01, ANKLE, sign * (style.hips + 0.018)), (len(phase), 3))
        _leg(joints, side, ankle, np.zeros_like(phase))
    return joints


def _trunk(style: Style, lean: Array, bob: Array, twist: Array) -> Joints:
    """Place pelvis, hips, shoulders, neck and head; ``twist`` turns shoulders against hips."""
    zero = np.zeros_like(bob)
    pelvis = np.stack([zero, HIP + bob, zero], axis=-1)

    def up(height: float, gain: float = 1.0) -> Array:
        return pelvis + height * np.stack([np.sin(gain * lean), np.cos(gain * lean), zero], axis=-1)

    joints = {"pelvis": pelvis, "waist": up(0.10), "chest": up(0.20), "neck": up(SHOULDER - HIP + 0.035)}
    joints["head"] = joints["neck"] + 0.095 * np.stack([np.sin(0.6 * lean) + 0.12, np.cos(0.6 * lean), zero], axis=-1)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        across = np.stack([sign * np.sin(twist), zero, sign * np.cos(twist)], axis=-1)
        counter = np.stack([-sign * np.sin(0.5 * twist), zero, sign * np.cos(0.5 * twist)], axis=-1)
        joints[f"{side}_shoulder"] = up(SHOULDER - HIP) + style.shoulders * across
        joints[f"{side}_hip"] = pelvis + style.hips * counter
    return joints


def _foot_path(phase: Array, style: Style, sign: float) -> tuple[Array, Array]:
    """Give the ankle's place and the foot's pitch (toes down > 0) over one cycle."""
    half = 0.25 * style.stride  # stance lasts half a cycle, during which the body travels half a stride
    stance = phase < 0.5
    s = np.clip(2 * phase - 1, 0, 1)  # progress of the swing
    # A cubic that leaves and meets the ground with the ground's own speed, seen from the body.
    swing_x = half * (-1 - 2 * s + 12 * s**2 - 8 * s**3)
    x = np.where(stance, half * (1 - 4 * phase), swing_x)
    heel_up = 0.05 * np.clip((phase - 0.3) / 0.2, 0, 1) ** 2
    lift = style.lift * np.sin(np.pi * s**0.8) + 0.05 * (1 - s) ** 3
    y = ANKLE + np.where(stance, heel_up, lift)
    toes_down = 0.75 * np.clip((phase - 0.3) / 0.2, 0, 1) ** 2
    recover = 0.75 * (1 - s) ** 1.5 + 0.5 * np.sin(np.pi * s) * (1 - s) - 0.35 * s**2
    strike = -0.35 * np.clip(1 - phase / 0.12, 0, 1)
    pitch = np.where(stance, toes_down + strike, recover)
    return np.stack([x - 0.02, y, np.full_like(x, sign * 0.85 * style.hips)], axis=-1), pitch


def _leg(joints: Joints, side: str, ankle: Array, pitch: Array) -> None:
    """Bend the knee so that hip and ankle meet, and set heel and toe."""
    hip = joints[f"{side}_hip"]
    knee, ankle = _two_bones(hip, ankle, THIGH, SHIN, pole=(1.0, 0.0, 0.0))
    along = np.stack([np.cos(pitch), -np.sin(pitch), np.zeros_like(pitch)], axis=-1)
    down = np.stack([-np.sin(pitch), -np.cos(pitch), np.zeros_like(pitch)], axis=-1)
    joints[f"{side}_knee"], joints[f"{side}_ankle"] = knee, ankle
    joints[f"{side}_heel"] = ankle + 0.025 * down - 0.22 * FOOT * along
    joints[f"{side}_toe"] = ankle + 0.030 * down + 0.68 * FOOT * along


def _arm(joints: Joints, side: str, hand: Array, pole: tuple[float, float, float]) -> None:
    """Reach for ``hand`` with the elbow pointing towards ``pole``."""
    shoulder = joints[f"{side}_shoulder"]
    joints[f"{side}_elbow"], joints[f"{side}_hand"] = _two_bones(shoulder, hand, UPPER_ARM, FOREARM, pole)


def _swinging_arm(joints: Joints, side: str, sign: float, swing: Array, bend: Array) -> None:
    """Hang the upper arm at angle ``swing`` from straight down and flex the elbow by ``bend``."""

    def direction(angle: Array, outwards: float) -> Array:
        return np.stack([np.sin(angle), -np.cos(angle), np.full_like(angle, outwards * sign)], axis=-1)

    elbow = joints[f"{side}_shoulder"] + UPPER_ARM * direction(swing, 0.16)
    joints[f"{side}_elbow"] = elbow
    joints[f"{side}_hand"] = elbow + FOREARM * direction(swing + bend, -0.15)


def _two_bones(
    root: Array, target: Array, first: float, second: float, pole: tuple[float, float, float]
) -> tuple[Array, Array]:
    """Solve a chain of two bones: the middle joint bends towards ``pole``; a target out of reach is pulled in."""
    offset = target - root
    distance = np.linalg.norm(offset, axis=-1, keepdims=True)
    along = offset / distance
    reach = np.clip(distance, abs(first - second) + 1e-3, 0.999 * (first + second))
    toward = np.asarray(pole) - (along * np.asarray(pole)).sum(-1, keepdims=True) * along
    toward = toward / np.linalg.norm(toward, axis=-1, keepdims=True)
    foot = (first**2 - second**2 + reach**2) / (2 * reach)
    height = np.sqrt(np.clip(first**2 - foot**2, 0, None))
    return root + foot * along + height * toward, root + reach * along
