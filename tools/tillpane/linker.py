"""Joins the modules that stay in memory into one, so that a board pays once for what every module costs it.

On MicroPython a module costs its dictionary, its table of names, its path and an entry for each name it imports: for
the thirty modules of the product together about a twelfth of the heap they take. `link` joins those that
`lib/wiring.py` imports at its top, and what each of the choices it makes needs, with all they import, into one module
`tillpane`. The others (settings, tills' protocols, what is loaded for a moment and dropped) stay files of their own and
import from it.

Two globals of one name are told apart by their module's name. Public functions and values that nobody outside asks for
become private, and so get a short name; where they are integer constants, the compiler puts their value in place and
forgets their name. Classes keep theirs: it is printed.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tillpane.scopes import locals_of

LINKED = "tillpane"
_ROOT = "wiring"
_APART = {"wiring", "kiosk.settings", "till.amount", "ondemand"}  # what is dropped again, and what is needed before


class LinkError(Exception):
    """The modules cannot be joined; the text names the module and why."""


@dataclass
class _Module:
    name: str
    tree: ast.Module
    bound: set[str] = field(default_factory=set)  # its own globals
    classes: set[str] = field(default_factory=set)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)  # imported name -> (module, name there)
    aliases: dict[str, str] = field(default_factory=dict)  # name of an imported module of ours -> module


def module_name(path: str) -> str:
    """ "kiosk/sale.py" -> "kiosk.sale", "kiosk/__init__.py" -> "kiosk" """
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def joined(sources: dict[str, str]) -> list[str]:
    """Names of the modules that `link` joins, each after those that it imports. Raises SyntaxError."""
    if f"{_ROOT}.py" not in sources:
        return []
    return _resident({module_name(path): _Module(module_name(path), ast.parse(text)) for path, text in sources.items()})


def link(sources: dict[str, str]) -> dict[str, str]:
    """Sources by path inside lib/ -> the same program with all that stays in memory in `tillpane.py`.

    A program without the root is left as it is. Raises LinkError; SyntaxError.
    """
    if f"{_ROOT}.py" not in sources:
        return sources
    modules = {module_name(path): _Module(module_name(path), ast.parse(text)) for path, text in sources.items()}
    resident = _resident(modules)
    for module in modules.values():
        _survey(module, modules, resident)
    names = _names(modules, resident)
    joined: list[ast.stmt] = []
    imports: dict[str, ast.stmt] = {}
    for name in resident:
        module = modules[name]
        _Renamer(module, modules, names).visit(module.tree)
        _move(module, resident, joined, imports)
    linked = ast.Module([*imports.values(), *joined], [])
    result = {f"{LINKED}.py": ast.unparse(ast.fix_missing_locations(linked)) + "\n"}
    packages = {name.rpartition(".")[0] for name in modules if name not in resident}
    for path in sources:
        module = modules[module_name(path)]
        if module.name in resident:
            if module.name in packages:
                result[path] = ""  # a package still, for those that stay in files of their own
            continue
        result[path] = _retarget(module, modules, resident, names)
    return result


def _imports(node: ast.stmt, modules: dict[str, _Module]) -> Iterator[str]:
    """Modules of ours that one import statement brings in."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)
    elif isinstance(node, ast.ImportFrom) and node.module in modules:
        yield node.module
        yield from (inner for alias in node.names if (inner := f"{node.module}.{alias.name}") in modules)


def _resident(modules: dict[str, _Module]) -> list[str]:
    """What the root imports at its top, and what each of its choices needs, after all that it imports itself."""
    choices = [
        set(_closure(function.body, modules, [])) - {name for node in function.body for name in _imports(node, modules)}
        for function in _branches(modules[_ROOT].tree, modules)
    ]
    common = set.intersection(*choices) if choices else set()
    order = _closure(modules[_ROOT].tree.body, modules, [])
    for name in sorted(common):
        _add(name, modules, order)
    return order


def _branches(tree: ast.Module, modules: dict[str, _Module]) -> Iterator[ast.If | ast.FunctionDef]:
    """Each block inside a function of the root that imports a module of ours: of these one is taken.

    What is wanted beside a choice, not in its place, the root loads by `load_module`.
    """
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.If | ast.FunctionDef) and any(next(_imports(item, modules), "") for item in body or ()):
            yield node


def _closure(body: list[ast.stmt], modules: dict[str, _Module], order: list[str]) -> list[str]:
    for node in body:
        for name in _imports(node, modules):
            _add(name, modules, order)
    return order


def _add(name: str, modules: dict[str, _Module], order: list[str], under: tuple[str, ...] = ()) -> None:
    if name in order or name in _APART or name in under:
        return
    for node in modules[name].tree.body:
        for inner in _imports(node, modules):
            _add(inner, modules, order, (*under, name))
    order.append(name)


def _survey(module: _Module, modules: dict[str, _Module], resident: list[str]) -> None:
    for node in module.tree.body:
        for name in _binds(node):
            module.bound.add(name)
        if isinstance(node, ast.ClassDef):
            module.classes.add(node.name)
    for item in ast.walk(module.tree):
        if not isinstance(item, ast.ImportFrom) or item.module not in modules:
            continue
        for alias in item.names:
            inner = f"{item.module}.{alias.name}"
            if inner in resident:
                module.aliases[alias.asname or alias.name] = inner
            elif inner not in modules and item.module in resident:
                module.names[alias.asname or alias.name] = (item.module, alias.name)


