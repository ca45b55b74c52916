"""Modules don't import one another in circles: not at their top, not inside functions, not for type checkers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"


def modules_of(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name; a package goes by the name of its folder."""
    files = (SOURCE / package.replace(".", "/")).rglob("*.py")
    return {".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports(module: str, source: str, is_package: bool, known: set[str]) -> set[str]:
    """The known modules that a module imports anywhere in its text."""
    found = set()
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            submodules = {f"{base}.{alias.name}" for alias in node.names} & known
            names_of_its_own = len(submodules) < len(node.names)
            found |= submodules | ({base} if names_of_its_own else set())
    return (found & known) - {module}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules each of which imports, in the end, itself."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen, todo = set(), [start]
        while todo:
            new = graph[todo.pop()] - seen
            seen |= new
            todo += new
        reached[start] = seen
    looping = {name for name, seen in reached.items() if name in seen}
    groups = {tuple(sorted(other for other in looping & reached[name] if name in reached[other])) for name in looping}
    return sorted(map(list, groups))


@pytest.mark.slow
@pytest.mark.parametrize("package", ["lstmzoo.nn", "lstmzoo"])
def test_no_module_imports_itself_in_the_end(package):
    modules = modules_of(package)
    assert len(modules) > 10
    graph = {
        name: imports(name, file.read_text(encoding="utf-8"), file.name == "__init__.py", set(modules))
        for name, file in modules.items()
    }
    assert circles(graph) == []


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"p.a": "import p.b", "p.b": "from p import c", "p.c": ""}, []),
        ({"p.a": "import p.b", "p.b": "def f():\n    from p.a import x"}, [["p.a", "p.b"]]),
        ({"p.a": "from . import b", "p.b": "if TYPE_CHECKING:\n    from .a import x"}, [["p.a", "p.b"]]),
        ({"p": "from p.a import x", "p.a": "from p import y"}, [["p", "p.a"]]),
        ({"p": "from p.a import x", "p.a": "from p import b", "p.b": ""}, []),
        ({"p.a": "import p.b", "p.b": "import p.c", "p.c": "import p.a", "p.d": "import p.a"}, [["p.a", "p.b", "p.c"]]),
    ],
)
def test_circles_are_found(sources, expected):
    graph = {name: imports(name, text, name == "p", set(sources)) for name, text in sources.items()}
    assert circles(graph) == expected
