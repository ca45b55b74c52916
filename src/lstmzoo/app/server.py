"""The page as a whole, and the server behind it."""

import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # nothing is told to anyone

import gradio

from lstmzoo.app import actions, captions, masks
from lstmzoo.app.requests import KEPT_S, MAX_UPLOAD

PAGES = {
    "captioning": ("Photographs", captions.page),
    "recognition": ("Actions", actions.page),
    "segmentation": ("Masks", masks.page),
}
THEME = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def build(models: Mapping[str, str]) -> Any:
    """Lay out a tab for every task.

    Args:
        models: by task, a checkpoint, a run folder or a name.
    """
    with gradio.Blocks(title="lstmzoo", analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S)) as blocks:
        gradio.Markdown("# lstmzoo\nRecurrent memory at work on files of yours. Nothing leaves this computer.")
        for task, place in models.items():
            title, page = PAGES[task]
            with gradio.Tab(title):
                page(place)
    return blocks


def serve(models: Mapping[str, str], host: str, port: int, block: bool = True) -> Any:
    """Serve the page until Ctrl-C; without `block`, return at once."""
    app = build(models).queue(max_size=20)
    print(f"http://{host}:{port} (Ctrl-C ends it)", flush=True)
    app.launch(
        server_name=host,
        server_port=port,
        share=False,
        inbrowser=False,
        max_file_size=MAX_UPLOAD,
        theme=THEME,
        footer_links=[],
        prevent_thread_lock=not block,
        ssr_mode=False,
        quiet=True,
    )
    return app
