"""The rules of the official tokeniser, as far as captions need them; see `lstmzoo.captioning.metrics.ptb`."""

import re

from lstmzoo.captioning.metrics.ptb_characters import DROPPED, FRACTION, LETTER, shape_of

# What the Penn Treebank writes in other letters, and the blank inside a number such as 1 1/2.
_BRACKETS = str.maketrans(
    {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-", " ": "\u00a0"}
)
_SIGNS = {"£": "#", "€": "$", "¤": "$", "₠": "$", "\x80": "$", "¢": "cents", "&lt;": "<", "&gt;": ">"}
_SIGNS |= {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}

# Entities of HTML that are read as what they mean; others are words, or fall apart.
_ENTITIES = {"&quot;": '"', "&apos;": "'", "&nbsp;": " "}
_ENTITY = re.compile("|".join(_ENTITIES))
_LETTER_ENTITY = re.compile("&[aeiou](?:acute|grave|uml);", re.IGNORECASE)

# Left out. Runs such as !! and brackets are words to the official evaluation, and stay.
_PUNCTUATION = re.compile(rf"""[.]+|-{{1,4}}|['’"`]+|[?!,:;]|{DROPPED}""")

_TITLES = (
    "mr mrs ms dr prof st jr sr vs etc inc co corp ltd mt ft ave blvd rd hwy dept gen gov sen rep lt col sgt capt maj "
    "rev hon jan feb mar apr jun jul aug sep sept oct nov dec ph.d"
)
_LETTER = r"[^\W\d_]"
_CLITIC = rf"['’](?:[sdm]|re|ve|ll)(?!{_LETTER})"
_NEGATION = rf"n['’`]t(?!{_LETTER})"
_SHORTENED = re.compile(f"{_CLITIC}|{_NEGATION}", re.IGNORECASE)

_NUMBERS_WITH_BLANKS = r"""
      \d{1,4} [ ] \d{1,4}/\d{1,4}                                     # 1 1/2
    | (?: \(\d{2,3}\) [ ]? | (?: \+{1,2} )? (?: \d{2,4} [- ] )? \d{2,4} [- ] ) \d{3,4} [- ]? \d{3,5}  # (555) 123 4567
"""

_TAG = r"""
    < (?: [!?][a-z-][^>]{0,500}                                       # <!-- a remark -->
        | / [a-z][a-z0-9_:.-]*                                        # </b>
        | [a-z][a-z0-9_:.-]*                                          # <unk>, <br/>, <a href="x">
          (?: [ ]+ [a-z][a-z0-9_:.-]* (?: [ ]*=[ ]* (?: '[^']*' | "[^"]*" ) )? )*
          [ ]* /?
      ) [ ]* >
"""

_WITH_SLASHES = r"(?-i: [A-Za-z0-9]+ (?: -[A-Za-z]+ ){0,2} (?: / [A-Za-z0-9]+ (?: -[A-Za-z]+ ){0,2} ){1,2} )"

_FACES = r"""
      [<>]? [:;=] [-o*']? (?: [()dp\\{@|[\]] | (?-i: O ) ) (?! [a-z0-9] )                  # :) ;-P
    | [-^x=~<>']_[-^x=~<>'] | \( [-^x=~<>'] [-_.]? [-^x=~<>'] \)      # ^_^ (-_-)
"""

_TOKEN = re.compile(
    rf"""
      (?: https?:// | www\. ) [^\s"<>]+ [^\s"<>.,;:!?')]              # addresses
    | (?-i: [a-zA-Z0-9] ) [^\s"<>|(){{}}@]{{0,64}} @ (?: [^\s"<>|().{{}}]+ \. )* [^\s"<>|().{{}}]+
    | {_TAG}
    | \#{{2,}} | \# {_LETTER}+ | @{{2,}} | (?-i: @ [a-zA-Z_]\w* )      # #hashtag, @home
    | &(?: amp | lt | gt | (?-i: HT | TL | UR | LR | QC | QL | QR | odq | cdq ) | \#\d+ );
    | {_FACES}
    | \b (?: {"|".join(_TITLES.split())} ) \. (?! [^\W_] )            # Mr. Smith
    | \b no \. (?= \s? \d )                                          # No. 5
    | (?<! [^\W_] ) {_LETTER} (?: \. {_LETTER} )* \. (?! {_LETTER} )             # U.S., a.m., J. Smith
    | can (?= not\b ) | (?: gon | wan ) (?= na\b ) | got (?= ta\b ) | (?: gim | lem ) (?= me\b )
    | 't (?= (?: is | was )\b )
    | ['’]\d\d s? \b | ['’]n['’] | ['’]n (?! \w ) | ['’](?: em | til | cause ) \b   # the '90s, rock'n'roll
    | \b ol['’] (?! \w ) | \b y['’] (?= all\b )
    | {_CLITIC} | {_NEGATION}
    | \d+ :\d\d (?= [ap]m\b )                                         # 12:30|pm
    | (?<! [\w.] ) (?: {_NUMBERS_WITH_BLANKS} ) | {FRACTION}
    | (?<! [\w.] ) [-+]? [.:,]? \d+ (?: [.,:/-] \d+ )* (?! [^\W_] | [-/_][^\W_] | [.,:]\d )   # 5,000 3.5 1/2 10:30
    | (?<! [\w.] ) \d+ (?: [.,:] \d+ )+                              # 3.5|cm
    | (?<= [^\W_] ) [.,:] \d+ (?: [.,:] \d+ )* (?! [^\W_] )           # red|,5
    | {_WITH_SLASHES}
    | (?-i: [A-Z]+ (?: &(?:amp;)? [A-Z]+ )+ ) \b                      # AT&T
    | (?<! [^\W_] ) (?-i: [A-Z]+ \$ )                                 # US$
    | C (?: \+\+ | \# )
    | [^\W_]+? (?= {_NEGATION} )                                      # does|n't
    | (?: (?<! [^\W_] ) {_LETTER} [^\W_]* [.!?] (?= {_LETTER} ) )*     # what?why
      (?: \b (?: [dlo]['’] (?= [^\W_] ) | (?-i: [A-HJ-XZn] ) ['’] (?= {_LETTER}{{2}} ) ) )?   # o'clock, O'Neil
      [^\W_]+ (?: [-_] [^\W_]+ )*
    | [!?]+ | \.+ | -+ | \*+ | _+ | << | >>
    | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)


def words_of(caption: str) -> list[str]:
    """Take a caption apart, without punctuation.

    Args:
        caption: on one line, with single blanks.
    """
    text = _ENTITY.sub(lambda found: _ENTITIES[found[0]], caption.replace("\u00ad", "").replace("‘", "`"))
    shape = shape_of(text)  # rules look at the shape, words are cut out of the text
    if "&" in shape:
        shape = _LETTER_ENTITY.sub(lambda found: LETTER * len(found[0]), shape)
    found = (slice(*match.span()) for match in _TOKEN.finditer(shape))
    return [_word(text[place], shape[place]) for place in found if not _PUNCTUATION.fullmatch(shape[place])]


def _word(token: str, shape: str) -> str:
    """Write a token as the Penn Treebank does."""
    if _SHORTENED.fullmatch(shape):
        token = token.replace("’", "'")
    token = token.lower()
    if len(token) > 1 and token[-1] in "{[]" and token[-2] in ":;=-o*'":  # faces keep these brackets
        return token
    return _SIGNS.get(token, token.replace("&amp;", "&")).translate(_BRACKETS)
