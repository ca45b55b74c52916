"""Captions of photographs by onnxruntime, numpy and OpenCV alone.

lstmzoo export ckpt_path=flickr8k_soft_attention output=captioner format=onnx
python scripts/caption_onnx.py captioner photo.jpg [photo.jpg ...]
"""

import json
import sys

import cv2
import numpy as np
import onnxruntime

folder, *photos = sys.argv[1:]
encoder, step = (onnxruntime.InferenceSession(f"{folder}/{name}.onnx") for name in ("encoder", "step"))
about = {name: json.loads(text) for name, text in encoder.get_modelmeta().custom_metadata_map.items()}
words, decoding, (height, width) = about["vocabulary"], about["decoding"], about["transform"]["size"]
PAD, BEGIN, END, UNKNOWN = range(4)
beams = 5 if decoding["method"] == "mbr" else decoding["num_beams"]  # mbr compares more of them, which is left out here


def run(network, **inputs):
    values = network.run(None, inputs)
    return {
        output.name.removeprefix("next_"): value for output, value in zip(network.get_outputs(), values, strict=True)
    }


for photo in photos:
    image = cv2.resize(cv2.imread(photo), (width, height), interpolation=cv2.INTER_AREA)  # blue, green, red
    looked = run(encoder, images=np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)[None]))  # (1, 3, H, W)
    said, total = np.array([[BEGIN]]), np.zeros(1)
    for _ in range(decoding["max_length"]):  # beam search: a row per sentence
        new = run(step, words=said[:, -1], **looked)
        log_p, over = new.pop("log_probs"), (said == END).any(1)
        log_p[:, [PAD, BEGIN, UNKNOWN] + [END] * (said.shape[1] == 1)] = -np.inf
        log_p[np.arange(len(said)), said[:, -1]] = -np.inf  # no word twice in a row
        log_p[over], log_p[over, PAD] = -np.inf, 0  # what has ended goes on with padding, at no cost
        scores = (total[:, None] + log_p).ravel()
        best = np.argsort(-scores)[:beams]
        rows, total = best // len(words), scores[best]
        said = np.concatenate([said[rows], best[:, None] % len(words)], axis=1)
        looked = {name: new.get(name, looked[name])[rows] for name in looked}
    lengths = (said[:, 1:] != PAD).sum(1)
    chosen = said[(total / lengths ** decoding["length_penalty"]).argmax()]
    print(f"{photo}: {' '.join(words[number] for number in chosen if number > END)}")
