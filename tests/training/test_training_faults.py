"""What goes wrong in training ends with one message, and loses nothing that was there before."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import lstmzoo
import tiny_runs
from lstmzoo.actions.task import RecognitionTask
from lstmzoo.cli import main
from lstmzoo.errors import DataWarning, LstmzooError, Terminated
from lstmzoo.runs.lock import owned
from lstmzoo.training.run_log import RunLog, read_rows

BATCHES = 3  # per epoch
QUIET = ["test_after_fit=false", "data.num_workers=0", "callbacks.progress=none"]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., int]:
    """Train on a tiny KTH, and return the exit code."""
    data = tiny_runs.write_tiny_kth(tmp_path_factory.mktemp("faults") / "kth")
    return lambda *more: main(["train", *tiny_runs.settings(data), *QUIET, *more])


@pytest.fixture(scope="module")
def finished(train: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has ended."""
    folder = tmp_path_factory.mktemp("run") / "run"
    assert train(f"hydra.run.dir={folder}") == 0
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """The one message on stderr; progress bars are drawn there, too."""

    def read() -> str:
        lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Decoding")]
        assert lines
        assert "Traceback" not in "\n".join(lines)
        assert lines[-1].startswith("lstmzoo: ")
        return "\n".join(lines)

    return read


# --- numbers that are not finite ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("window", ["null", "2"])
def test_training_stops_where_the_loss_is_not_finite(
    train: Callable[..., int], said: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: str
) -> None:
    calls, inner = 0, RecognitionTask.window_loss

    def outer(self: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += self.training
        loss, state = inner(self, *arguments)
        steps = BATCHES + 1 if window == "null" else 2 * BATCHES + 1
        return (loss * torch.inf if calls > steps and self.training else loss), state

    monkeypatch.setattr(RecognitionTask, "window_loss", outer)
    assert train(f"hydra.run.dir={tmp_path}", f"task.tbptt_window={window}") == 2
    step = BATCHES + (2 if window == "null" else 1)  # counted when the optimiser has made it
    message = said()
    assert all(text in message for text in ("epoch 2", f"step {step}", "learning rate of", "task.lr", "resume="))
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == BATCHES, "the last finite one"
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.slow
def test_what_diverges_is_never_the_best(train: Callable[..., int], said: Callable[[], str], tmp_path: Path) -> None:
    assert train("task.lr=1e30", "task.warmup_epochs=0", f"hydra.run.dir={tmp_path}") == 2
    assert "is not finite in epoch 1" in said()
    assert not [*tmp_path.rglob("*.ckpt")]


@pytest.mark.slow
def test_settings_that_lightning_refuses_late_are_one_message(
    train: Callable[..., int], said: Callable[[], str], tmp_path: Path
) -> None:
    assert train("trainer.val_check_interval=1000", f"hydra.run.dir={tmp_path}") == 2
    assert "val_check_interval" in said()


# --- run folders -------------------------------------------------------------------------------------------------


def test_a_folder_belongs_to_one_run(train: Callable[..., int], run: Path, said: Callable[[], str]) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert train(f"hydra.run.dir={run}") == 2
    assert f"resume={run}" in said()
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_run_without_a_checkpoint_is_begun_again(train: Callable[..., int], run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    (run / "metrics.csv").write_text("epoch,step\n7,99\n")
    assert train(f"hydra.run.dir={run}", "trainer.max_epochs=1") == 0
    assert [*read_rows(run / "metrics.csv")] == [0]


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    other = "import sys; from pathlib import Path; from lstmzoo.runs.lock import owned\n"
    other += "with owned(Path(sys.argv[1]), new=True): pass"
    enter = lambda: subprocess.run(  # noqa: E731
        [sys.executable, "-c", other, tmp_path],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tiny_runs.SOURCE)},
    )
    with owned(tmp_path, new=True):
        assert "another process trains" in enter().stderr
    assert enter().returncode == 0
    left = [tmp_path / ".lock", tmp_path / "checkpoints" / ".last-0123abcd.ckpt"]  # by a process that was killed
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with owned(tmp_path, new=True):
        assert not left[1].exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_damaged_checkpoint_is_not_the_end(run: Path) -> None:
    last = run / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:5000])
    with pytest.warns(DataWarning, match=r"last\.ckpt.*best\.ckpt"):
        assert main(["train", f"resume={run}", "trainer.max_epochs=3", *QUIET]) == 0
    assert torch.load(last, weights_only=True)["global_step"] == 3 * BATCHES
    lstmzoo.load(run)


