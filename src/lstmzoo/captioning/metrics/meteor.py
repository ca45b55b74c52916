"""METEOR (Denkowski and Lavie 2014): the official Java program, started so that it works in any language."""

import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from lstmzoo.captioning.metrics.java import LOCALE, UTF8, java_command
from lstmzoo.errors import LstmzooError

Tokenized = Mapping[str, list[str]]

START_SECONDS, SECONDS_PER_IMAGE = 300.0, 1.0
"""How long to wait for the program before it is taken for dead; it is a hundred times faster on an idle machine."""


def meteor(references: Tokenized, hypotheses: Tokenized) -> float:
    """Compute METEOR 1.5 through pycocoevalcap.

    Args:
        references: the tokenised references of each image.
        hypotheses: the tokenised caption of each image, in a list of one.

    Returns:
        The score of the whole set, in 0..1.

    Raises:
        LstmzooError: there is no Java, or the program failed.
    """
    # Three bars part the fields of a line that is sent to the program.
    parted = {key: [text.replace("|||", " ") for text in texts] for key, texts in references.items()}
    limit = START_SECONDS + SECONDS_PER_IMAGE * len(parted)
    with tempfile.TemporaryFile() as messages:
        scorer = _scorer(messages)
        watchdog = threading.Timer(limit, scorer.meteor_p.kill)
        watchdog.start()
        try:
            score, _ = scorer.compute_score(parted, hypotheses)
        except (OSError, ValueError) as error:
            scorer.lock.release()  # taken by the computation; the scorer takes it again when it is deleted
            late = watchdog.finished.is_set()
            reason = f"it was ended after {limit:.0f} s without a result" if late else _end(scorer.meteor_p, messages)
            raise LstmzooError(f"METEOR's Java program failed: {reason or error}") from error
        finally:
            watchdog.cancel()
            scorer.meteor_p.kill()
            with suppress(OSError):
                scorer.meteor_p.stdin.close()
    return float(score)


def _end(program: subprocess.Popen[bytes], messages: IO[bytes]) -> str:
    """Say how the program ended, and what it wrote about it; empty where it has not ended."""
    try:
        status = program.wait(timeout=1)  # what it wrote to is closed a little before it is gone
    except subprocess.TimeoutExpired:
        return ""
    messages.seek(0)
    lines = messages.read().decode(errors="replace").splitlines()
    said = next((line.strip() for line in reversed(lines) if line.strip() and not line.startswith("\tat ")), "")[:300]
    how = f"it was killed by {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"
    return f"{how}: {said}" if said else how


def _scorer(messages: IO[bytes]) -> Any:
    """Make pycocoevalcap's scorer around a program of our own starting.

    As pycocoevalcap starts it, the program writes 0,5 for 0.5 where that is the custom, and cannot read it.
    """
    from pycocoevalcap.meteor import meteor as module

    jar = Path(module.__file__).with_name(module.METEOR_JAR)
    command = [*java_command(), *LOCALE, *UTF8, "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    scorer = module.Meteor.__new__(module.Meteor)
    scorer.lock = threading.Lock()
    scorer.meteor_p = subprocess.Popen(
        command, cwd=jar.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=messages
    )
    return scorer
