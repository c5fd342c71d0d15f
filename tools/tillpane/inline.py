"""Puts private functions that are called in one place only into that place: on a board each takes about 80 bytes.

Short functions are for people; the sources keep them. A function or method is put in place where

- its name begins with one underscore and occurs once in all of the program but for its definition,
- that is `self._name(...)` in the same class, or `_name(...)` in the same module, with every argument given by place,
- as a statement of its own, where it never returns early, or the place is the caller's last;
  as `return self._name(...)`, with whatever it returns; or as `x = self._name(...)`, where it returns once, at its end,
- and both or neither are coroutines, and neither is a generator, decorated, or has functions of its own.

Its parameters and locals get names that the place does not use.
"""

import ast
import copy
from collections import Counter

from tillpane.scopes import locals_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NESTED = (*_FUNCTIONS, ast.Lambda, ast.ClassDef, ast.Yield, ast.YieldFrom, ast.Global, ast.Nonlocal)


def inline(sources: dict[str, str]) -> dict[str, str]:
    """Python sources by name, all of the program at once, with such functions in place. Raises SyntaxError."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    uses = _uses(trees)  # stays right: a call that moves is still one call
    for tree in trees.values():
        scopes: list[ast.Module | ast.ClassDef] = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for scope in [*scopes, tree]:
            while _settle(scope, uses):
                pass
    return {name: ast.unparse(ast.fix_missing_locations(tree)) + "\n" for name, tree in trees.items()}


def _uses(trees: dict[str, ast.Module]) -> Counter[str]:
    """How often each name occurs, in whatever role, strings too; a definition does not count."""
    found: Counter[str] = Counter()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found[node.attr] += 1
            elif isinstance(node, ast.Name):
                found[node.id] += 1
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found[node.value] += 1
            elif isinstance(node, ast.alias):
                found[node.name] += 1
            elif isinstance(node, _FUNCTIONS):
                found[f"def {node.name}"] += 1
    return found


def _settle(scope: ast.Module | ast.ClassDef, uses: Counter[str]) -> bool:
    """Puts functions of this module or class in place. -> whether there was one"""
    method = isinstance(scope, ast.ClassDef)
    functions = [node for node in (scope.body if method else ast.walk(scope)) if isinstance(node, _FUNCTIONS)]
    callers = {
        node.attr if isinstance(node, ast.Attribute) else node.id: function
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute | ast.Name)
    }
    moved: set[str] = set()
    for callee in [node for node in scope.body if isinstance(node, _FUNCTIONS)]:
        caller = callers.get(callee.name)
        if caller is None or caller is callee or _is_native(caller) or not _may_move(callee, uses, method):
            continue
        if caller.name in moved:
            continue  # its body is elsewhere by now: next time
        if _put(callee, caller, method):
            scope.body.remove(callee)
            moved.add(callee.name)
    return bool(moved)


def _is_native(function: Function) -> bool:
    return any(isinstance(node, ast.Attribute) for node in function.decorator_list)


def _may_move(function: Function, uses: Counter[str], method: bool) -> bool:
    name, given = function.name, function.args
    if not name.startswith("_") or name.startswith("__") or uses[name] != 1 or uses[f"def {name}"] != 1:
        return False
    if (
        function.decorator_list
        or given.vararg
        or given.kwarg
        or given.kwonlyargs
        or given.posonlyargs
        or given.defaults
    ):
        return False
    if method and (not given.args or given.args[0].arg != "self"):
        return False
    return not any(isinstance(node, _NESTED) for node in ast.walk(function) if node is not function)


def _put(callee: Function, caller: Function, method: bool) -> bool:
    """Replaces the one statement of caller that calls callee. -> whether it was there, and could be replaced"""
    for block in _blocks(caller):
        for at, statement in enumerate(block):
            call = _call_in(statement, callee, method)
            if call is None:
                continue
            body = _ended(callee, statement, any(statement is last for last in _last(caller.body)))
            if body is not None:
                body = _bound_to(callee, caller, call, method, body)
            if body is None:
                return False
            if isinstance(statement, ast.Assign):
                body[-1] = ast.Assign(statement.targets, body[-1].value)  # type: ignore[attr-defined]
            block[at : at + 1] = body
            return True
    return False


def _last(block: list[ast.stmt]) -> list[ast.stmt]:
    """The statements after which a function with this body ends."""
    if isinstance(block[-1], ast.If):
        return [block[-1], *_last(block[-1].body), *(_last(block[-1].orelse) if block[-1].orelse else [])]
    return [block[-1]]


def _ended(callee: Function, statement: ast.stmt, last: bool) -> list[ast.stmt] | None:
    """The callee's body with its returns as they must be in place of this statement, or None where they cannot."""
    body = copy.deepcopy(callee.body)
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    end = body[-1] if body else None
    if isinstance(statement, ast.Return):
        return body if isinstance(end, ast.Return | ast.Raise) else [*body, ast.Return()]
    if isinstance(statement, ast.Assign):
        return body if isinstance(end, ast.Return) and end.value is not None and not _returns(body[:-1]) else None
    if isinstance(end, ast.Return) and end.value is None:
        body = body[:-1]
    returns = _returns(body)
    if any(node.value is not None for node in returns) or returns and not last:
        return None
    return body or [ast.Pass()]


