"""The layers of docs/architecture.md point one way, and importing a light one loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from lstmzoo.discovery import rooms

SOURCE = Path(__file__).parents[1] / "src" / "lstmzoo"

ROOMS = rooms()
BELOW_TASKS = {"errors", "version", "registry", "settings", "nn", "io", "models", "viz", "synthetic", "training"}
# What each layer may import of the package besides itself, and which heavy packages it may import.
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "discovery": {"errors"},
    "settings": set(),
    "version": set(),
    "registry": {"errors", "discovery"},
    "nn": {"errors"},
    "io": {"errors", "version"},
    "models": {"errors", "version", "registry", "settings", "nn", "io"},
    "viz": {"errors", "nn", "io", "models"},
    "synthetic": {"errors", "io"},
    "training": {"errors", "registry", "settings", "nn", "models", "io"},
    **dict.fromkeys(ROOMS, BELOW_TASKS),
    "data": {*ROOMS, "io"},
    "metrics": {*ROOMS},
    "bench": {*BELOW_TASKS, *ROOMS},
    "config": {"errors", "discovery", "models", "registry", "settings", "training"},
    "runs": {*BELOW_TASKS, "config"},
    "conformance": {*BELOW_TASKS, "config"},
    "study": {*BELOW_TASKS, *ROOMS, "config", "runs"},
    "app": {*BELOW_TASKS, *ROOMS, "config", "runs"},
    "cli": {*BELOW_TASKS, "discovery", "config", "runs", "conformance", "bench", "study"},
}
HEAVY: dict[str, set[str]] = {
    "lightning": {"training", *ROOMS, "runs"},
    "hydra": {"config", "runs", "cli"},
    "omegaconf": {"config", "runs", "cli"},
    "cv2": {"io", "viz", "synthetic", *ROOMS, "bench", "runs", "app"},
    "torchvision": {"models", "cli"},
    "gradio": {"app"},
    "timm": {"models"},
    "matplotlib": {"viz", *ROOMS, "study"},
}
# The package's front door, src/lstmzoo/__init__.py, is no layer: it names every layer, lazily.
FILES = [file for file in sorted(SOURCE.rglob("*.py")) if file not in (SOURCE / "__init__.py", SOURCE / "__main__.py")]


def imports(source: str, package: str) -> set[str]:
    """Every module a source imports, anywhere in it; names imported from the package count as its modules."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def violations(layer: str, modules: set[str]) -> list[str]:
    """The imported modules that a layer may not import."""
    wrong = []
    for module in sorted(modules):
        top, _, rest = module.partition(".")
        if top == "lstmzoo":
            target = rest.partition(".")[0]
            wrong += [module] if target in LAYERS and target not in LAYERS[layer] | {layer} else []
            continue
        heavy = top in HEAVY and layer not in HEAVY[top]
        foreign_to_nn = layer == "nn" and top not in ("torch", "triton", *sys.stdlib_module_names)
        if heavy or foreign_to_nn:
            wrong.append(module)
    return wrong


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(SOURCE).as_posix())
def test_imports_point_one_way(file):
    parts = file.relative_to(SOURCE).with_suffix("").parts
    assert parts[0] in LAYERS, f"{parts[0]} is no layer of docs/architecture.md"
    package = ".".join(["lstmzoo", *parts[:-1]])
    assert violations(parts[0], imports(file.read_text(encoding="utf-8"), package)) == []


@pytest.mark.parametrize(
    ("layer", "source", "wrong"),
    [
        ("nn", "import torch, math\nfrom lstmzoo.errors import LstmzooError", []),
        ("nn", "import numpy as np", ["numpy"]),
        ("nn", "def f():\n    from ..models import model_registry", ["lstmzoo.models.model_registry"]),
        ("models", "from lstmzoo import __version__, viz", ["lstmzoo.viz"]),
        ("io", "import lightning.pytorch as pl", ["lightning.pytorch"]),
        ("actions", "from lstmzoo.captioning import task", ["lstmzoo.captioning.task"]),
    ],
)
def test_the_check_finds_what_it_should(layer, source, wrong):
    assert violations(layer, imports(source, f"lstmzoo.{layer}")) == wrong


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import lstmzoo", ["torch", "numpy", "lightning", "hydra", "cv2", "torchvision"]),
        ("import lstmzoo.nn", ["lightning", "hydra", "cv2", "torchvision"]),
        ("import lstmzoo; lstmzoo.nn.LSTM(2, 3)", ["lightning", "hydra", "cv2", "torchvision"]),
        ("import lstmzoo.models", ["lightning", "hydra", "cv2", "timm", "torchvision", "matplotlib"]),
        ("import lstmzoo; lstmzoo.create_model('action_rnn')", ["lightning", "hydra", "timm", "torchvision"]),
        ("import lstmzoo.data", ["lightning", "hydra", "torchvision", "matplotlib"]),
        ("import lstmzoo.metrics", ["lightning", "hydra", "cv2", "torchvision", "matplotlib"]),
        (
            "import lstmzoo.segmentation.metrics",
            ["torch", "lightning", "hydra", "scipy.optimize"],
        ),  # it starts processes
    ],
)
def test_importing_a_layer_loads_nothing_heavy(statement, absent):
    code = f"import sys; {statement}; print(*[m for m in {absent} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
