"""What all our figures share: fonts, colours that colour-blind readers can tell apart, and safe saving."""

import colorsys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lstmzoo.io.atomic import replacing

INK, MUTED, GRID = "#1b1f24", "#5b6470", "#d9dde2"
FONT: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": INK,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class may be called $x$
}

# Okabe & Ito (2008), "Color Universal Design", without black and with yellow last: it is faint on white.
OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442")


def class_colours(count: int) -> list[str]:
    """Return one colour per class as ``#rrggbb``.

    Up to seven classes get the palette of Okabe & Ito. More cannot all be distinguished by everybody: the palette is
    repeated, each time darker, and the figures name their classes in words as well.
    """
    colours = []
    for k in range(count):
        base = OKABE_ITO[k % len(OKABE_ITO)]
        red, green, blue = (int(base[i : i + 2], 16) / 255 for i in (1, 3, 5))
        hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
        rgb = colorsys.hls_to_rgb(hue, light * 0.62 ** (k // len(OKABE_ITO)), saturation)
        colours.append("#" + "".join(f"{round(255 * value):02x}" for value in rgb))
    return colours


def figure(width: float, height: float) -> Figure:
    """Return an empty white figure of that size in inches; no window system and no global state are involved."""
    made = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(made)
    return made


@contextmanager
def drawing() -> Iterator[None]:
    """Let everything drawn have our fonts and colours; a name in a script that the font lacks becomes boxes quietly."""
    with matplotlib.rc_context(FONT), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
        yield


def bare(axes: Axes, *, keep: tuple[str, ...] = ("left", "bottom")) -> None:
    """Take away the frame lines that carry no information."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep)


def save(made: Figure, path: str | Path) -> Path:
    """Write the figure; one that was there before stays whole until the new one is.

    Args:
        made: the figure.
        path: where to, with the suffix that names the format: .png, .pdf or .svg.
    """
    with replacing(path) as temporary:
        made.savefig(temporary, dpi=160)
    return Path(path)
