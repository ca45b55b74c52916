"""lstmzoo app, driven as a browser drives it: what follows from a click, and what is said of files that are damaged."""

import asyncio
import struct
import zlib
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from lstmzoo.app import WEIGHTS

gradio = pytest.importorskip("gradio", reason="the page needs pip install 'lstmzoo[app]'")


class Browser:
    """The part of a browser that knows the values in a page, and fires the events that follow from an answer."""

    def __init__(self, blocks: Any) -> None:
        from gradio.state_holder import SessionState

        self.blocks, self.session = blocks, SessionState(blocks)
        self.values = {number: getattr(block, "value", None) for number, block in blocks.blocks.items()}

    def find(self, kind: type, label: str) -> Any:
        """A component, by the beginning of its label or text."""
        return next(
            block
            for block in self.blocks.blocks.values()
            if isinstance(block, kind) and str(getattr(block, "label", None) or block.value).startswith(label)
        )

    def give(self, block: Any, path: Path) -> None:
        """Put a file into a component."""
        self.values[block._id] = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        return block

    def fire(self, block: Any, event: str, **data: Any) -> None:
        for function in self.blocks.fns.values():
            if (block._id, event) in function.targets:
                self._call(function, gradio.EventData(block, data))

    def _call(self, function: Any, data: Any = None) -> None:
        inputs = [self.values[block._id] for block in function.inputs]
        answer = asyncio.run(
            self.blocks.process_api(function, inputs, self.session, event_data=data, explicit_call=True)
        )
        changed = [block for block, new in zip(function.outputs, answer["data"], strict=True) if self._set(block, new)]
        for block in changed:
            self.fire(block, "change")
        for follower in self.blocks.fns.values():
            if follower.trigger_after == function._id:
                self._call(follower)

    def _set(self, block: Any, new: Any) -> bool:
        """Show a new value; tell whether it differs from the one before."""
        new = new.get("value") if isinstance(new, dict) and new.get("__type__") == "update" else new
        before, self.values[block._id] = self.values[block._id], new
        return bool(before != new)


@pytest.fixture(scope="module")
def page() -> Any:
    from lstmzoo.app.server import build

    return build(WEIGHTS)


@pytest.fixture
def browser(page: Any) -> Browser:
    return Browser(page)


def test_words_and_looks_are_those_of_the_newest_photograph(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its first caption is that of the photograph before, so that the choice does not change."""
    from lstmzoo.app import captions

    photos = [tmp_path / f"{level}.png" for level in (60, 200)]
    for photo in photos:
        image = np.full((90, 120, 3), int(photo.stem), np.uint8)
        cv2.imwrite(str(photo), cv2.circle(image, (60, 50), 30, (9, 9, 9), -1))
    sentences = captions.captions_of(WEIGHTS["captioning"], photos[0], 2)
    trace, look = Mock(wraps=captions.traced_words), Mock(wraps=captions.looked_at)
    monkeypatch.setattr(captions, "captions_of", lambda *asked: sentences)
    monkeypatch.setattr(captions, "traced_words", trace)
    monkeypatch.setattr(captions, "looked_at", look)
    words = browser.find(gradio.HighlightedText, "Its words")
    shown = []
    for photo in photos:
        browser.give(browser.find(gradio.Image, "A photograph"), photo)
        browser.fire(browser.find(gradio.Button, "Describe"), "click")
        shown.append(browser.values[words._id])
        browser.fire(words, "select", index=1, value=None)
    assert shown[0]
    assert shown[1]
    assert shown[0] != shown[1], "they are as sure in both"
    names = [photo.name for photo in photos]
    assert [call.args[1].name for call in trace.call_args_list] == names  # each once
    assert [call.args[0].name for call in look.call_args_list] == names

    choice = browser.find(gradio.Radio, "Captions")
    browser.values[choice._id] = sentences[1][0]
    browser.fire(choice, "input")
    browser.fire(choice, "change")
    assert trace.call_count == 3
    assert browser.values[words._id] != shown[1]


def png_bomb() -> bytes:
    """A PNG that claims 30,000 × 30,000 pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [b"IHDR" + header, b"IDAT" + zlib.compress(bytes(100)), b"IEND"]
    framed = (struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("text.jpg", b"A text.", "it is damaged or of an unknown format"),
        ("half.jpg", cv2.imencode(".jpg", np.eye(64) * 255)[1].tobytes()[:400], "ends too early"),
        ("bomb.png", png_bomb(), "claims 900000000 pixels, but at most 134 megapixels are read"),
    ],
    ids=["text", "half", "bomb"],
)
def test_what_is_wrong_with_a_photograph_is_said(
    browser: Browser, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    browser.give(browser.find(gradio.Image, "A photograph"), tmp_path / name)
    with pytest.raises(gradio.Error, match=f"{name}.*{said}") as raised:
        browser.fire(browser.find(gradio.Button, "Describe"), "click")
    assert "/" not in str(raised.value)  # where the server has put it is nobody's business


@pytest.mark.parametrize(
    "content", [b"A text.", bytes.fromhex("000000186674797069736f6d") + bytes(500)], ids=["text", "cut"]
)
def test_what_is_wrong_with_a_video_is_said(browser: Browser, tmp_path: Path, content: bytes) -> None:
    video = tmp_path / "bad.mp4"
    video.write_bytes(content)
    actions, masks = (block for block in browser.blocks.blocks.values() if isinstance(block, gradio.File))
    browser.give(actions, video)
    browser.give(masks, video)
    for block, event in ((browser.find(gradio.Button, "Recognise"), "click"), (masks, "change")):
        with pytest.raises(gradio.Error, match=r"bad\.mp4 is not a video that can be decoded") as raised:
            browser.fire(block, event)
        assert "/" not in str(raised.value)