def test_how_to_go_on_is_said(run: Path, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    usual = signal.getsignal(signal.SIGINT)  # Lightning switches it off
    for exception, code in ((KeyboardInterrupt, 130), (Terminated, 143)):

        def interrupted(*args: Any, exception: type[BaseException] = exception) -> None:
            raise exception

        monkeypatch.setattr(RecognitionTask, "training_step", interrupted)
        assert main(["train", f"resume={run}", "trainer.max_epochs=3", *QUIET]) == code
        signal.signal(signal.SIGINT, usual)
        assert re.search(r"lstmzoo train resume=\S+run\n", said())


DAMAGED = [
    b"",
    b"\n0,8\n",
    b"epoch,step\n0,8\nframes\n",
    b"epoch,step\n0,8,9,9\n",
    b"epoch,step\n0,\xff8\n",
    b"epoch,step\n0,8\n1,inf\n",
    b"epoch,step\n0,8\x00\n",
    b'epoch,step\n"0,8\n',
    b"epoch\n0\n",
    b"\0" * 64,
    b"\xff\xfe",
    "epoch,step\n\u2028\n".encode(),
]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_metrics_are_kept_aside(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    if content:
        with pytest.warns(DataWarning, match=r"line [1-9]"):
            log = RunLog(tmp_path, resumed=True)
        assert (tmp_path / "metrics-damaged-1.csv").read_bytes() == content
    else:
        log = RunLog(tmp_path, resumed=True)
    log.log_metrics({"epoch": 3, "train/loss": 1.0}, step=4)
    assert [*read_rows(path)] == [3]


def test_all_metrics_that_were_found_damaged_are_read_or_kept(failing: Path, tmp_path: Path) -> None:
    found = sorted((failing / "run").glob("run_z*.csv"))
    assert found
    for number, source in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copyfile(source, folder / "metrics.csv")
        try:
            rows = read_rows(folder / "metrics.csv")
            assert RunLog(folder, resumed=True).rows == rows
        except LstmzooError:
            with pytest.warns(DataWarning, match="damaged"):
                assert RunLog(folder, resumed=True).rows == {}
            assert (folder / "metrics-damaged-1.csv").read_bytes() == source.read_bytes()


# --- what the system refuses -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_errors_of_the_system_are_one_line(
    train: Callable[..., int], said: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    assert train(f"hydra.run.dir={tmp_path}/file/run") == 2
    message = said()
    assert str(tmp_path / "file") in message
    assert "hydra.run.dir=" in message
    for error, text in (
        (OSError(24, "Too many open files"), "Too many open files"),
        (PermissionError(13, "Permission denied", "/run/x"), "/run/x"),
        (MemoryError("no memory for the packed weights"), "packed weights"),
    ):

        def failing(*args: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(RecognitionTask, "training_step", failing)
        assert train(f"hydra.run.dir={tmp_path}/run{text[:1]}") == 2
        assert text in said()


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on Windows")
def test_too_few_open_files_are_named(
    train: Callable[..., int], said: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (24, 24))
    assert train(f"hydra.run.dir={tmp_path}") == 2
    message = said()
    assert "24 files" in message
    assert "ulimit -n" in message


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on Windows")
def test_a_full_disk_in_the_middle_of_a_run(run: Path, said: Callable[[], str]) -> None:
    import resource

    before = {path: path.read_bytes() for path in (run / "checkpoints").iterdir()}
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, usual[1]))
    try:
        assert main(["train", f"resume={run}", "trainer.max_epochs=3", *QUIET]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert re.search(r"checkpoints/(best|last)\.ckpt", said())
    assert {path: path.read_bytes() for path in (run / "checkpoints").iterdir()} == before
