"""``lstmzoo data``: make, fetch and check data sets."""

from __future__ import annotations

from collections.abc import Callable

from lstmzoo.cli import data_captions, data_davis, data_kth, data_videos
from lstmzoo.config.options import flag, names, parse_options, size
from lstmzoo.errors import LstmzooError, unknown_choice

USAGE = """usage: lstmzoo data simulate|prepare|check DATASET root=FOLDER [option=value ...]

  simulate kth          write a KTH of moving figures: real AVI files in the real layout
                          persons=25 scenarios=4 actions=walking,running seed=0 workers=N
  prepare kth           download, verify and unpack the real KTH (about 1.1 GB)
                          source=FOLDER   take the archives from there, download nothing
  check kth             count sequences against the published numbers; exit code 1 if something is missing
                          json=FILE       write the report for machines, too
  simulate captions     write pictures of coloured things with captions: JPEG files and a JSON file like Karpathy's
                          pictures=2000 seed=0
  prepare captions      download, verify and unpack Flickr8k (1.1 GB) or COCO (20 GB), or point to Flickr30k
                          dataset=flickr8k|coco|flickr30k
                          source=FOLDER   take the files from there, download nothing
  check captions        count images and captions against the published numbers; name what is odd or missing
                          layout=karpathy|coco|flickr8k|flickr30k|csv image_dir=FOLDER split_dir=FOLDER
                          json=FILE       write the report for machines, too
  simulate davis        write sequences of things and their doubles, which only the first frames tell apart, with masks
                          train=24 val=8 test=8 frames=40 size=96,160 seed=0
  prepare davis         download, verify and unpack DAVIS of 2016 (1.9 GB) or 2017
                          dataset=2017|2016|2017-test-dev|2017-test-challenge|2017-unsupervised
                          resolution=480p|Full-Resolution
                          source=FOLDER   take the archive from there, download nothing
  check davis           count sequences, frames, masks and objects against the published numbers; also of one's own data
                          resolution=480p|1080p|Full-Resolution unsupervised=true|false
                          json=FILE       write the report for machines, too
  check video_folder    count your own videos; show frame rates, groups and splits; exit code 1 if something is wrong;
                        takes the options of train that say what is seen in which video, and which split it is in:
                          classes=[run,walk] label_file=FILE class_file=FILE split_dir=FOLDER fold=1
                          group_pattern=REGEX group_scope=global|class val_groups=[...] test_groups=[...] ..."""


def run(argv: list[str]) -> None:
    """Run the command.

    Args:
        argv: the words after ``lstmzoo data``.

    Raises:
        LstmzooError: something unknown or missing in `argv`, or a data set that cannot be made or read.
        SystemExit: 1 where a check finds the data set incomplete.
    """
    if not argv or argv[0] == "help" or {"-h", "--help"} & set(argv):
        print(USAGE)
        return
    action, *rest = argv
    if action not in COMMANDS:
        raise LstmzooError(f"lstmzoo data: {unknown_choice('action', action, COMMANDS)}\n{USAGE}")
    choices = COMMANDS[action]
    if not rest or "=" in rest[0]:
        raise LstmzooError(f"lstmzoo data {action}: name the data set first ({', '.join(choices)})\n{USAGE}")
    dataset, *words = rest
    if dataset not in choices:
        raise LstmzooError(f"lstmzoo data {action}: {unknown_choice('data set', dataset, choices)}")
    command, kinds = choices[dataset]
    words = [word.removeprefix("data.") for word in words]  # as they are written for train
    options = parse_options(words, {"root": str, **kinds}, f"lstmzoo data {action} {dataset}")
    if "root" not in options:
        raise LstmzooError(
            f"lstmzoo data {action} {dataset}: name the folder of the data set, e.g. root=data/{dataset}"
        )
    command(**options)


Kind = Callable[[str], object]

KTH_OPTIONS: dict[str, Kind] = {"persons": int, "scenarios": int, "actions": names, "seed": int, "workers": int}
CAPTION_FILES: dict[str, Kind] = {"layout": str, "image_dir": str, "split_dir": str, "json": str}
DAVIS_OPTIONS: dict[str, Kind] = {"train": int, "val": int, "test": int, "frames": int, "size": size, "seed": int}
DAVIS_FILES: dict[str, Kind] = {"resolution": str, "unsupervised": flag, "json": str}

COMMANDS: dict[str, dict[str, tuple[Callable[..., None], dict[str, Kind]]]] = {
    "simulate": {
        "kth": (data_kth.simulate, KTH_OPTIONS),
        "captions": (data_captions.simulate, {"pictures": int, "seed": int}),
        "davis": (data_davis.simulate, DAVIS_OPTIONS),
    },
    "prepare": {
        "kth": (data_kth.prepare, {"source": str}),
        "captions": (data_captions.prepare, {"dataset": str, "source": str}),
        "davis": (data_davis.prepare, {"dataset": str, "resolution": str, "source": str}),
    },
    "check": {
        "kth": (data_kth.check, {"json": str}),
        "captions": (data_captions.check, CAPTION_FILES),
        "davis": (data_davis.check, DAVIS_FILES),
        "video_folder": (data_videos.check, data_videos.OPTIONS),
    },
}
