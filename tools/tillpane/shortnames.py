"""Gives what is private in the device's modules short names, which many of them share: a board keeps every name in RAM.

Private is what begins with one underscore, as in Python everywhere. What it becomes:

- a module's own function, class or variable: `_a`, `_b` ... counted anew in each module;
- an attribute or method that is only ever reached through `self`: `_a`, `_b` ... counted anew in each class;
- an attribute that something else reaches into as well: one short name of its own;
- a parameter that no call names: `a`, `b` ... counted anew in each function.

Left alone: `_NAME = const(...)`, which the compiler takes out anyway; whatever is also written in a string (getattr),
imported by name, or bound a second time as a local. Public names stay: tests and the REPL use them.
"""

import ast
import itertools
import string
from collections import defaultdict
from collections.abc import Iterator

from tillpane.scopes import Function, locals_of

_LETTERS = string.ascii_lowercase + string.ascii_uppercase


def shorten(sources: dict[str, str]) -> dict[str, str]:
    """Python sources by name, all of the program at once, with short private names. Raises SyntaxError."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    kept = _kept(trees)
    attributes = _attributes(trees, kept)
    for tree in trees.values():
        _Renamer(attributes, _globals(tree, kept)).visit(tree)
        _shorten_parameters(tree, kept)
    return {name: ast.unparse(tree) + "\n" for name, tree in trees.items()}


def is_private(name: str) -> bool:
    return len(name) > 1 and name.startswith("_") and not name.startswith("__")


def _names() -> Iterator[str]:
    for size in itertools.count(1):
        for letters in itertools.product(_LETTERS, repeat=size):
            yield "_" + "".join(letters)


def _kept(trees: dict[str, ast.Module]) -> set[str]:
    """Names that somebody spells out elsewhere than as a name."""
    kept = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                kept.add(node.value)
            elif isinstance(node, ast.ImportFrom):
                kept.update(alias.name for alias in node.names)
            elif isinstance(node, ast.keyword) and node.arg:
                kept.add(node.arg)
    return kept


class _Attributes:
    """Which class (with all it inherits from) owns each private attribute."""

    def __init__(self) -> None:
        self.by_class: dict[str, dict[str, str]] = {}
        self.shared: dict[str, str] = {}


def _classes(trees: dict[str, ast.Module]) -> list[ast.ClassDef]:
    return [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def _families(classes: list[ast.ClassDef]) -> dict[str, str]:
    """Class name -> name of its family: classes that inherit from each other have one set of attributes."""
    head = {node.name: node.name for node in classes}

    def root(name: str) -> str:
        while head[name] != name:
            name = head[name]
        return name

    for node in classes:
        for base in node.bases:
            name = base.id if isinstance(base, ast.Name) else base.attr if isinstance(base, ast.Attribute) else ""
            if name in head:
                head[root(node.name)] = root(name)
    return {name: root(name) for name in head}


def _attributes(trees: dict[str, ast.Module], kept: set[str]) -> _Attributes:
    found = _Attributes()
    classes = _classes(trees)
    families = _families(classes)
    uses: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    inside: set[int] = set()
    for node in classes:
        for item in ast.walk(node):
            if _is_own(item):
                inside.add(id(item))
                uses[families[node.name]][item.attr] += 1  # type: ignore[attr-defined]
        for item in node.body:
            for name in _bound(item):
                uses[families[node.name]][name] += 1
    reached: set[str] = set()
    for tree in trees.values():
        for item in ast.walk(tree):
            if isinstance(item, ast.Attribute) and is_private(item.attr) and id(item) not in inside:
                reached.add(item.attr)
    owned = {name for names in uses.values() for name in names}
    names = (name for name in _names() if name not in kept)
    found.shared = {name: next(names) for name in sorted(reached & owned - kept)}
    rest = list(itertools.islice(names, max((len(group) for group in uses.values()), default=0)))
    for family, group in uses.items():
        own = sorted((name for name in group if name not in reached | kept), key=lambda name: (-group[name], name))
        found.by_class[family] = dict(zip(own, rest, strict=False))
    found.by_class = {name: found.by_class.get(family, {}) for name, family in families.items()}
    return found


def _is_own(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and is_private(node.attr)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


def _bound(item: ast.stmt) -> list[str]:
    """Private names that a statement of a class's or module's body binds there, but for constants."""
    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [item.name] if is_private(item.name) else []
    targets: list[ast.expr] = []
    if isinstance(item, ast.Assign) and not _is_const(item.value):
        targets = item.targets
    elif isinstance(item, ast.For):
        targets = [item.target]
    elif isinstance(item, ast.If):
        return [name for inner in item.body + item.orelse for name in _bound(inner)]
    named = [node for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return [node.id for node in named if is_private(node.id)]


def _is_const(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "const"


def _globals(tree: ast.Module, kept: set[str]) -> dict[str, str]:
    """This module's own private names, the most used first."""
    bound = {name for item in tree.body for name in _bound(item)} - kept - _locals(tree)
    constants = {
        node.id
        for item in tree.body
        if isinstance(item, ast.Assign) and _is_const(item.value)
        for node in item.targets
        if isinstance(node, ast.Name)
    }
    count = dict.fromkeys(sorted(bound - constants), 0)
    taken = set(kept)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            taken.add(node.id)
            if node.id in count:
                count[node.id] += 1
    names = (name for name in _names() if name not in taken)
    return {name: next(names) for name in sorted(count, key=lambda name: (-count[name], name))}


def _locals(tree: ast.Module) -> set[str]:
    """Names that some function binds for itself."""
    return {name for node in ast.walk(tree) if isinstance(node, Function) for name in locals_of(node)}


def _shorten_parameters(tree: ast.Module, kept: set[str]) -> None:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        inner = {id(item) for item in ast.walk(node)} - {
            id(item) for default in node.args.defaults for item in ast.walk(default)
        }
        used = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)} | {arg.arg for arg in node.args.args}
        free = (letter for letter in _LETTERS if letter not in used)
        asked = {name for item in ast.walk(node) if isinstance(item, ast.Global | ast.Nonlocal) for name in item.names}
        given = [
            arg for arg in node.args.args if arg.arg not in kept | asked and arg.arg != "self" and len(arg.arg) > 1
        ]
        if any(
            isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for item in ast.walk(node)
            if item is not node
        ):
            continue  # names within names: not worth it
        short = {arg.arg: next(free) for arg in given}
        for arg in given:
            arg.arg = short[arg.arg]
        for item in ast.walk(node):
            if isinstance(item, ast.Name) and id(item) in inner:
                item.id = short.get(item.id, item.id)


class _Renamer(ast.NodeTransformer):
    def __init__(self, attributes: _Attributes, names: dict[str, str]) -> None:
        self._shared = attributes.shared
        self._by_class = attributes.by_class
        self._names = names
        self._own: dict[str, str] = {}

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outer, self._own = self._own, self._by_class[node.name]
        for item in node.body:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                item.name = self._attribute(item.name)
            elif isinstance(item, ast.Assign) and not _is_const(item.value):
                for target in item.targets:
                    if isinstance(target, ast.Name):
                        target.id = self._attribute(target.id)
        self.generic_visit(node)
        node.name = self._names.get(node.name, node.name)
        self._own = outer
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.name = self._names.get(node.name, node.name)
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if _is_own(node):
            node.attr = self._attribute(node.attr)
        else:
            node.attr = self._shared.get(node.attr, node.attr)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._names.get(name, name) for name in node.names]
        return node

    def _attribute(self, name: str) -> str:
        return self._shared.get(name) or self._own.get(name, name)
