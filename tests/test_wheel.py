"""The wheel, installed into a clean virtual environment and used from another directory."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from lstmzoo.models.encoder_weights import PACKAGED
from lstmzoo.models.pretrained.names import CARD, CONFIG, TENSORS, shipped

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
    ours = {f"{name}/{file}" for name in shipped() for file in (CARD, CONFIG, TENSORS)}
    assert weights == {*(f"{name}.safetensors" for name in PACKAGED), "LICENSE", "NOTICE", *ours}
    assert not [name for name in names if name.endswith((".ckpt", ".avi", ".npy"))]


def test_installed_wheel_trains_from_another_directory(wheel: Path, tmp_path: Path) -> None:
    """Only the wheel is installed there; what it depends on is borrowed from the environment of the tests."""
    env_dir, work = tmp_path / "env", tmp_path / "somewhere else"
    work.mkdir()
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
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def lstmzoo(*arguments: str) -> str:
        command = [str(python.with_name("lstmzoo")), *arguments]
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = subprocess.run(
        [str(python), "-c", "import lstmzoo; print(lstmzoo.__file__)"],
        cwd=work, env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert str(env_dir) in where
    assert "action_rnn" in lstmzoo("list", "models")
    assert "MIT" in lstmzoo("list", "weights", "kth_sim_lstm")
    lstmzoo("train", "trainer=debug", "data.persons=25", "data.scenarios=1", "hydra.run.dir=run")
    assert (work / "run" / "checkpoints" / "best.ckpt").is_file()
