"""The version of this package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lstmzoo")
except PackageNotFoundError:  # a source tree on PYTHONPATH that was never installed
    __version__ = "0.0.0+source"
