"""The conventions of the Hugging Face hub, against a stand-in of its client."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
import yaml  # type: ignore[import-untyped]

import lstmzoo
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models.pretrained.names import CARD, CONFIG, TENSORS

REPO = "someone/a-model"


def make() -> Any:
    model: Any = lstmzoo.create_model("action_rnn", cell="gru", num_classes=2, feature_size=8, hidden_size=8)
    model.classes, model.transform = ["a", "b"], {"size": [32, 32]}
    return model.eval()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the hub: a folder per repository."""
    root = tmp_path / "hub"

    def create_repo(repo_id: str, private: bool | None, exist_ok: bool) -> Any:
        (root / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(repo_id: str, folder_path: Path, commit_message: str) -> Any:
        shutil.copytree(folder_path, root / repo_id, dirs_exist_ok=True)
        return SimpleNamespace(commit_url=f"https://huggingface.co/{repo_id}/commit/1")

    def snapshot_download(repo_id: str, revision: str | None, allow_patterns: list[str], library_name: str) -> str:
        if revision not in (None, "main"):
            raise ValueError(f"no revision\n{revision}")
        target = tmp_path / "cache" / repo_id
        target.mkdir(parents=True)
        for name in allow_patterns:
            shutil.copy(root / repo_id / name, target / name)
        return str(target)

    for function in (create_repo, upload_folder, snapshot_download):
        monkeypatch.setattr(huggingface_hub, function.__name__, function)
    return root


def test_what_is_pushed_comes_back(hub: Path) -> None:
    model, video = make(), torch.randint(0, 256, (1, 3, 1, 32, 32), dtype=torch.uint8)
    assert model.push_to_hub(REPO).endswith("commit/1")
    assert {file.name for file in (hub / REPO).iterdir()} == {CONFIG, TENSORS, CARD}
    loaded: Any = type(model).from_pretrained(REPO)
    assert torch.equal(loaded(video), model(video))
    assert loaded.classes == ["a", "b"]
    assert f'from_pretrained("{REPO}")' in (hub / REPO / CARD).read_text()
    with pytest.raises(LstmzooError, match=rf"{REPO}.*no revision 5"):
        lstmzoo.from_pretrained(REPO, revision="5")


def test_the_card_has_the_head_that_the_hub_reads(tmp_path: Path) -> None:
    text = (make().save_pretrained(tmp_path / "mine") / CARD).read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["library_name"] == "lstmzoo"
    assert head["pipeline_tag"] == "video-classification"
    assert {"lstmzoo", "action_rnn", "gru"} <= {*head["tags"]}
    assert "# mine" in text


def test_another_class_is_refused(tmp_path: Path) -> None:
    framewise: Any = type(lstmzoo.create_model("action_framewise"))
    make().save_pretrained(tmp_path / "mine")
    with pytest.raises(CheckpointError, match=rf"ActionRNN.*{framewise.__name__}"):
        framewise.from_pretrained(tmp_path / "mine")


def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(LstmzooError, match=REPO) as caught:
        lstmzoo.from_pretrained(REPO)
    assert "\n" not in str(caught.value)


def test_a_mistyped_folder_is_said_not_to_be_there(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one slash it looks like a repository; the hub alone would be a puzzling answer."""
    for _ in range(2):
        with pytest.raises(LstmzooError, match=r"folder 'runs/weigths'.*hub") as caught:
            lstmzoo.from_pretrained("runs/weigths")
        assert "\n" not in str(caught.value)
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # without the client, too


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for use in (lambda: lstmzoo.from_pretrained(REPO), lambda: make().push_to_hub(REPO)):
        with pytest.raises(LstmzooError, match=r"lstmzoo\[hub\]"):
            use()
