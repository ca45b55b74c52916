"""The wheel, installed into a clean virtual environment and used from another directory."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lstmzoo.models.encoder_weights import PACKAGED
from lstmzoo.models.pretrained.names import CARD, CONFIG, shipped, weights_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network: the build backend is among the development requirements."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_code_and_configs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"lstmzoo", wheel.name.rsplit("-py3", 1)[0] + ".dist-info"}
    configs = {name.removeprefix("lstmzoo/configs/") for name in names if name.startswith("lstmzoo/configs/")}
    assert configs == {str(path.relative_to(ROOT / "configs")) for path in (ROOT / "configs").rglob("*.yaml")}
    assert "lstmzoo/py.typed" in names
    place = "lstmzoo/models/weights/"
    weights = {name.removeprefix(place) for name in names if name.startswith(place)}
    ours = {f"{name}/{file}" for name, at in shipped().items() for file in (CARD, CONFIG, weights_file(at).name)}
    assert weights == {*(f"{name}.safetensors" for name in PACKAGED), "LICENSE", "NOTICE", *ours}
    assert not [name for name in names if name.endswith((".ckpt", ".avi", ".npy"))]


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment in which only the wheel is installed; the rest is borrowed from that of the tests."""
    env_dir = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", str(env_dir)], check=True, timeout=300)
    python = env_dir / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, timeout=300)
    borrowed = sysconfig.get_paths()["purelib"]
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    Path(site, "borrowed.pth").write_text(borrowed + "\n")
    return python


ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


def test_installed_wheel_trains_from_another_directory(python: Path, tmp_path: Path) -> None:
    work = tmp_path / "somewhere else"
    work.mkdir()

    def lstmzoo(*arguments: str) -> str:
        command = [str(python.with_name("lstmzoo")), *arguments]
        done = subprocess.run(command, cwd=work, env=ENVIRONMENT, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = subprocess.run(
        [str(python), "-c", "import lstmzoo; print(lstmzoo.__file__)"],
        cwd=work, env=ENVIRONMENT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert str(python.parents[1]) in where
    assert "action_rnn" in lstmzoo("list", "models")
    assert "MIT" in lstmzoo("list", "weights", "kth_sim_lstm")
    lstmzoo("train", "trainer=debug", "data.persons=25", "data.scenarios=1", "hydra.run.dir=run")
    assert (work / "run" / "checkpoints" / "best.ckpt").is_file()


def test_installed_cells_need_torch_only(python: Path, tmp_path: Path) -> None:
    """No package can be imported but torch and what pip installs with it."""
    modules = packages_distributions()
    torchs = required_by("torch")
    allowed = {name for name, owners in modules.items() if torchs & {canonicalize_name(owner) for owner in owners}}
    script = f"""
import sys

finders = [*sys.meta_path]

class Few:
    def find_spec(self, name, *where):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names | {allowed | {"lstmzoo"}!r} or top.startswith("_sysconfigdata"):
            return next((spec for one in finders if (spec := one.find_spec(name, *where))), None)

sys.meta_path[:] = [Few()]
import torch
from lstmzoo import nn

for name in nn.list_cells():
    layer = nn.Recurrent(name, 3, 4)
    layer(torch.ones(2, 1, 3))[0].sum().backward()
print(nn.__file__)
"""
    done = subprocess.run(
        [str(python), "-c", script], cwd=tmp_path, env=ENVIRONMENT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(python.parents[1]))
    assert {"torch", "sympy"} <= allowed
    assert not {"numpy", "timm", "lightning", "hydra", "cv2"} & allowed


def required_by(package: str) -> set[str]:
    """A package, and all that it requires without extras."""
    found, new = set(), {package}
    while new:
        found |= new
        lines = (Requirement(line) for name in new for line in requires(name) or [])
        names = {line.name for line in lines if line.marker is None or line.marker.evaluate({"extra": ""})}
        new = {canonicalize_name(name) for name in names} - found
    return found
