"""The simulated KTH as a data set: made where it is missing, then read like the real one."""

from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.actions.data.kth import KTH
from lstmzoo.actions.data.kth_files import ACTIONS, SEQUENCES_FILE, parse_name, parse_sequences, read_sequences
from lstmzoo.actions.data.kth_files import SIMULATED_MARKER as MARKER
from lstmzoo.actions.data.kth_protocols import Protocol, split_persons
from lstmzoo.actions.data.kth_simulator import PERSONS, SCENARIOS, simulate_kth
from lstmzoo.actions.data.segments import Segment
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.registry import register_dataset
from lstmzoo.synthetic.marked_folder import is_ours, read_marker
from lstmzoo.synthetic.whole_numbers import check_whole


@register_dataset("kth_simulated", "recognition", root="data/kth_simulated")
class SimulatedKTH(KTH):
    """A KTH of moving figures: real AVI files in the real layout, made when they are not there yet.

    With `gap`, what tells the actions apart lies so many frames back when a clip ends: the figure has left, and the
    scene without it is the same whatever the action was.

    Args:
        root: folder of the data set.
        split: train, val, test, trainval (both) or all.
        gap: frames of the empty scene that end every clip, after the clip_len frames with the figure; 0: none.
        **settings: those of `KTH`.

    Raises:
        DataError: the videos have fewer frames of the empty scene.
    """

    licence = "MIT"
    closed = True
    prepare = None  # type: ignore[assignment]  # there is nothing to download

    def __init__(self, root: str | Path, split: str = "train", *, gap: int = 0, **settings: Any) -> None:
        check_whole("data.gap", gap, 0)
        found = contents(Path(root)) if gap else None
        if gap and (found is None or found["gap"] < gap):
            has = found["gap"] if found else "no"
            raise DataError(
                f"data.gap={gap}: the videos in {root} end with {has} frames of the empty scene; give another "
                "data.root, where they are simulated with that gap"
            )
        self.gap, self.empty = gap, found["gap"] if found else 0
        super().__init__(root, split, **settings)

    @property
    def frames_per_clip(self) -> int:
        return super().frames_per_clip + self.gap

    def positions(self, segment: Segment, clip: int, rng: np.random.Generator) -> np.ndarray:
        first = self.cache.count(segment.path) - self.empty  # of the empty scene
        return np.concatenate([super().positions(segment, clip, rng), first + np.arange(self.gap)])

    @staticmethod
    def simulate_missing(
        root: str | Path,
        *,
        persons: int = PERSONS,
        scenarios: int = SCENARIOS,
        simulation_seed: int = 0,
        gap: int = 0,
        protocol: Protocol = "official",
        fold: int = 0,
        folds: int = 5,
        split_seed: int = 0,
        dry_run: bool = False,
    ) -> bool:
        """Make or complete a simulated KTH; a finished one, or one that was not simulated, is left as it is.

        Args:
            root: folder of the data set.
            persons: persons to simulate, where there is no set yet; with fewer than 25 use protocol=kfold.
            scenarios: conditions d1, d2, ... to simulate (outdoors, scale, clothes, indoors).
            simulation_seed: every seed gives other persons, places and courses.
            gap: frames of the empty scene at the end of every video, where there is no set yet.
            protocol: that of the data set; it may have no use for so few persons.
            fold: of the protocol.
            folds: of the protocol.
            split_seed: of the protocol.
            dry_run: only find out whether a set would have to be made, and whether it can be.

        Returns:
            Whether there was no finished set.

        Raises:
            LstmzooError: a number out of its range, or too few persons for the protocol.
        """
        root = Path(root)
        if not is_ours(root, MARKER):
            return False
        found = contents(root)
        if found is None:
            check_whole("data.persons", persons, 1, PERSONS)
            check_whole("data.scenarios", scenarios, 1, SCENARIOS)
            check_whole("data.simulation_seed", simulation_seed, 0)
            check_whole("data.gap", gap, 0)
            numbers = range(1, persons + 1)
            parts = split_persons(protocol, persons=numbers, fold=fold, folds=folds, seed=split_seed)
            for split in ("train", "test"):
                if not parts.of(split):
                    raise LstmzooError(
                        f"data.persons={persons}: protocol {protocol!r} would have no {split} persons; simulate more "
                        "(25 for the official split), or choose data.protocol=kfold"
                    )
        if not dry_run:
            _complete(root, found, {"persons": persons, "scenarios": scenarios, "seed": simulation_seed, "gap": gap})
        return found is None


def _complete(root: Path, found: dict[str, Any] | None, arguments: dict[str, Any]) -> None:
    """Make a set, or what an interruption left out of one that is there."""
    if found is not None:
        different = [key for key, value in arguments.items() if found[key] != value]
        if different:
            has, asked = (", ".join(f"{key}={some[key]}" for key in different) for some in (found, arguments))
            print(f"{root} holds a simulated KTH with {has} and is taken as it is, not with {asked}")
        arguments = found
    planned = arguments["persons"] * len(ACTIONS) * arguments["scenarios"]
    wanted = planned if found is None else len(read_sequences(root))
    there = sum(1 for _ in root.glob("*/*.avi"))
    if found is None or there < wanted:
        state = f"only {there} of {wanted} videos" if there else "no data"
        print(f"There is {state} in {root} yet: simulating KTH with {arguments['persons']} persons")
        simulate_kth(root, **arguments)


def contents(root: Path) -> dict[str, Any] | None:
    """The arguments with which a finished set was made: persons, scenarios, actions, seed and gap; None without one.

    Raises:
        DataError: its ``00sequences.txt`` or its marker is broken.
    """
    if not (root / MARKER).is_file() or not (root / SEQUENCES_FILE).is_file():
        return None
    marker = read_marker(root / MARKER)
    seed, gap = marker.get("seed"), marker.get("gap", 0)
    if type(seed) is not int or type(gap) is not int:
        raise DataError(f"{root / MARKER} is broken; give another folder, or delete {root}")
    names = [parse_name(name) for name in parse_sequences(root / SEQUENCES_FILE)]
    return {
        "persons": max(name.person for name in names),
        "scenarios": max(int(name.scenario.removeprefix("d")) for name in names),
        "actions": tuple(action for action in ACTIONS if any(name.action == action for name in names)),
        "seed": seed,
        "gap": gap,
    }
