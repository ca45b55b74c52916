"""Captions: pictures and what was said about them, in the layouts of COCO, Karpathy, Flickr8k, Flickr30k and csv."""

from lstmzoo.data.captions.dataset import LEVELS, Captions, EmptySplit, collate
from lstmzoo.data.captions.features import FeatureCache
from lstmzoo.data.captions.images import read_image
from lstmzoo.data.captions.layouts import LAYOUTS, read_captions
from lstmzoo.data.captions.records import SPLITS, CaptionFiles, CaptionRecord
from lstmzoo.data.captions.text import tokenize
from lstmzoo.data.captions.vocabulary import SPECIALS, Vocabulary

__all__ = [
    "LAYOUTS",
    "LEVELS",
    "SPECIALS",
    "SPLITS",
    "CaptionFiles",
    "CaptionRecord",
    "Captions",
    "EmptySplit",
    "FeatureCache",
    "Vocabulary",
    "collate",
    "read_captions",
    "read_image",
    "tokenize",
]
