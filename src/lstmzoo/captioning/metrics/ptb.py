"""Captions into the words that the official evaluation compares.

The official evaluation of captions takes its words from the PTBTokenizer of Stanford CoreNLP 3.4.1, a Java program,
and leaves out punctuation. `tokenize_java` runs that very program; `tokenize_python` follows the same conventions
(those of the Penn Treebank) as far as captions need them, for machines without Java.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lstmzoo.captioning.metrics.java import UTF8, java_command
from lstmzoo.captioning.metrics.ptb_rules import words_of
from lstmzoo.errors import LstmzooError

JAR = "stanford-corenlp-3.4.1.jar"


def normalize(caption: str) -> str:
    """Put a caption on one line with single blanks.

    The official tokeniser works on one caption per line: a line end of any kind inside a caption, U+2028 for one, would
    shift all captions after it to the wrong image.
    """
    return " ".join(caption.split())


def tokenize_java(captions: Sequence[str]) -> list[str]:
    """Tokenise with the official program.

    Returns:
        The words of each, lower case, without punctuation, parted by single blanks. A number such as 1 1/2 is one word,
        with U+00A0 inside.

    Raises:
        LstmzooError: there is no Java, or the program failed.
    """
    from pycocoevalcap.tokenizer import ptbtokenizer

    jar = Path(ptbtokenizer.__file__).with_name(JAR)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "captions.txt"
        source.write_text("".join(f"{normalize(caption)}\n" for caption in captions), encoding="utf-8", newline="\n")
        program = ["-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
        done = subprocess.run([*java_command(), *UTF8, *program, str(source)], capture_output=True, check=False)
    lines = done.stdout.decode("utf-8", errors="replace").split("\n")[:-1]
    if done.returncode or len(lines) != len(captions):
        reason = done.stderr.decode(errors="replace").strip()[-300:]
        raise LstmzooError(f"the PTB tokeniser gave {len(lines)} lines for {len(captions)} captions: {reason}")
    dropped = {*ptbtokenizer.PUNCTUATIONS, ""}
    # Not at any white space: the program joins what is one word to it, 1 1/2 for one, by U+00A0.
    return [" ".join(word for word in line.split(" ") if word not in dropped) for line in lines]


def tokenize_python(captions: Sequence[str]) -> list[str]:
    """Tokenise as the official program does, without Java; see `tokenize_java`.

    The words are the same for all 35,000 training and development captions of Flickr8k, and in captions with tags
    (``<unk>``), emoji, entities of HTML and signs. Differences are left in prose that captions do not have: unlisted
    abbreviations, initials at the end of a line, dates and unusual numbers (1⁄2 with U+2044), words without a blank
    between them, letters younger than the program.
    """
    return [" ".join(words_of(normalize(caption))) for caption in captions]
