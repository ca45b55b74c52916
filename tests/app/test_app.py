"""lstmzoo app: its pages on small files, its server, and what it refuses."""

import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lstmzoo.app import WEIGHTS, AppOptions, models_for
from lstmzoo.cli import main
from lstmzoo.errors import LstmzooError
from lstmzoo.models.pretrained.names import shipped

gradio = pytest.importorskip("gradio", reason="the page needs pip install 'lstmzoo[app]'")

FRAMES = 24


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    image = np.full((90, 120, 3), 200, np.uint8)
    cv2.circle(image, (60, 50), 30, (30, 60, 180), -1)
    cv2.imwrite(str(path), image)
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dark square that crosses a bright field."""
    path = tmp_path_factory.mktemp("video") / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"XVID"), 25, (161, 121))
    for number in range(FRAMES):
        image = np.full((121, 161, 3), 190, np.uint8)
        cv2.rectangle(image, (10 + 4 * number, 40), (40 + 4 * number, 100), (40, 40, 40), -1)
        writer.write(image)
    writer.release()
    return path


def test_every_task_of_the_page_has_weights_in_the_package() -> None:
    from lstmzoo.app.server import PAGES

    assert WEIGHTS.keys() == PAGES.keys()
    assert {*WEIGHTS.values()} <= shipped().keys()


def test_a_photograph_gets_captions_whose_words_say_where_the_model_looked(photo: Path) -> None:
    from lstmzoo.app.captions import captions_of, gate_table, looked_at, traced_words
    from lstmzoo.app.models import loaded

    place = WEIGHTS["captioning"]
    found = captions_of(place, photo, 2)
    assert len({text for text, _ in found}) == 2
    text, sentence = found[0]
    trace = traced_words(place, photo, sentence)
    assert trace.steps[: len(text.split())] == text.split()
    images = [looked_at(photo, trace, step) for step in range(len(trace.steps))]
    assert any((images[0] != other).any() for other in images[1:])
    table = gate_table(trace, loaded(place), 1)
    assert {row[0] for row in table} == {"i", "f", "o"}
    assert all(0 <= float(share) <= 1 for row in table for share in row[1:])


def test_gates_that_are_held_change_what_is_said(photo: Path) -> None:
    from lstmzoo.app.captions import captions_of, gate_table, traced_words
    from lstmzoo.app.models import gates_of, loaded

    place = WEIGHTS["captioning"]
    model = loaded(place)
    gates = gates_of(model)
    controls = [["f"], *(0.0 if gate == "f" else 1.0 for gate in gates)]
    ((_, sentence),) = captions_of(place, photo, 1, controls)
    assert ["f", "0.00", "1.00", "0.00"] in gate_table(traced_words(place, photo, sentence, controls), model, 0)
    free = gate_table(traced_words(place, photo, sentence, [[], *controls[1:]]), model, 0)
    assert all(float(mean) > 0 for _, mean, *_ in free)


def test_an_ensemble_shows_the_gates_of_each_member(photo: Path) -> None:
    from lstmzoo.app.captions import captions_of, gate_table, traced_words
    from lstmzoo.app.models import gates_of, loaded

    place = "flickr8k_ensemble"
    ((_, sentence),) = captions_of(place, photo, 1)
    table = gate_table(traced_words(place, photo, sentence), loaded(place), 0)
    assert len(table) == sum(len(gates_of(member)) for member in loaded(place).members)
    assert all(0 <= float(share) <= 1 for _, *shares in table for share in shares)


def test_a_video_is_labelled_and_plays_in_browsers(video: Path) -> None:
    import av

    from lstmzoo.app.actions import recognised

    said, labelled, rows, gates = recognised(WEIGHTS["recognition"], video)
    assert any(label in said for label in (*rows["class"].unique(), "nobody"))
    assert rows["probability"].between(0, 1).all()
    assert Path(gates).stat().st_size > 0
    with av.open(labelled) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in file.decode(video=0)) == FRAMES


def test_what_is_painted_is_followed(video: Path) -> None:
    import av

    from lstmzoo.app.masks import first_frame, followed, painted_mask

    frame = first_frame(video)
    layer = np.zeros((*frame.shape[:2], 4), np.uint8)
    layer[40:100, 10:40] = 255
    mask = painted_mask({"background": frame, "layers": [layer], "composite": frame})
    assert mask.sum() == 60 * 30
    with av.open(followed(WEIGHTS["segmentation"], video, mask)) as file:
        pictures = [picture.to_ndarray(format="rgb24").astype(int) for picture in file.decode(video=0)]
    assert len(pictures) == FRAMES
    shown = cv2.resize(pictures[0].astype(np.uint8), frame.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
    painted = np.abs(shown - frame).max(2) > 40
    assert painted[45:95, 15:35].mean() > 0.9
    assert painted[:, 60:].mean() < 0.1
    with pytest.raises(LstmzooError, match="paint"):
        painted_mask({"background": frame, "layers": [np.zeros_like(layer)], "composite": frame})


def test_results_are_deleted_when_they_are_old() -> None:
    from lstmzoo.app.requests import KEPT_S, new_folder

    old, young = new_folder(), new_folder()
    (old / "video.mp4").touch()
    long_ago = time.time() - KEPT_S - 1
    os.utime(old, (long_ago, long_ago))
    new_folder()
    assert not old.exists()
    assert young.exists()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from lstmzoo.app.server import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app: Any = serve(WEIGHTS, "127.0.0.1", port, block=False)
    yield app.local_url
    app.close()


def test_the_server_shows_the_page_and_refuses_large_files(address: str) -> None:
    with urllib.request.urlopen(address) as answer:
        assert b"lstmzoo" in answer.read()
    boundary = "x"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="big.avi"\r\n\r\n'.encode()
        + bytes(106_000_000)
        + f"\r\n--{boundary}--\r\n".encode()
    )
    request = urllib.request.Request(
        f"{address}gradio_api/upload",
        data=body,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 413


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["port=80"], ("port", "80", "1024")),
        (["port=seven"], ("port", "seven")),
        (["ckpt_path=nowhere"], ("nowhere",)),
        (["ckpt_path=davis_recurrent"], ("davis_recurrent", "davis_guided")),
        (["colour=red"], ("colour", "port")),
    ],
)
def test_what_cannot_be_served_is_said(
    words: list[str], said: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["app", *words]) == 2
    printed = capsys.readouterr().err
    assert all(word in printed for word in said), printed


def test_without_gradio_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lstmzoo.app.find_spec", lambda name: None)
    assert main(["app"]) == 2
    assert "lstmzoo[app]" in capsys.readouterr().err


def test_help_has_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name}=" in printed for name in AppOptions.__dataclass_fields__)
    assert models_for(None) == WEIGHTS
