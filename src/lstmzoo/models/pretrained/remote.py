"""Weights from an https address, verified, in the user's cache."""

import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from lstmzoo.errors import CheckpointError
from lstmzoo.io.download import fetch
from lstmzoo.io.places import cache_home
from lstmzoo.models.pretrained.names import CONFIG, TENSORS
from lstmzoo.models.pretrained.weights_folder import read_config


def fetch_weights(url: str, sha256: str | None) -> Path:
    """Fetch weights unless they are in the cache already, and verify them either way.

    Args:
        url: https address of a .ckpt file, or of a config.json, which names the SHA-256 of the model.safetensors that
            is fetched from beside it.
        sha256: what the file at the address must have, in hexadecimal.

    Returns:
        The file in the cache.

    Raises:
        CheckpointError: no sha256, or an address of anything else.
        DataError: not https, no connection, an incomplete download, or a file that is not the expected one.
    """
    if sha256 is None or not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise CheckpointError(
            f"{url}: sha256={sha256!r}; give the SHA-256 of the file, 64 hexadecimal digits: without it nothing is "
            "loaded from the network"
        )
    name = urlsplit(url).path.rpartition("/")[2]
    if name != CONFIG and not name.endswith(".ckpt"):
        raise CheckpointError(f"{url} is the address of neither a {CONFIG} (with {TENSORS} beside it) nor a .ckpt file")
    folder = cache_home() / "weights" / sha256.lower()
    file = fetch(url, folder / (CONFIG if name == CONFIG else "model.ckpt"), sha256=sha256)
    if name == CONFIG:
        config = read_config(folder)
        if "members" not in config:
            fetch(urljoin(url, TENSORS), folder / TENSORS, sha256=str(config["weights"].get("sha256")))
    return file
