"""Whether the files of a sequence can be used, as far as their headers tell; nothing is decoded without need."""

from lstmzoo.errors import DataError
from lstmzoo.io.images import read_header
from lstmzoo.segmentation.data.layout import MaskedVideo
from lstmzoo.segmentation.data.mask_findings import MaskFindings
from lstmzoo.segmentation.data.masks import WIDE_MODES, check_kind, decode_mask, read_mask

LEAST_MASKS = 3
"""Masks that it takes to score a sequence: the first and the last are not scored."""


def check_files(video: MaskedVideo) -> None:
    """Make sure that frames and masks are whole, of one size, and that masks hold the numbers of objects.

    Raises:
        DataError: the first file that cannot be used.
    """
    first = video.frames[0]
    size = read_header(first).size
    for frame, mask in zip(video.frames, video.masks, strict=True):
        for path in (frame, mask):
            if path is None:
                continue
            header = read_header(path)
            if header.size != size:
                raise DataError(
                    f"{path} is {header.size[1]}×{header.size[0]} pixels, but {first} {size[1]}×{size[0]}; all frames "
                    f"and masks of a sequence have one size: convert those of {video.name} again"
                )
            if path is mask:
                check_kind(path, header.mode, header.format)
                if header.mode in WIDE_MODES:
                    read_mask(path)  # only its pixels tell whether numbers go beyond 255


def doubtful_masks(video: MaskedVideo) -> list[str]:
    """Say what of the first, the middle and the last mask is hardly meant; `data check` reads all.

    Raises:
        DataError: one of them cannot be decoded.
    """
    masks = [path for path in video.masks if path is not None]
    findings = MaskFindings()
    for path in sorted({masks[0], masks[len(masks) // 2], masks[-1]}) if masks else ():
        findings.add(path, decode_mask(path))
    return list(findings.faults())
