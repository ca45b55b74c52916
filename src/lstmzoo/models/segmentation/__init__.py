"""Segmenters: networks that mark objects in the frames of a video; `base` holds what they share."""

from lstmzoo.models.segmentation import guided, recurrent  # registers the models
from lstmzoo.models.segmentation.aggregate import soft_aggregate
from lstmzoo.models.segmentation.base import Segmenter
from lstmzoo.models.segmentation.pyramid import create_pyramid, list_pyramids
from lstmzoo.models.segmentation.stream import SegmentStream, label_map, object_ids, resize_frame, segment_video

__all__ = [
    "SegmentStream",
    "Segmenter",
    "create_pyramid",
    "guided",
    "label_map",
    "list_pyramids",
    "object_ids",
    "recurrent",
    "resize_frame",
    "segment_video",
    "soft_aggregate",
]
