"""Captions: images and their descriptions, in the layouts of COCO, Karpathy, Flickr8k, Flickr30k and csv."""

from lstmzoo.captioning.data.dataset import Captions
from lstmzoo.captioning.data.features import FeatureCache
from lstmzoo.captioning.data.images import read_image
from lstmzoo.captioning.data.layouts import LAYOUTS, read_captions
from lstmzoo.captioning.data.listing import EmptySplit
from lstmzoo.captioning.data.records import SPLITS, CaptionFiles, CaptionRecord
from lstmzoo.captioning.data.text import tokenize
from lstmzoo.captioning.data.vocabulary import SPECIALS, Vocabulary

__all__ = [
    "LAYOUTS",
    "SPECIALS",
    "SPLITS",
    "CaptionFiles",
    "CaptionRecord",
    "Captions",
    "EmptySplit",
    "FeatureCache",
    "Vocabulary",
    "read_captions",
    "read_image",
    "tokenize",
]
