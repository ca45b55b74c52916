"""DAVIS, densely annotated video segmentation, and simulated sequences in its layout.

Perazzi et al., "A benchmark dataset and evaluation methodology for video object segmentation", CVPR 2016 (one object);
Pont-Tuset et al., "The 2017 DAVIS challenge on video object segmentation" (several objects). For non-commercial use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstmzoo.errors import DataError
from lstmzoo.registry import register_dataset
from lstmzoo.segmentation.data.layout import SIMULATED_MARKER
from lstmzoo.segmentation.data.mask_folder import MaskFolder
from lstmzoo.segmentation.data.prepare import prepare
from lstmzoo.synthetic.marked_folder import is_ours, read_marker

TRAIN, VAL, TEST, FRAMES, SIZE = 24, 8, 8, 40, (96, 160)  # what is simulated unless something else is asked for


@register_dataset("davis", "segmentation", root="data/davis")
class DAVIS(MaskFolder):
    """DAVIS 2016 or 2017; ``lstmzoo data prepare davis`` downloads it.

    Arguments and items are those of `MaskFolder`.
    """

    licence = "CC-BY-NC-4.0"

    prepare: Any = staticmethod(prepare)

    @staticmethod
    def simulate(
        root: str | Path,
        train: int = TRAIN,
        val: int = VAL,
        test: int = TEST,
        frames: int = FRAMES,
        size: tuple[int, int] = SIZE,
        seed: int = 0,
        occlusion: int = 0,
        backgrounds: Path | None = None,
        textures: Path | None = None,
        objects: Path | None = None,
        classes: bool = False,
    ) -> str | None:
        """Write sequences of objects among identical distractors, with masks; only the first frames tell them apart.

        With photographs, pieces of some move before others, and nothing but their motion tells them from what is glued
        to the background. To train on such videos, give ``data.backgrounds=FOLDER``: none is ever seen twice.

        Args:
            root: folder of the data set: a new or empty one, or one that was simulated with the same numbers.
            train: sequences to train on.
            val: sequences to validate on.
            test: sequences to test on.
            frames: frames per sequence, 10 or more and those of the occlusion.
            size: height and width in pixels, each 48 or more.
            seed: every seed gives other sequences.
            occlusion: frames for which one curtain occludes everything in every sequence; 0: passing bars.
            backgrounds: folder of photographs to make the sequences of, e.g. with size=240,427.
            textures: folder of the photographs that the objects are cut out of; null: those of the backgrounds.
            objects: folder of annotated videos in the layout of DAVIS; half of the objects are cut out of those in its
                list train, with their own motion. null: all are pieces of photographs.
            classes: write the same frames with the class of every pixel instead of masks: ground, bar, and shapes by
                the number of their lobes; read by data=label_folder.

        Returns:
            The name of the data set that reads what is written, where it is another one.

        Raises:
            LstmzooError: an option out of its range, or classes of photographs.
            DataError: the folder holds anything else, or there are no photographs, or no masks to cut objects out by.
        """
        from lstmzoo.segmentation.data.photographs import Photographs
        from lstmzoo.segmentation.data.simulator import simulate_davis

        photographs = Photographs.of(backgrounds, textures, objects)
        simulate_davis(Path(root), train, val, test, frames, size, seed, occlusion, photographs, classes)
        return "label_folder" if classes else None


@register_dataset(
    "davis_simulated",
    "segmentation",
    root="data/davis_simulated",
    test_list="test",
    size=SIZE,
    clip_len=20,
    max_skip=2,
    from_start=1.0,
    scale=(0.7, 1.0),
    clips_per_sequence=2,
)
class SimulatedDAVIS(DAVIS):
    """A simulated DAVIS: objects are occluded for a while, among distractors that only the first frames tell apart.

    Arguments and items are those of `MaskFolder`.
    """

    licence = "MIT"
    prepare = None  # there is nothing to download

    @staticmethod
    def simulate_missing(
        root: Path,
        train_sequences: int = TRAIN,
        val_sequences: int = VAL,
        test_sequences: int = TEST,
        simulated_frames: int = FRAMES,
        simulated_size: tuple[int, int] = SIZE,
        simulation_seed: int = 0,
        occlusion: int = 0,
        *,
        dry_run: bool = False,
    ) -> None:
        """Simulate the data set where it is missing or incomplete; a folder with anything else is left as it is.

        Args:
            root: folder of the data set.
            train_sequences: sequences to simulate for training.
            val_sequences: sequences to simulate for validation.
            test_sequences: sequences to simulate for the test.
            simulated_frames: frames per simulated sequence, 10 or more and those of the occlusion.
            simulated_size: height and width of simulated frames in pixels, each 48 or more.
            simulation_seed: every seed gives other sequences.
            occlusion: frames for which one curtain occludes everything in every sequence, while nothing moves; 0:
                passing bars.
            dry_run: only check that it can be done.

        Raises:
            LstmzooError: a number out of its range.
            DataError: the folder holds a simulated set of other sequences.
        """
        from lstmzoo.segmentation.data.simulator import check_numbers, simulate_davis

        if not is_ours(root, SIMULATED_MARKER):
            return
        options: dict[str, Any] = {
            "data.train_sequences": train_sequences,
            "data.val_sequences": val_sequences,
            "data.test_sequences": test_sequences,
            "data.simulated_frames": simulated_frames,
            "data.simulated_size": simulated_size,
            "data.simulation_seed": simulation_seed,
            "data.occlusion": occlusion,
        }
        check_numbers(options)
        simulated = (root / SIMULATED_MARKER).is_file()
        if simulated:
            _check_same(root, options)
        if not dry_run:
            if not simulated:
                print(f"There is no data in {root} yet: simulating DAVIS")
            simulate_davis(root, *options.values())


def _check_same(root: Path, options: dict[str, Any]) -> None:
    """Refuse a simulated set of other sequences than those asked for, and say how to train on it all the same."""
    found = {"occlusion": 0, **read_marker(root / SIMULATED_MARKER)}
    wanted = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
    names = dict(zip(("train", "val", "test", "frames", "size", "seed", "occlusion"), wanted, strict=True))
    differing = {key: found[name] for name, key in names.items() if name in found and found[name] != wanted[key]}
    if differing:
        there = ", ".join(f"{key}={value}" for key, value in differing.items())
        asked = ", ".join(f"{key}={wanted[key]}" for key in differing)
        raise DataError(
            f"{root} holds a set that was simulated with {there}, and this asks for {asked}. To train on it as it is: "
            f"data=davis data.root={root} data.test_list=test; or give another folder with data.root"
        )
