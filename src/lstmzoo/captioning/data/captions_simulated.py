"""Simulated captions as a data set, made where it is missing."""

from pathlib import Path

from lstmzoo.captioning.data.captions_simulator import IMAGES, LEAST, contents, simulate_captions
from lstmzoo.captioning.data.dataset import Captions
from lstmzoo.captioning.data.layouts import SIMULATED_MARKER as MARKER
from lstmzoo.registry import register_dataset
from lstmzoo.synthetic.marked_folder import is_ours
from lstmzoo.synthetic.whole_numbers import check_whole


@register_dataset(
    "captions_simulated", "captioning", root="data/captions_simulated", min_count=1, batch_size=8, num_workers=1
)
class SimulatedCaptions(Captions):
    """Images of coloured shapes with captions, painted where there are none yet."""

    licence = "MIT"
    prepare = None  # type: ignore[assignment]  # there is nothing to download

    @staticmethod
    def can_simulate(root: Path, images: int, simulation_seed: int, agreement: int) -> bool:
        """Whether a folder holds a simulated set, or may become one.

        Raises:
            LstmzooError: it may, but the numbers are impossible.
        """
        if not is_ours(root, MARKER):
            return False
        check_whole("data.images", images, LEAST)
        check_whole("data.simulation_seed", simulation_seed, 0)
        check_whole("data.agreement", agreement, 0)
        return True

    @staticmethod
    def simulate_missing(root: Path, images: int = IMAGES, simulation_seed: int = 0, agreement: int = 0) -> None:
        """Make or complete a simulated set; a finished one, or a folder with anything else, is left as it is.

        Args:
            root: its folder.
            images: to paint where there are none; a set that is there is taken as it is.
            simulation_seed: every seed gives other images and captions.
            agreement: captions whose last word agrees with their first, with so many words counted between;
                data.max_words has to leave room for them. 0: descriptions.

        Raises:
            LstmzooError, DataError: as `simulate_captions` does.
        """
        if not is_ours(root, MARKER):
            return
        asked, found = {"images": images, "seed": simulation_seed, "agreement": agreement}, contents(root)
        if found is None:
            SimulatedCaptions.can_simulate(root, images, simulation_seed, agreement)
            print(f"There is no data in {root} yet: simulating {images} images with captions")
            simulate_captions(root, images=images, seed=simulation_seed, agreement=agreement)
            return
        if found != asked:
            has, wanted = (", ".join(f"{key}={value}" for key, value in some.items()) for some in (found, asked))
            print(f"{root} holds a simulated set with {has} and is taken as it is, not with {wanted}")
        if sum(1 for _ in root.glob("images/*.jpg")) < found["images"]:
            simulate_captions(root, images=found["images"], seed=found["seed"], agreement=found["agreement"])
