"""What names a function of the device's sources binds for itself."""

import ast

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def locals_of(function: Function) -> set[str]:
    """Its parameters and all that it binds, functions inside it included; what it declares global is none."""
    given = function.args
    bound = {arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    bound |= {arg.arg for arg in (given.vararg, given.kwarg) if arg is not None}
    declared: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            declared.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return bound - declared
