"""Fixtures for the native engine's compiler and cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmzoo.nn.engines.native import build, kernel


@pytest.fixture
def cold():
    """Nothing is known of steps, compilers and folders, before and after."""

    def forget():
        kernel._find.cache_clear()
        kernel._make.cache_clear()
        kernel._said.clear()
        build._cache_folder.cache_clear()
        build._compilers.cache_clear()
        build._failed.clear()

    forget()
    yield
    forget()


@pytest.fixture
def cache(cold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for libraries."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LSTMZOO_CACHE", str(folder))
    return folder
