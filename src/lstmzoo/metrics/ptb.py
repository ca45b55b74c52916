"""Captions into the words that the official evaluation compares.

The official evaluation of captions takes its words from the PTBTokenizer of Stanford CoreNLP 3.4.1, a Java program,
and leaves out punctuation. `tokenize_java` runs that very program; `tokenize_python` follows the same conventions
(those of the Penn Treebank) as far as captions need them, for machines without Java.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lstmzoo.errors import LstmzooError
from lstmzoo.metrics.java import UTF8, java_command

JAR = "stanford-corenlp-3.4.1.jar"


def normalize(caption: str) -> str:
    """Put a caption on one line with single blanks.

    The official tokeniser works on one caption per line: a line end of any kind inside a caption, U+2028 for one, would
    shift all captions after it to the wrong image.
    """
    return " ".join(caption.split())


def tokenize_java(captions: Sequence[str]) -> list[str]:
    """Tokenise with the official program.

    Args:
        captions: the captions.

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

    The words are the same for all 35,000 training and development captions of Flickr8k. Differences are left in
    prose that captions do not have: unlisted abbreviations, initials at the end of a line, dates and unusual numbers
    (1⁄2 with U+2044).
    """
    return [" ".join(_words(normalize(caption))) for caption in captions]


# What the Penn Treebank writes in other letters, and the blank inside a number such as 1 1/2.
_BRACKETS = str.maketrans(
    {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-", " ": "\u00a0"}
)
_SIGNS = {"£": "#", "€": "$", "½": "1/2", "¼": "1/4", "¾": "3/4", "&amp;": "&", "&lt;": "<", "&gt;": ">"}

# Other quotes and dashes are read as the ASCII ones.
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "--", "…": "..."})

# Left out. Runs such as !! and brackets are words to the official evaluation, and stay.
_PUNCTUATION = re.compile(r"""[.]+|-{1,4}|['"`]+|[?!,:;]""")

_TITLES = (
    "mr mrs ms dr prof st jr sr vs etc inc co corp ltd mt ft ave blvd rd hwy dept gen gov sen rep lt col sgt capt maj "
    "rev hon jan feb mar apr jun jul aug sep sept oct nov dec ph.d"
)
_CLITIC = r"'(?:[sdm]|re|ve|ll)(?![^\W_])"
_NEGATION = r"n['`]t(?![^\W_])"
_LETTER = r"[^\W\d_]"

_NUMBERS_WITH_BLANKS = r"""
      \d{1,4} [ ] \d{1,4}/\d{1,4}                                     # 1 1/2
    | (?: \(\d{2,3}\) [ ]? | (?: \+{1,2} )? (?: \d{2,4} [- ] )? \d{2,4} [- ] ) \d{3,4} [- ]? \d{3,5}  # (555) 123 4567
"""

_TOKEN = re.compile(
    rf"""
      (?: https?:// | www\. ) [^\s"<>]+ [^\s"<>.,;:!?')]              # addresses
    | [\w.-]+ @ [\w-]+ (?: \. [\w-]+ )+
    | [#@] {_LETTER} \w*                                              # #hashtag, @home
    | &(?: amp | lt | gt );
    | [:;] -? [()]                                                    # smileys
    | \b (?: {"|".join(_TITLES.split())} ) \. (?! [^\W_] )            # Mr. Smith
    | \b no \. (?= \s \d )                                           # No. 5
    | \b {_LETTER} (?: \. {_LETTER} )* \. (?! [^\W_] )                # U.S., a.m., J. Smith
    | can (?= not\b ) | (?: gon | wan ) (?= na\b ) | got (?= ta\b ) | (?: gim | lem ) (?= me\b )
    | 't (?= (?: is | was )\b )
    | '\d\d s? \b | 'n' | 'n (?! \w ) | '(?: em | til | cause ) \b        # the '90s, rock'n'roll
    | \b ol' (?! \w ) | \b y' (?= all\b )
    | {_CLITIC} | {_NEGATION}
    | \d+ :\d\d (?= [ap]m\b )                                         # 12:30|pm
    | (?<! [\w.] ) (?: {_NUMBERS_WITH_BLANKS} ) | [¼½¾]
    | (?<! [\w.] ) [-+.]? \d+ (?: [.,:/-] \d+ )* (?! [^\W_¼½¾] | -\w )  # 5,000 3.5 1/2 10:30
    | (?-i: [A-Z]+ (?: & [A-Z]+ )+ ) \b                               # AT&T
    | C (?: \+\+ | \# )
    | [^\W_]+? (?= {_NEGATION} )                                      # does|n't
    | [^\W_]+ (?: (?: [-./_] | ' (?! {_CLITIC[1:]} | n' ) (?= \w\w ) ) [^\W_]+ )*
    | [!?]+ | \.+ | -+ | \*+
    | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)


def _words(caption: str) -> list[str]:
    """Take a caption apart, without punctuation."""
    tokens = [token.lower() for token in _TOKEN.findall(caption.translate(_PLAIN))]
    return [_SIGNS.get(token, token).translate(_BRACKETS) for token in tokens if not _PUNCTUATION.fullmatch(token)]
