"""What the official tokeniser makes of each character.

PTBTokenizer knows letters, the signs and marks listed here, and nothing beyond the first 65,536 characters of Unicode:
an emoji is not a word to it, it disappears. The lists were taken from the program itself, character by character.
"""

DROPPED, SIGN, FRACTION, LETTER = "\ue000", "\ue001", "\ue002", "ª"
"""Stand-ins in a shape: for what disappears, signs that are words by themselves, ½ and the like, and letters."""

_FRACTIONS = "¼½¾⅓⅔"
_OTHER_SHAPES = {"‐": "-", "‑": "-", "֊": "-"}
_AS_THEY_ARE = frozenset("’¢£¤€₠\x80")

_SIGNS = """
    a1 a5-a9 ac ae-b4 b6-b9 bf d7 f7 37e 387 589 5be 5c0 5c3 5c6 5f3-603 606-60c 614 61b 61e-61f 66a 66d 6d4 700-70d
    7f6-7f8 964-965 e3f e4f 1fbd 2016-2017 201a 201e-2023 2030-2038 203b 203e-2042 2044 2070 2074-207e 2080-208e 20a4
    2100-2101 2103-2106 2108-2109 2114 2116-2118 211e-2123 2125 2127 2129 212e 213a-213b 2140-2144 214a-214d 214f
    2155-215e 2190-2bff 3001-3002 3012 30fb ff01-ff0f ff1a-ff20 ff3b-ff40 ff5b-ff65 ffe0-ffe1 ffe5-ffe6
"""
_MARKS = """
    2c2-379 384-385 3f6 483-487 55a-55f 591-5bd 5bf 5c1-5c2 5c4-5c5 5c7 615-61a 64b-65e 670 6d6-6fe 70f-7f3 900-903
    93c-94e 951-955 962-963 981-9e3 a01-a4f a81-acf b82-bcd c01-c03 c3e-c56 d3e-d48 e31-e3a e47-e4e eb1-ecd 1885-1886
"""


def shape_of(text: str) -> str:
    """Return a text of the same length in which only ASCII, letters, ’ and the stand-ins are left."""
    return text.translate(_SHAPES)


def _codes(ranges: str) -> frozenset[int]:
    pairs = [one.partition("-") for one in ranges.split()]
    return frozenset(code for first, _, last in pairs for code in range(int(first, 16), int(last or first, 16) + 1))


class _Shapes(dict[int, str]):
    """The shape of each character, found when it is first met."""

    signs, marks = _codes(_SIGNS), _codes(_MARKS)

    def __missing__(self, code: int) -> str:
        self[code] = shape = self._find(code, chr(code))
        return shape

    def _find(self, code: int, character: str) -> str:
        if character in _AS_THEY_ARE or " " <= character <= "~":
            return character
        if character in _FRACTIONS:
            return FRACTION
        if code in self.signs:
            return SIGN
        if code <= 0xFFFF and (character.isalpha() or character.isdecimal()):
            return character
        return LETTER if code in self.marks else _OTHER_SHAPES.get(character, DROPPED)


_SHAPES = _Shapes()
