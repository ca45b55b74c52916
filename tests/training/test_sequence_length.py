"""The length of the training sequences: what data sets say of it, and what a new model makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import lstmzoo
import tiny_runs
from lstmzoo.actions.data.kth import ACTIONS
from lstmzoo.cli import main
from lstmzoo.config.compose import compose
from lstmzoo.config.options import written
from lstmzoo.models.checkpoint import checkpoint_metadata
from lstmzoo.runs import build

CLIP = 4  # frames, of `tiny_runs.settings`


@pytest.fixture(scope="module")
def kth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.write_tiny_kth(tmp_path_factory.mktemp("kth") / "kth")


def gate_biases(model: Any, gate: str) -> torch.Tensor:
    """b + b' of a gate of action_rnn with a cell of the LSTM family."""
    rnn = model.rnn
    number = list(rnn.cell.gates).index(gate)
    return (rnn.bias_ih_l0 + rnn.bias_hh_l0).detach().split(rnn.hidden_size)[number]


def built(kth: Path, *overrides: str, length: int | None = None) -> Any:
    """A new model of a run on the tiny KTH, and the random number after it."""
    torch.manual_seed(7)
    config = compose("train", [*tiny_runs.settings(kth), *overrides])
    model = build.build_task(config, list(ACTIONS), length=length).model
    return model, torch.rand(()).item()


def test_a_new_model_is_fitted_to_the_length_and_nothing_else_depends_on_it(kth: Path) -> None:
    (plain, before), (fitted, after), (again, _) = built(kth), built(kth, length=100), built(kth, length=100)
    assert gate_biases(plain, "f").eq(1).all()
    assert torch.allclose(gate_biases(fitted, "f").exp(), torch.tensor(99.0))
    assert torch.equal(gate_biases(fitted, "i"), -gate_biases(fitted, "f"))
    assert before == after  # what is drawn next
    for (name, one), other in zip(plain.named_parameters(), fitted.parameters(), strict=True):
        assert "bias_" in name or torch.equal(one, other)
    assert all(map(torch.equal, fitted.parameters(), again.parameters()))  # by the seed alone


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "least", "most"),
    [
        ([], CLIP - 1.1, CLIP - 1),
        (["model.forget_bias=auto", "data.clip_len=8"], 6.9, 7),
        (["model.chrono=100"], 10, 99),
        (["model.forget_bias=2.5"], 12.1, 12.2),
        (["model.forget_bias=null"], 0.4, 2.1),
        (["model.cell=rnn_tanh", "model.forget_bias=auto"], None, None),
    ],
    ids=str,
)
def test_training_goes_by_the_settings(
    overrides: list[str], least: float, most: float, kth: Path, tmp_path: Path
) -> None:
    """With steps too small to change a bias that one could see."""
    still = ["task.lr=1e-9", "task.weight_decay=0", "trainer.max_epochs=1", "test_after_fit=false"]
    assert main(["train", *tiny_runs.settings(kth), *still, *overrides, f"output={tmp_path / 'run'}"]) == 0
    model: Any = lstmzoo.load(tmp_path / "run")
    given = dict(one.removeprefix("model.").split("=") for one in overrides if one.startswith("model."))
    assert {name: written(model.model_args[name]) for name in given} == given
    if least is not None:
        assert least < gate_biases(model, "f").exp().max() <= most + 1e-3
        fitted = torch.allclose(gate_biases(model, "i"), -gate_biases(model, "f"), atol=1e-5)
        assert fitted == ("null" not in given.values() and "2.5" not in given.values())


def test_sequences_tell_their_steps() -> None:
    config = compose("train", ["experiment=recall", "data.distance=100"])
    data = build.task_class(config).open_data(build.to_dict(config))
    data.setup("fit")
    steps = data.train_dataset[0]["x"].shape[0]
    assert data.sequence_length == steps > 100
    spans = gate_biases(build.build_task(config, data.labels, length=data.sequence_length).model, "f").exp()
    assert torch.allclose(spans, torch.tensor(steps - 1.0))


@pytest.mark.slow
def test_weights_that_are_taken_over_are_not_initialised_again(kth: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["train", *tiny_runs.settings(kth), "trainer.max_epochs=1", f"output={run}"]) == 0
    origin = dict(lstmzoo.load(run).named_parameters())
    model, _ = built(kth, f"task.start_from={run}", length=100)
    assert all(torch.equal(origin[name], weight) for name, weight in model.named_parameters())
    assert main(["train", f"resume={run}", "trainer.max_epochs=2", "task.lr=1e-9", "task.weight_decay=0"]) == 0
    last = lstmzoo.load(run / "checkpoints" / "last.ckpt").state_dict()
    before = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    for name in ("rnn.bias_ih_l0", "rnn.bias_hh_l0"):
        torch.testing.assert_close(last[name], before[f"model.{name}"], atol=1e-4, rtol=0)


@pytest.mark.slow
def test_wrong_settings_are_one_line(kth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, said in (
        (["model.forget_bias=autp"], ["model.forget_bias", "a number, auto or null", "'autp'"]),
        (["model.forget_bias=1", "model.chrono=9"], ["forget_bias=1", "chrono=9"]),
        (["model.chrono=2"], ["chrono", "more than 2", "got 2"]),
        (["model.chrono=1.5"], ["model.chrono", "a whole number or null", "1.5"]),
    ):
        assert main(["train", *tiny_runs.settings(kth), *wrong, f"output={tmp_path / 'run'}"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert all(part in error for part in said), error
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments", [{"forget_bias": 1.0}, {"forget_bias": None}, {"forget_bias": "auto", "chrono": 1_000_000}], ids=str
)
def test_checkpoints_load_with_any_of_them(arguments: dict[str, Any], tmp_path: Path) -> None:
    """Those of earlier versions do not know of chrono; a time span is no size that the weights would bound."""
    model: Any = lstmzoo.create_model("action_rnn", num_classes=2, feature_size=4, hidden_size=4, **arguments)
    stored = {name: value for name, value in model.model_args.items() if name in arguments or name != "chrono"}
    transform = {"size": [32, 32], "clip_len": 4, "frame_interval": 1, "grey": True}
    metadata = checkpoint_metadata(
        "action_rnn", stored, classes=["a", "b"], transform=transform, data={}, config={}, vocabulary=None
    )
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"lstmzoo": metadata, "state_dict": state}, tmp_path / "x.ckpt")
    loaded = lstmzoo.load(tmp_path / "x.ckpt")
    assert all(map(torch.equal, loaded.parameters(), model.parameters()))
