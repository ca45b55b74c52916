"""Segmentation models: networks that mark objects in the frames of a video; `base` holds what they share."""

from lstmzoo.segmentation.models.aggregate import soft_aggregate
from lstmzoo.segmentation.models.core import Core
from lstmzoo.segmentation.models.foreground import ForegroundSegmenter
from lstmzoo.segmentation.models.segment_stream import (
    SegmentStream,
    has_classes,
    label_map,
    object_ids,
    resize_frame,
    segment_video,
)
from lstmzoo.segmentation.models.segmenter import Segmenter

__all__ = [
    "Core",
    "ForegroundSegmenter",
    "SegmentStream",
    "Segmenter",
    "has_classes",
    "label_map",
    "object_ids",
    "resize_frame",
    "segment_video",
    "soft_aggregate",
]