def _returns(body: list[ast.stmt]) -> list[ast.Return]:
    return [node for item in body for node in ast.walk(item) if isinstance(node, ast.Return)]


def _blocks(function: Function) -> list[list[ast.stmt]]:
    """Every list of statements inside, but not those of functions inside."""
    found = []
    todo: list[ast.AST] = [function]
    while todo:
        node = todo.pop()
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                found.append(block)
                todo += [item for item in block if not isinstance(item, (*_FUNCTIONS, ast.ClassDef))]
        todo += getattr(node, "handlers", [])
    return found


def _call_in(statement: ast.stmt, callee: Function, method: bool) -> ast.Call | None:
    """The call of callee where that is all of the statement."""
    value = statement.value if isinstance(statement, ast.Expr | ast.Return | ast.Assign) else None
    if isinstance(statement, ast.Assign) and not (
        len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name)
    ):
        return None
    if isinstance(callee, ast.AsyncFunctionDef):
        if not isinstance(value, ast.Await):
            return None
        value = value.value
    if not isinstance(value, ast.Call) or value.keywords or any(isinstance(arg, ast.Starred) for arg in value.args):
        return None
    target = value.func
    if method:
        fits = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
        return value if fits and target.attr == callee.name else None  # type: ignore[attr-defined]
    return value if isinstance(target, ast.Name) and target.id == callee.name else None


def _bound_to(
    callee: Function, caller: Function, call: ast.Call, method: bool, body: list[ast.stmt]
) -> list[ast.stmt] | None:
    """The body with its parameters and locals named for the place, or None where the place has names it must not."""
    parameters = [arg.arg for arg in callee.args.args][1 if method else 0 :]
    if len(parameters) != len(call.args) or _globals_of(callee) & locals_of(caller):
        return None
    stored = {
        node.id
        for item in body
        for node in ast.walk(item)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    } | {node.name for item in body for node in ast.walk(item) if isinstance(node, ast.ExceptHandler) and node.name}
    taken = {node.id for node in ast.walk(caller) if isinstance(node, ast.Name)} | {arg.arg for arg in caller.args.args}
    taken |= {node.id for node in ast.walk(callee) if isinstance(node, ast.Name)}
    taken |= {node.name for node in ast.walk(caller) if isinstance(node, ast.ExceptHandler) and node.name}
    names: dict[str, ast.expr] = {}
    head: list[ast.stmt] = []
    for name in sorted(stored - set(parameters)):
        names[name] = ast.Name(_free(name, taken))
    for name, value in zip(parameters, call.args, strict=True):
        if name not in stored and isinstance(value, ast.Name | ast.Constant):
            names[name] = value
            continue
        fresh = ast.Name(_free(name, taken))
        names[name] = fresh
        head.append(ast.Assign([ast.Name(fresh.id, ast.Store())], value))
    renamer = _Renamer(names)
    return [*head, *(renamer.visit(item) for item in body)]


def _globals_of(function: Function) -> set[str]:
    """What it uses and does not bind."""
    return {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} - locals_of(function)


def _free(name: str, taken: set[str]) -> str:
    fresh = name
    while fresh in taken:
        fresh += "_"
    taken.add(fresh)
    return fresh


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: dict[str, ast.expr]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        new = self._names.get(node.id)
        if new is None:
            return node
        if isinstance(new, ast.Name):
            return ast.Name(new.id, node.ctx)
        return copy.deepcopy(new)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        new = self._names.get(node.name or "")
        if isinstance(new, ast.Name):
            node.name = new.id
        self.generic_visit(node)
        return node
