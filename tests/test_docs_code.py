"""The Python code of README.md, own_cells.md and kernels.md runs, from top to bottom, and does what the text says."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import lstmzoo
from lstmzoo.models.checkpoint import checkpoint_metadata
from lstmzoo.nn import cell_registry
from lstmzoo.nn.engines.native import build
from lstmzoo.nn.engines.native.operations import FUNCTIONS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


def run_blocks(page: str, namespace: dict[str, Any]) -> dict[str, Any]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        line = text[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], page, "exec"), namespace)  # errors name the page's own lines
    return namespace


def test_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lstmzoo.create_model("action_rnn", num_classes=2)
    metadata = checkpoint_metadata(model.model_name, model.model_args, ["a", "b"], {"size": [32, 32]})
    weights = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    (tmp_path / "runs/demo/checkpoints").mkdir(parents=True)
    torch.save({"state_dict": weights, "lstmzoo": metadata}, tmp_path / "runs/demo/checkpoints/best.ckpt")
    monkeypatch.chdir(tmp_path)
    video = torch.randint(256, (2, 4, 1, 32, 32), dtype=torch.uint8)
    found = run_blocks("README.md", {"video": video, "frame": video[:, 0]})
    assert found["logits"].shape == (2, 2)
    assert found["t"].gates["f"][0].shape == (50, 1, 128)
    assert found["output"].shape == (50, 8, 256)
    assert found["images"].shape == (5, 2, 16, 32, 32)


@pytest.fixture
def own_cells(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What is defined at the end of docs/own_cells.md."""
    try:
        build.load("")
    except build.BuildError as error:
        pytest.skip(f"the page asks for the native engine: {error}")
    monkeypatch.setattr(cell_registry, "_CELLS", dict(cell_registry._CELLS))  # without what the page registers
    torch.manual_seed(0)
    yield run_blocks("docs/own_cells.md", {})
    logging.getLogger("lstmzoo.nn.engines.native").setLevel(logging.NOTSET)


def test_own_cells(own_cells: dict[str, Any]) -> None:
    whole = own_cells["stream"](own_cells["x"])[0]
    torch.testing.assert_close(torch.cat([own_cells["first"], own_cells["second"]]), whole)
    assert own_cells["seen"].gates["o"][0].eq(1).all()
    assert own_cells["states"]["c"].shape == (4, 50, 8, 32)
    assert own_cells["images"].p_f_l0.shape == (8, 1, 1)


def test_every_hook_of_own_cells_does_what_its_comment_says(own_cells: dict[str, Any]) -> None:
    """One step from h₋ = 1/2 against the equation, written out."""
    x, h = torch.randn(1, 2, 3), torch.full((1, 2, 4), 0.5)

    def after(name: str, expected: Any, layers: int = 1) -> None:
        module = lstmzoo.nn.Recurrent(own_cells[name], 3, 4, layers)
        w = {key.removesuffix("_l0"): value for key, value in module.named_parameters()}
        given = None if name == "InitialValues" else h.expand(layers, 2, 4)
        torch.testing.assert_close(module(x, given)[1][-1], torch.tanh(expected(w, module)), rtol=1e-5, atol=1e-6)

    def of_x(w: Any, value: torch.Tensor = x[0]) -> torch.Tensor:
        return F.linear(value, w["weight_ih"], w["bias_ih"])

    def of_h(w: Any, value: torch.Tensor = h[0]) -> torch.Tensor:
        return F.linear(value, w["weight_hh"], w["bias_hh"])

    after("SeparateTerms", lambda w, m: of_x(w) + 0.5 * of_h(w))
    after("Deferred", lambda w, m: of_x(w) + of_h(w, h[0].tanh()))
    after("InputOnly", lambda w, m: of_x(w) + 0.9 * h[0])
    after("ManualProjection", lambda w, m: of_x(w, x[0].tanh()) + of_h(w, 2 * h[0]))
    after("Matrices", lambda w, m: of_x(w) + of_h(w) + F.linear(h[0] ** 2, w["q"]))
    after("Vectors", lambda w, m: of_x(w) + of_h(w) + h[0])
    after("Constants", lambda w, m: (of_x(w) + of_h(w)) * torch.linspace(0, 1, 4))
    after("Masked", lambda w, m: of_x(w) + F.linear(h[0], w["weight_hh"].tril(), w["bias_hh"]))
    after("Unbiased", lambda w, m: F.linear(x[0], w["weight_ih"]) + F.linear(h[0], w["weight_hh"]))
    after("InitialValues", lambda w, m: of_x(w) + of_h(w, torch.ones(2, 4)))

    def upper(w: Any, m: Any) -> torch.Tensor:
        below = torch.tanh(of_x(w) + of_h(w))
        return F.linear(below, m.weight_ih_l1, m.bias_ih_l1) + F.linear(h[0], m.weight_hh_l1, m.bias_hh_l1) + below

    after("Below", upper, layers=2)


def test_the_kernel_shown_is_the_kernel_that_is_printed() -> None:
    """In a process of its own: which names values get depends on what has been compiled before."""
    pytest.importorskip("triton")
    text = (ROOT / "docs/kernels.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"\n```\n{done.stdout.strip()}\n```\n" in text


def test_own_cells_lists_functions_that_the_compiler_knows() -> None:
    text = (ROOT / "docs/own_cells.md").read_text(encoding="utf-8")
    part = text[text.index("\n- `torch`:") : text.index("\n- `.detach()`")]
    named = set(re.findall(r"`(\w+)`", part)) - {"torch"}
    assert len(named) > 30
    for name in named:
        function = getattr(torch, name, None) or getattr(F, name)
        assert function.__name__ in FUNCTIONS, name  # the name under which torch hands it to the compiler
