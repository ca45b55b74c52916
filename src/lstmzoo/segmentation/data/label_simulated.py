"""A simulated data set with a class for every pixel, for first tries without a download."""

from __future__ import annotations

from pathlib import Path

from lstmzoo.registry import register_dataset
from lstmzoo.segmentation.data.label_folder import LabelFolder
from lstmzoo.segmentation.data.label_simulator import simulate_labels
from lstmzoo.segmentation.data.layout import SIMULATED_MARKER
from lstmzoo.synthetic.marked_folder import is_ours

TRAIN, VAL, TEST, FRAMES, SIZE = 24, 4, 8, 24, (64, 96)  # what is simulated unless something else is asked for


@register_dataset(
    "shapes_simulated",
    "segmentation",
    root="data/shapes_simulated",
    test_list="test",
    size=SIZE,
    clip_len=8,
    scale=(0.7, 1.0),
)
class SimulatedShapes(LabelFolder):
    """Simulated shapes under strong noise, a class for each kind: several frames together show it.

    Arguments and items are those of `LabelFolder`.
    """

    licence = "MIT"

    @staticmethod
    def simulate(
        root: str | Path,
        train: int = TRAIN,
        val: int = VAL,
        test: int = TEST,
        frames: int = FRAMES,
        size: tuple[int, int] = SIZE,
        seed: int = 0,
    ) -> None:
        """Write sequences of moving shapes under noise, and the class of every pixel, in CamVid's layout.

        Args:
            root: folder of the data set: a new or empty one, or one that was simulated with the same numbers.
            train: sequences to train on.
            val: sequences to validate on.
            test: sequences to test on.
            frames: frames per sequence.
            size: height and width in pixels, each 48 or more.
            seed: every seed gives other sequences.

        Raises:
            LstmzooError: an option out of its range.
            DataError: the folder holds anything else.
        """
        numbers = {"train": train, "val": val, "test": test, "frames": frames, "size": size, "seed": seed}
        simulate_labels(Path(root), numbers)

    @staticmethod
    def simulate_missing(
        root: Path,
        train_sequences: int = TRAIN,
        val_sequences: int = VAL,
        test_sequences: int = TEST,
        simulated_frames: int = FRAMES,
        simulated_size: tuple[int, int] = SIZE,
        simulation_seed: int = 0,
        *,
        dry_run: bool = False,
    ) -> None:
        """Simulate the data set where it is missing or incomplete; a folder with anything else is left as it is.

        Args:
            root: folder of the data set.
            train_sequences: sequences to simulate for training.
            val_sequences: sequences to simulate for validation.
            test_sequences: sequences to simulate for the test.
            simulated_frames: frames per simulated sequence.
            simulated_size: height and width of simulated frames in pixels, each 48 or more.
            simulation_seed: every seed gives other sequences.
            dry_run: only check that it can be done.

        Raises:
            LstmzooError: a number out of its range.
            DataError: the folder holds a simulated set of other sequences.
        """
        if not is_ours(root, SIMULATED_MARKER):
            return
        numbers = {
            "data.train_sequences": train_sequences,
            "data.val_sequences": val_sequences,
            "data.test_sequences": test_sequences,
            "data.simulated_frames": simulated_frames,
            "data.simulated_size": simulated_size,
            "data.simulation_seed": simulation_seed,
        }
        simulate_labels(root, numbers, dry_run=dry_run)