def _binds(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.For):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (item.id for item in ast.walk(target) if isinstance(item, ast.Name))
    if isinstance(node, ast.If | ast.For):
        for inner in node.body + node.orelse:
            yield from _binds(inner)


def _resolve(modules: dict[str, _Module], module: str, name: str) -> tuple[str, str]:
    """Where a name that may have been handed on is really defined."""
    while name not in modules[module].bound:
        if name not in modules[module].names:
            raise LinkError(f"{module} has no {name}")
        module, name = modules[module].names[name]
    return module, name


def _names(modules: dict[str, _Module], resident: list[str]) -> dict[tuple[str, str], str]:
    """What each global of the joined modules is called."""
    count = Counter(name for module in resident for name in modules[module].bound)
    foreign = {
        alias.asname or alias.name
        for module in resident
        for node in ast.walk(modules[module].tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if not (isinstance(node, ast.ImportFrom) and node.module in resident)
    }
    asked = {
        _resolve(modules, *target)
        for module in modules.values()
        if module.name not in resident
        for target in module.names.values()
    } | {
        _resolve(modules, module.aliases[node.value.id], node.attr)
        for module in modules.values()
        if module.name not in resident
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in module.aliases
    }
    names = {}
    for name in resident:
        module = modules[name]
        for old in sorted(module.bound):
            new = old
            alone = count[old] == 1 or sum((other, old) in asked for other in resident) == 1 and (name, old) in asked
            if not alone or old in foreign:
                new = f"{'_' if old.startswith('_') else ''}{name.replace('.', '_')}_{old.lstrip('_')}"
            if (name, old) not in asked and old not in module.classes and not new.startswith("_"):
                new = f"_{new}"
            names[name, old] = new
    twice = [new for new, times in Counter(names.values()).items() if times > 1]
    if twice:
        raise LinkError(f"two globals would be called {', '.join(twice)}")
    return names


def _move(module: _Module, resident: list[str], joined: list[ast.stmt], imports: dict[str, ast.stmt]) -> None:
    """Appends a module's statements; imports of others' modules come once for all."""
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module in resident or _package_import(node, resident)):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports[ast.unparse(node)] = node
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            joined.append(node)


def _package_import(node: ast.ImportFrom, resident: list[str]) -> bool:
    return all(f"{node.module}.{alias.name}" in resident for alias in node.names)


class _Renamer(ast.NodeTransformer):
    """Gives a module's globals, and what it imports from joined modules, their names in the joined module."""

    def __init__(self, module: _Module, modules: dict[str, _Module], names: dict[tuple[str, str], str]) -> None:
        self._module = module
        self._modules = modules
        self._names = names
        self._locals: list[set[str]] = []
        self.used: set[str] = set()

    def _new(self, name: str) -> str:
        if any(name in scope for scope in self._locals):
            return name
        module = self._module
        if name in module.bound:
            return self._names.get((module.name, name), name)
        if name in module.names:
            new = self._names[_resolve(self._modules, *module.names[name])]
            self.used.add(new)
            return new
        return name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._module.aliases and not any(node.id in scope for scope in self._locals):
            raise LinkError(f"{self._module.name} uses the module {node.id} as a value")
        node.id = self._new(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id in self._module.aliases:
            if any(node.value.id in scope for scope in self._locals):
                raise LinkError(f"{self._module.name}: {node.value.id} is a module and a local")
            new = self._names[_resolve(self._modules, self._module.aliases[node.value.id], node.attr)]
            self.used.add(new)
            return ast.copy_location(ast.Name(new, node.ctx), node)
        self.generic_visit(node)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._names.get((self._module.name, name), name) for name in node.names]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._locals.append(locals_of(node))
        self.generic_visit(node)
        self._locals.pop()
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.decorator_list = [self.visit(item) for item in node.decorator_list]
        node.args.defaults = [self.visit(item) for item in node.args.defaults]
        if not self._locals and not getattr(node, "method", False):
            node.name = self._new(node.name)
        self._locals.append(locals_of(node))
        node.body = [self.visit(item) for item in node.body]
        self._locals.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._new(node.name)
        node.bases = [self.visit(item) for item in node.bases]
        for item in node.body:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                item.method = True  # type: ignore[union-attr]
            elif isinstance(item, ast.Assign):
                item.value = self.visit(item.value)
        node.body = [self.visit(item) if not isinstance(item, ast.Assign) else item for item in node.body]
        return node


def _retarget(
    module: _Module, modules: dict[str, _Module], resident: list[str], names: dict[tuple[str, str], str]
) -> str:
    """A module of its own whose imports from joined ones come from where those are now."""
    tree = module.tree
    renamer = _Renamer(module, modules, names)
    renamer.visit(tree)

    class Drop(ast.NodeTransformer):
        def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
            if node.module in resident and not any(f"{node.module}.{a.name}" in modules for a in node.names):
                return None
            left = [a for a in node.names if f"{node.module}.{a.name}" not in resident]
            if node.module in modules and not left:
                return None
            node.names = left
            return node

    Drop().visit(tree)
    if renamer.used:
        tree.body.insert(0, ast.ImportFrom(LINKED, [ast.alias(name) for name in sorted(renamer.used)], 0))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
