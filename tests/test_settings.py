"""Settings out of constructors: what is declared, what is read, what is accepted, and what Hydra makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lstmzoo.config.options import parse_options, written
from lstmzoo.errors import LstmzooError
from lstmzoo.settings import MISSING, accepts, described, read, schema_of, settings_of, with_defaults

WORD = st.text("abz019_/.", min_size=1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (bool, st.booleans()),
    (int, st.integers()),
    (float, FLOAT),
    (str, WORD),
    (int | None, st.none() | st.integers()),
    (float | str, FLOAT | WORD),
    (list[int], st.lists(st.integers())),
    (Sequence[str], st.lists(WORD)),
    (tuple[float, ...] | None, st.none() | st.lists(FLOAT)),
    (Literal["a", "b"], st.sampled_from("ab")),
    (Literal[1, 2] | None, st.sampled_from([1, 2, None])),
]
KINDS = [*(kind for kind, _ in VALUES), Any, Path, Path | None, dict[str, int], dict, list]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@dataclass(frozen=True)
class Nested:
    """A group of keys.

    Args:
        share: of something.
    """

    share: float = 0.5


class Base:
    """A base class.

    Args:
        rate: how fast.
        size: how large; also said by the class below.
    """

    def __init__(self, rate: float = 0.1, size: int = 1) -> None: ...


class Derived(Base):
    """A class with settings of its own.

    Args:
        model: no setting.
        size: how large
            in pixels.
        kind: see :class:`Base` and ``this``.
        **settings: those of `Base`.
    """

    NOT_SETTINGS = ("model",)

    def __init__(
        self,
        model: str,
        where: Path,
        size: Sequence[int] = (4, 4),
        kind: Literal["a", "b"] = "a",
        nested: Nested = Nested(),
        **settings: Any,
    ) -> None: ...

    @classmethod
    def check(cls, number: int = 3, **settings: Any) -> None:
        """Check.

        Args:
            number: of something.
        """


def test_a_constructor_declares_its_settings() -> None:
    found = settings_of(Derived)
    assert list(found) == ["where", "size", "kind", "nested", "rate"]
    assert [found[name].default for name in ("where", "size", "kind", "rate")] == [MISSING, (4, 4), "a", 0.1]
    assert found["size"].help == "how large in pixels."
    assert found["kind"].help == "see Base and this."
    assert found["rate"].help == "how fast."
    assert (found["rate"].type, found["size"].type) == (float, Sequence[int])
    assert [name for name, setting in found.items() if setting.is_path] == ["where"]
    assert list(settings_of(Derived, ("size",))) == ["where", "kind", "nested", "rate"]
    assert list(settings_of(Derived.check))[:2] == ["number", "where"]
    assert with_defaults(found, {"rate": 7})["rate"].default == 7
    with pytest.raises(TypeError, match=r"'pace'.*rate"):
        with_defaults(found, {"pace": 7})


def _is_number(text: str) -> bool:
    try:
        return isinstance(float(text), float)
    except ValueError:
        return False


@given(st.data())
def test_what_is_written_is_read(data: st.DataObject) -> None:
    kind, values = data.draw(st.sampled_from(VALUES))
    value = data.draw(values)
    assert accepts(kind, value)
    assume(not (isinstance(value, str) and kind == float | str and _is_number(value)))  # it is read as a number
    assert read(kind, written(value)) == value


@given(st.sampled_from(KINDS), PLAIN)
def test_any_value_is_accepted_or_not(kind: Any, value: Any) -> None:
    assert accepts(kind, value) in (True, False)
    assert described(kind)


@given(st.sampled_from([kind for kind in KINDS if "Path" not in str(kind) and "dict" not in str(kind)]), st.text())
def test_any_text_is_read_or_refused(kind: Any, text: str) -> None:
    try:
        value = read(kind, text)
    except ValueError:
        return
    assert accepts(kind, value)


@pytest.mark.parametrize(
    ("kind", "fits", "others"),
    [
        (bool, [True], [1, 0.0, "true", None]),
        (int, [3, -1], [True, 1.0, "1", None, [1]]),
        (float, [1.5, 2], [True, "1", None]),
        (str, ["a", 5, 0.5], [True, None, ["a"]]),
        (int | None, [None, 1], ["x", 1.5, False]),
        (Path, ["a/b"], [None, True, ["a"]]),
        (list[int], [[], [1, 2], (1,)], ["12", [1, "a"], 3, None]),
        (Literal["a", "b"], ["a"], ["c", None, ["a"]]),
        (dict[str, int], [{}], [[], "x", None]),
        (Nested, [{"share": 1}], [1, None]),
        (Any, [None, 1, [{}]], []),
    ],
)
def test_types(kind: Any, fits: list[Any], others: list[Any]) -> None:
    assert [value for value in fits if not accepts(kind, value)] == []
    assert [value for value in others if accepts(kind, value)] == []


def test_hydra_gets_types_and_defaults() -> None:
    config = OmegaConf.structured(schema_of("a-choice", settings_of(Derived)))
    expected = {"name": "a-choice", "where": "???", "size": [4, 4], "kind": "a", "nested": {"share": 0.5}, "rate": 0.1}
    assert OmegaConf.to_container(config) == expected
    again = OmegaConf.structured(schema_of("a-choice", settings_of(Derived)))
    config.size[0] = 9
    assert again.size == [4, 4]
    for key, value in {"rate": "fast", "size": ["x"], "nested": 3, "nested.share": "x", "rates": 1}.items():
        with pytest.raises(OmegaConfBaseException):
            OmegaConf.update(config, key, value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["where"], ["'where'", "option=value", "where, size, kind, nested, rate"]),
        (["were=x"], ["'were'", "did you mean 'where'"]),
        (["where=a", "where=b"], ["where", "twice"]),
        (["where="], ["where="]),
        (["where=a", "rate=fast"], ["rate=fast", "a number"]),
        (["where=a", "kind=c"], ["kind=c", "a or b"]),
        (["rate=1"], ["where", "my command rate=1 where=PATH"]),
    ],
)
def test_options_that_cannot_be_are_explained(words: list[str], said: list[str]) -> None:
    with pytest.raises(LstmzooError) as caught:
        parse_options(words, settings_of(Derived), "my command")
    assert [part for part in said if part not in str(caught.value)] == []


def test_options_are_read_by_their_types() -> None:
    found = parse_options(["where=~/x", "size=[1,2]", "rate=3"], settings_of(Derived), "my command")
    assert found == {"where": Path.home() / "x", "size": [1, 2], "rate": 3.0}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Path | None, "a path or null"),
        (str | Path | None, "text or null"),
        (Path, "a path"),
        (int | None, "a whole number or null"),
    ],
)
def test_every_choice_of_a_type_is_said(kind, words):
    assert described(kind) == words
