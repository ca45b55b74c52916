"""Help texts that list a command's keys from its configuration file."""

from __future__ import annotations

from lstmzoo.cli.configs import config_dir


def with_keys(text: str, command: str) -> str:
    """Put the keys of ``configs/<command>.yaml``, with their comments, in the place of ``{keys}``.

    Args:
        text: the help text.
        command: whose keys.
    """
    lines = (config_dir() / f"{command}.yaml").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("#") for line in lines if line[:1].isalpha() and "#" in line]
    keys = "\n".join(f"  {setting.strip():<23} {comment.strip()}" for setting, _, comment in pairs)
    return text.replace("{keys}", keys)
