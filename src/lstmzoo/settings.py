"""Settings: what a constructor takes, in a form that configurations, help texts and checkpoints are made from.

The declaration is the constructor itself. Its annotations are the types, its defaults the defaults, and the ``Args:``
of its docstring say what each one means; nothing of it is written down a second time.
"""

import contextlib
import copy
import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

MISSING: Any = "???"
"""The default of a setting that must be given, as Hydra writes it."""

_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}
_EXAMPLES = {int: "[64,64]", float: "[0.5,1.0]"}
_ARGUMENT = re.compile(r"^ {4}(\w+): ?(.*(?:\n(?: {8}.*)?)*)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Setting:
    """One argument of a constructor."""

    name: str
    type: Any  # its annotation; Any where there is none
    default: Any  # its default, `MISSING` where it must be given
    help: str  # what its docstring says about it, in one line

    @property
    def is_path(self) -> bool:
        """Whether it names a file or a folder: its annotation is `Path`, or has it among others."""
        return self.type is Path or Path in typing.get_args(self.type)


def settings_of(target: Callable[..., Any], leave_out: Collection[str] = ()) -> dict[str, Setting]:
    """Return the settings of a class or function, by name.

    A class that hands ``**settings`` on to its base class has those of the base class, too; so has a class method that
    hands them on to its class.

    Args:
        target: the class or function.
        leave_out: arguments that are not for a person to set; ``NOT_SETTINGS`` of a class lists more of them.
    """
    found: dict[str, Setting] = {}
    leave_out = (*leave_out, *getattr(getattr(target, "__self__", target), "NOT_SETTINGS", ()))
    for function, docstring in _declarations(target):
        about = {name: _plain(text) for name, text in _ARGUMENT.findall(inspect.cleandoc(docstring or ""))}
        for parameter in inspect.signature(function).parameters.values():
            named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            if named and parameter.name not in ("self", "cls", *leave_out, *found):
                default = MISSING if parameter.default is parameter.empty else parameter.default
                kind = _annotation(function, parameter)
                found[parameter.name] = Setting(parameter.name, kind, default, about.get(parameter.name, ""))
    return found


def with_defaults(settings: Mapping[str, Setting], defaults: Mapping[str, Any]) -> dict[str, Setting]:
    """Return settings with other defaults.

    Raises:
        TypeError: one of them is not among the settings.
    """
    for name in defaults:
        if name not in settings:
            raise TypeError(f"there is no setting {name!r}; settings: {', '.join(settings)}")
    return {
        name: dataclasses.replace(setting, default=defaults.get(name, setting.default))
        for name, setting in settings.items()
    }


def flattened(settings: Iterable[Setting]) -> Iterator[Setting]:
    """Yield settings, and in place of one that is a group of keys (a dataclass) its keys, by their full names."""
    for setting in settings:
        if not (isinstance(setting.type, type) and dataclasses.is_dataclass(setting.type)):
            yield setting
            continue
        for inner in settings_of(setting.type).values():
            default = inner.default if setting.default is MISSING else getattr(setting.default, inner.name)
            yield dataclasses.replace(inner, name=f"{setting.name}.{inner.name}", default=default)


def schema_of(name: str, settings: Mapping[str, Setting]) -> type:
    """Make a dataclass of settings: the structured configuration of a choice of a Hydra group.

    Args:
        name: of the choice; it becomes the first field.
        settings: the other fields.
    """
    fields: list[Any] = [("name", str, dataclasses.field(default=name))]
    for setting in settings.values():
        fields.append((setting.name, _configurable(setting.type), dataclasses.field(default_factory=_copy(setting))))
    return dataclasses.make_dataclass(re.sub(r"\W", "_", name), fields)


def accepts(kind: Any, value: Any) -> bool:
    """Whether a plain value is of the type of a setting; a whole number will do for a fraction."""
    choices = typing.get_args(kind)
    origin = typing.get_origin(kind)
    if kind is Any or dataclasses.is_dataclass(kind):
        return kind is Any or isinstance(value, Mapping)
    if origin in (typing.Union, types.UnionType):
        return any(accepts(choice, value) for choice in choices)
    if origin is typing.Literal:
        return value in choices
    if isinstance(origin or kind, type) and issubclass(origin or kind, Mapping):
        return isinstance(value, Mapping)
    if kind is not str and isinstance(origin or kind, type) and issubclass(origin or kind, Sequence):
        inside = choices[0] if choices else Any
        return isinstance(value, Sequence) and not isinstance(value, str) and all(accepts(inside, one) for one in value)
    if kind is None or kind is types.NoneType:
        return value is None
    kind = str if kind is Path else kind
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, int | float)
    return isinstance(value, str | int | float) if kind is str else isinstance(value, kind)


