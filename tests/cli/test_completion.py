"""Completion scripts: of sound syntax, with every command, group, choice and cell, and what bash makes of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lstmzoo.cli import COMMANDS, main
from lstmzoo.cli.completion import SCRIPTS, words_by_command
from lstmzoo.config.groups import groups
from lstmzoo.nn import list_cells
from lstmzoo.registry import datasets


@pytest.fixture(scope="module")
def words() -> dict[str, list[str]]:
    return words_by_command()


def test_every_word_is_there(words: dict[str, list[str]]) -> None:
    assert list(words) == list(COMMANDS)
    choices = {f"{group}={name}" for group, names in groups().items() for name in names}
    cells = {f"model.cell={cell}" for cell in list_cells()}
    keys = {"model.hidden_size=", "data.root=", "task.lr=", "trainer.max_epochs=", "seed=", "output=", "resume=latest"}
    assert choices | cells | keys <= set(words["train"])
    assert {"ckpt_path=", "split=", "results=", "data.root="} <= set(words["eval"])
    assert {"ckpt_path=", "input=", "num_beams=", "first_mask="} <= set(words["predict"])
    assert {"check", *(name for name in datasets.names() if hasattr(datasets.get(name).target, "check"))} <= set(
        words["data"]
    )


@pytest.mark.parametrize("shell", SCRIPTS)
def test_scripts_are_of_sound_syntax(
    shell: str, words: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in words)
    assert all(word in script for word in words["train"])
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (tmp_path / "script").write_text(script)
    subprocess.run([shell, "-n", tmp_path / "script"], check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ev", "eval"),
        ("completion f", "fish"),
        ("train model=segment_fr", "segment_framewise"),
        ("train model.cell=slst", "slstm"),
        ("train data.roo", "data.root="),
        ("predict inp", "input="),
        ("predict ckpt_path=kth_sim_lst", "kth_sim_lstm"),
    ],
)
def test_bash_completes(typed: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    parts = [part for word in typed.split() for part in word.replace("=", " = ").split()]  # as bash takes them apart
    script = (
        capsys.readouterr().out
        + f"""
compopt() {{ :; }}
COMP_LINE='lstmzoo {typed}' COMP_POINT=${{#COMP_LINE}} COMP_WORDS=(lstmzoo {" ".join(parts)}) COMP_CWORD={len(parts)}
COMP_POINT=${{#COMP_LINE}}
_lstmzoo
echo "${{COMPREPLY[@]}}"
"""
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.split() == [expected], done
