"""Captions: images and their descriptions, in the layouts of COCO, Karpathy, Flickr8k, Flickr30k and csv."""
