"""The splits of data sets, and what people call them: in the names of folders, of lists and of files."""

SPLITS = ("train", "val", "test")

UNIONS = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val"), "all": SPLITS}
"""What a data set can be asked for, and the splits that it is."""

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "devel": "val",
    "development": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
}
"""Names that stand for a split, in lower case."""


def split_of(name: str) -> str | None:
    """Say which split a name stands for; None where it stands for none."""
    return SPLIT_NAMES.get(name.casefold())