def read(kind: Any, text: str) -> Any:
    """Read a value from what a person wrote on the command line.

    Args:
        kind: the type of the setting.
        text: e.g. ``3``, ``true``, ``null``, ``a,b`` or ``[a,b]``.

    Raises:
        ValueError: it is nothing of that type.
    """
    origin, choices = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if types.NoneType in choices and text in ("null", "None"):
            return None
        for choice in (one for one in choices if one is not types.NoneType):
            with contextlib.suppress(ValueError):
                return read(choice, text)
    elif origin is typing.Literal and text in map(str, choices):
        return next(choice for choice in choices if str(choice) == text)
    elif kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    elif kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    elif kind in (str, Any):
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
        return text[1:-1] if quoted else text
    elif kind is Path:
        return Path(read(str, text)).expanduser()
    elif isinstance(origin or kind, type) and issubclass(origin or kind, Sequence):
        parts = [part.strip() for part in text.strip().removeprefix("[").removesuffix("]").split(",")]
        return [read(choices[0] if choices else str, part) for part in parts if part]
    raise ValueError(f"it must be {described(kind)}")


def described(kind: Any) -> str:
    """The type of a setting in words, e.g. ``a number, auto or null``."""
    choices = typing.get_args(kind)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _alternatives(described(choice) for choice in choices if not (choice is Path and str in choices))
    if origin is typing.Literal:
        return _alternatives(map(str, choices))
    if kind is None or kind is types.NoneType:
        return "null"
    if kind in _NAMES:
        return _NAMES[kind]
    if isinstance(origin or kind, type) and issubclass(origin or kind, Sequence):
        return f"a list, e.g. {_EXAMPLES.get(choices[0] if choices else str, '[a,b]')}"
    return "a group of keys"


def _alternatives(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _declarations(target: Callable[..., Any]) -> Iterator[tuple[Callable[..., Any], str | None]]:
    """The functions that declare the arguments, the most derived class's first, each with the docstring about them."""
    if not inspect.isclass(target):
        yield target, target.__doc__
        if inspect.isclass(owner := getattr(target, "__self__", None)) and _passes_on(target):
            yield from _declarations(owner)
        return
    for parent in target.__mro__:
        if "__init__" not in parent.__dict__ or parent is object:
            continue
        yield parent.__init__, parent.__doc__  # type: ignore[misc]
        if not _passes_on(parent.__init__):  # type: ignore[misc]
            return


def _passes_on(function: Callable[..., Any]) -> bool:
    """Whether a function takes any further arguments."""
    return any(one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values())


def _annotation(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    kind = parameter.annotation
    if isinstance(kind, str):
        inner = inspect.unwrap(function)
        try:
            kind = eval(kind, {**vars(typing), **inner.__globals__})  # type: ignore[attr-defined]
        except (NameError, AttributeError, TypeError, SyntaxError):  # imported for type checkers only
            return Any
    return Any if kind is parameter.empty else kind


def _configurable(kind: Any) -> Any:
    """The nearest type that OmegaConf knows."""
    origin, choices = typing.get_origin(kind), typing.get_args(kind)
    if kind is Path:
        return str
    if origin in (typing.Union, types.UnionType):
        kinds = [choice for choice in choices if choice is not types.NoneType]
        kinds = [choice for choice in kinds if not (choice is str and Path in kinds)]
        inner = _configurable(kinds[0]) if len(kinds) == 1 else Any
        return typing.Optional[inner] if types.NoneType in choices else inner  # noqa: UP045 (a type made at run time)
    if kind in _NAMES or dataclasses.is_dataclass(kind):
        return kind
    if isinstance(origin or kind, type) and issubclass(origin or kind, Mapping):
        return dict[str, Any]
    if isinstance(origin or kind, type) and issubclass(origin or kind, Sequence):
        return list[_configurable(choices[0]) if choices else Any]  # type: ignore[misc]
    return Any


def _copy(setting: Setting) -> Callable[[], Any]:
    default = setting.default
    if isinstance(default, list | tuple):
        return lambda: list(default)
    return lambda: copy.deepcopy(default)


def _plain(text: str) -> str:
    """A docstring's text in one line, without the markup of Sphinx."""
    return " ".join(re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`|`+([^`]*)`+", r"\1\2", text).split())
