"""What a person looks like: body, clothes, hair and bags as round parts around the joints of a pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstmzoo.synthetic.gait import Joints

Array = np.ndarray


@dataclass(frozen=True)
class Look:
    """What a person looks like; tones are grey values, sizes are factors.

    Attributes:
        skin, hair, top, bottom, shoes: tones.
        sleeves: whether the forearms are covered.
        shorts: whether the shins are bare.
        long_hair: whether hair falls to the shoulders.
        build: thickness of limbs and trunk.
        stripe: tone of a stripe across the chest, or 0.
        coat: whether the top reaches to the middle of the thighs.
        bag: "" | "backpack" | "shoulder".
        hat: tone of a cap, or 0.
    """

    skin: float
    hair: float
    top: float
    bottom: float
    shoes: float
    sleeves: bool
    shorts: bool
    long_hair: bool
    build: float
    stripe: float = 0.0
    coat: bool = False
    bag: str = ""
    hat: float = 0.0


def random_look(person: np.random.Generator, clothes: np.random.Generator, *, dressed_up: bool) -> Look:
    """Draw a look: the body from the stream of the person, the clothes from their own stream.

    Args:
        person: random stream of the person, the same in every scenario.
        clothes: random stream of the clothes.
        dressed_up: whether to add a coat, a bag or a hat, in any combination of at least one.
    """
    skin, hair = person.uniform(100, 200), person.uniform(18, 95)
    long_hair, build = bool(person.random() < 0.3), person.uniform(0.85, 1.3)
    dark_top = clothes.random() < 0.7
    top = clothes.uniform(22, 95) if dark_top else clothes.uniform(120, 235)
    bottom = clothes.uniform(20, 90) if clothes.random() < 0.75 or not dark_top else clothes.uniform(110, 200)
    shoes = clothes.uniform(25, 90) if clothes.random() < 0.6 else clothes.uniform(150, 235)
    sleeves, shorts = bool(clothes.random() < 0.7), bool(clothes.random() < 0.12)
    stripe = (clothes.uniform(190, 230) if dark_top else clothes.uniform(40, 90)) * (clothes.random() < 0.2)
    plain_coat = bool(clothes.random() < 0.25)
    if not dressed_up:
        return Look(
            skin, hair, top, bottom, shoes, sleeves or plain_coat, shorts and not plain_coat, long_hair, build,
            0.0 if plain_coat else stripe, plain_coat,
        )  # fmt: skip
    extras = int(clothes.integers(1, 8))  # one bit each, at least one of them set
    coat, bagged, hatted = bool(extras & 1), bool(extras & 2), bool(extras & 4)
    bag = str(clothes.choice(["backpack", "shoulder"])) if bagged else ""
    hat = clothes.uniform(30, 110) if hatted else 0.0
    return Look(
        skin, hair, top, bottom, shoes, sleeves or coat, shorts and not coat, long_hair, build,
        0.0 if coat else stripe, coat, bag, hat,
    )  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A part of the body: the hull of discs with centres (N, 3) and radii, in body units."""

    group: str
    tone: float
    centres: list[Array]
    radii: list[float]


def parts(joints: Joints, look: Look) -> list[Part]:
    """List the parts of a body, clothes and bags around the joints."""
    b = look.build
    made: list[Part] = []

    def add(group: str, tone: float, discs: list[tuple[Array, float]]) -> None:
        made.append(Part(group, tone, [point for point, _ in discs], [radius for _, radius in discs]))

    forward, up = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    side = {s: joints[f"{s}_shoulder"] - joints["neck"] + 0.035 * up for s in ("left", "right")}
    for s in ("left", "right"):
        shoulder, elbow, hand = (joints[f"{s}_{name}"] for name in ("shoulder", "elbow", "hand"))
        fingers = hand + 0.22 * (hand - elbow)
        arm = f"{s} arm"
        add(arm, look.top, [(shoulder, 0.040 * b), (elbow, 0.032 * b)])
        add(arm, look.top if look.sleeves else look.skin, [(elbow, 0.030 * b), (hand, 0.023 * b)])
        add(arm, look.skin, [(hand, 0.025), (fingers, 0.020)])
        hip, knee, ankle, heel, toe = (joints[f"{s}_{n}"] for n in ("hip", "knee", "ankle", "heel", "toe"))
        leg = f"{s} leg"
        add(leg, look.shoes, [(heel, 0.026), (toe, 0.020)])
        add(leg, look.skin if look.shorts else look.bottom, [(knee, 0.043 * b), (ankle, 0.029 * b)])
        add(leg, look.bottom, [(hip, 0.062 * b), (knee, 0.046 * b)])

    waist = [(joints["waist"] + 0.42 * side[s], 0.056 * b) for s in side]
    hips = [(joints[f"{s}_hip"] + 0.02 * up, 0.060 * b) for s in side]
    shoulders = [(joints[f"{s}_shoulder"] - 0.01 * up, 0.042 * b) for s in side]
    chest = [(joints["chest"] + 0.3 * side[s] + 0.01 * forward, 0.070 * b) for s in side]
    add("seat", look.bottom, [*waist, *hips])
    if look.coat:
        hems = [(0.5 * (joints[f"{s}_hip"] + joints[f"{s}_knee"]), 0.062 * b) for s in side]
        add("trunk", look.top, [*waist, *hips, *hems])
    add("trunk", look.top, [*waist, *((point + 0.035 * up, 0.062 * b) for point, _ in hips)])
    add("trunk", look.top, [*shoulders, *chest, *waist, (joints["neck"] - 0.03 * up, 0.035 * b)])
    if look.stripe:
        add("stripe", look.stripe, [(p + 0.012 * up + 0.02 * forward, 0.022) for p, _ in chest])

    head, neck = joints["head"], joints["neck"]
    add("neck", look.skin * 0.9, [(neck - 0.01 * up, 0.033), (head - 0.03 * up, 0.033)])
    if look.long_hair:
        add("hair", look.hair, [(head - 0.02 * forward, 0.062), (neck - 0.035 * forward + 0.005 * up, 0.045)])
    add("head", look.hair, [(head - 0.016 * forward + 0.014 * up, 0.064), (head - 0.024 * forward - 0.012 * up, 0.052)])
    add("head", look.skin, [(head + 0.020 * forward - 0.010 * up, 0.053), (head + 0.028 * forward - 0.046 * up, 0.037)])
    add("head", look.skin, [(head + 0.062 * forward - 0.004 * up, 0.010), (head + 0.076 * forward - 0.018 * up, 0.009)])
    if look.hat:
        add("head", look.hat, [(head + 0.026 * up, 0.066), (head + 0.038 * up, 0.060)])
        add("head", look.hat * 0.8, [(head + 0.030 * up, 0.014), (head + 0.022 * up + 0.11 * forward, 0.010)])
    if look.bag == "backpack":
        back = joints["chest"] - 0.105 * forward - 0.02 * up
        add(
            "backpack",
            0.5 * look.top + 40,
            [(back + a * up + 0.4 * side[s], 0.050) for s in side for a in (0.06, -0.08)],
        )
    if look.bag == "shoulder":
        bag = joints["left_hip"] + np.array([-0.01, -0.02, 0.065])
        add(
            "bag",
            0.4 * look.top + 75,
            [(bag + np.array([a, c, 0.0]), 0.022) for a in (-0.055, 0.055) for c in (0.04, -0.05)],
        )
        add("strap", 0.4 * look.top + 60, [(joints["right_shoulder"] + 0.02 * up, 0.011), (bag + 0.05 * up, 0.011)])
    return made
