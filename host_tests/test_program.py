"""What is done to the sources before a board gets them must not change what they do."""

import ast
import json
import subprocess

import pytest

from tillpane import ROOT, program
from tillpane.inline import inline
from tillpane.interpreters import micropython
from tillpane.linker import LINKED, LinkError, link
from tillpane.shortnames import shorten

SAMPLE = {
    "wiring.py": """
from kiosk import view
from kiosk.shop import Shop, total
from panel import Glass
from panel.glass import PAID as GREEN

def main(kind):
    shop = Shop(view.PAID, depth=2)
    if kind == "line":
        from kiosk.line import Desk
        return Desk(shop).say(), total([1, 2]), GREEN, Glass().paint(3), view.names()[view.PAID]
    return desk(shop)

def desk(shop):
    from kiosk.display import Desk
    return Desk(shop).say(), view.late()
""",
    "kiosk/__init__.py": "",
    "kiosk/view.py": """
from micropython import const
PAID = const(5)
_MOST = const(3)
_cache = {}
LIST = ["a", "b", "c", "d", "e", "paid"]

def names():
    return LIST

def late():
    global _cache
    _cache = {"more": _MOST}
    return _cache["more"] + getattr(Late(), "_kept")

class Late:
    _kept = 7
""",
    "kiosk/shop.py": """
from micropython import const
from kiosk import view as kinds
_MOST = const(40)

def total(items, start=0):
    return sum([item + start for item in items]) + _half(80)

def _half(value):
    return value // 2

class Base:
    def __init__(self, kind, depth=0):
        self._kind = kind
        self.depth = depth
        self._log = []

    def _note(self, words):
        self._log.append(words)
        return len(self._log)

class Shop(Base):
    def tell(self):
        view = kinds.PAID + _MOST  # a local that is called like a module elsewhere
        self._note(self._kind)
        return view, self._note("x"), self._peek(Shop(1)), [kind for kind in self._log]

    def _peek(self, other):
        return other._kind
""",
    "kiosk/line.py": """
from kiosk.common import Core
from till.words import WORDS

class Desk(Core):
    def say(self):
        return self._shop.tell(), WORDS, self.common(1, more=2)
""",
    "kiosk/display.py": """
from kiosk.common import Core, LATE

class Desk(Core):
    def say(self):
        return self.common(LATE), self._shop.depth
""",
    "kiosk/common.py": """
from micropython import const
LATE = const(9)

class Core:
    def __init__(self, shop):
        self._shop = shop

    def common(self, amount, more=0):
        size = amount
        return size * 10 + more
""",
    "panel/__init__.py": "from panel.glass import Glass\n",
    "panel/glass.py": """
import micropython
PAID = 0x07E0

@micropython.viper
def _square(a: int) -> int:
    return a * a

class Glass:
    def paint(self, side):
        return _square(side)
""",
    "till/__init__.py": "",
    "till/words.py": "WORDS = ('sale', 'paid')\n",
}
MAIN = "import wiring, json\nprint(json.dumps([wiring.main('line'), wiring.main('display')]))\n"


def run(sources, folder, main=MAIN):
    for path, text in sources.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    command = [micropython(), "-c", main]
    done = subprocess.run(command, cwd=folder, env={"MICROPYPATH": f"{folder}:.frozen"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_joined_and_shortened_program_does_the_same(tmp_path):
    plain = run(SAMPLE, tmp_path / "plain")
    assert plain == [[[[45, 2, 1, [5, "x"]], ["sale", "paid"], 12], 43, 2016, 9, "paid"], [[90, 2], 10]]
    joined = link(SAMPLE)
    assert run(joined, tmp_path / "joined") == plain
    assert run(shorten(joined), tmp_path / "short") == plain
    assert run(shorten(SAMPLE), tmp_path / "apart") == plain
    assert run(inline(SAMPLE), tmp_path / "inline") == plain
    assert run(shorten(inline(joined)), tmp_path / "all") == plain


PLACES = """
import asyncio
LIMIT = 3

class Box:
    def __init__(self):
        self.said = []

    def note(self, value):
        LIMIT = value
        count = LIMIT + 1
        self._log(count, value, self.size())
        if value > 5:
            return self._judge(value)
        try:
            self._fails(value)
        except ValueError as error:
            self._told(error, value)
        finally:
            self._log_end()
        return self._fall(value)

    def size(self):
        return len(self.said)

    def weigh(self, value):
        half = self._half(value)
        value = self._more(value)
        third = self._early(value)
        if half > 1:
            self._heavy(half)
        else:
            self._light(value, third)

    def _half(self, value):
        self._deep(value)
        value = value // 2
        half = value + 1
        return half

    def _deep(self, value):
        self._deeper(value)
        self.said.append("deep")

    def _deeper(self, value):
        self._deepest(value)
        self.said.append("deeper")

    def _deepest(self, value):
        self.said.append(["deepest", value])

    def _more(self, amount):
        value = amount * 3
        return value + amount

    def _early(self, value):
        if value:
            return 1
        return 2

    def _heavy(self, value):
        if value > 3:
            self.said.append("heavy")
            return
        self.said.append("so so")

    def _light(self, value, third):
        for item in range(value):
            if item == 2:
                return
            self.said.append(item + third)

    def _log(self, value, count, at):
        \'\'\'Parameters and locals of its own, named as the caller's.\'\'\'
        count = count * 10
        for value_ in range(2):
            count += value_ + value
        self.said.append((value, count, at))

    def _judge(self, value):
        if value > 8:
            return "much"
        for item in (7, 8):
            if item == value:
                return "seven or eight"
        self.said.append("six")

    def _fails(self, value):
        if value == LIMIT:
            raise ValueError("limit")

    def _told(self, problem, value):
        try:
            int("x")
        except ValueError as error:
            self.said.append((str(problem), value, type(error).__name__))

    def _log_end(self):
        self.said.append("end")
        return

    def _fall(self, LIMIT):
        self._local_limit()
        if LIMIT == 1:
            return "one"

    def _local_limit(self):
        self.said.append(_twice(LIMIT))

    async def wait(self, value):
        await self._nap(value)
        return await self._answer(value)

    async def _nap(self, value):
        ms = value
        await asyncio.sleep_ms(ms)

    async def _answer(self, value):
        await asyncio.sleep_ms(0)
        return value * 2


def _twice(value):
    return value * 2


def play():
    box = Box()
    for value in (0, 1, 2, 3, 9):
        box.weigh(value)
    return [box.note(value) for value in (0, 1, 3, 6, 7, 9)] + box.said + [asyncio.run(box.wait(4))]
"""


def test_functions_put_in_place_do_the_same(tmp_path):
    main = "import places, json\nprint(json.dumps(places.play()))\n"
    plain = run({"places.py": PLACES}, tmp_path / "plain", main)
    moved = inline({"places.py": PLACES})["places.py"]
    assert run({"places.py": moved}, tmp_path / "moved", main) == plain
    left = {
        node.name for node in ast.walk(ast.parse(moved)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    # Their LIMIT is the module's, and the place has one of its own; the last one's value is needed in an expression.
    assert {name for name in left if name.startswith("_")} == {"__init__", "_fails", "_local_limit", "_twice", "_early"}


def test_what_stays_in_memory_is_one_module_and_choices_stay_apart():
    joined = link(SAMPLE)
    assert {"tillpane.py", "wiring.py", "kiosk/line.py", "kiosk/display.py", "till/words.py"} <= set(joined)
    assert "kiosk/shop.py" not in joined and "kiosk/common.py" not in joined and "panel/glass.py" not in joined
    names = {node.id for node in ast.walk(ast.parse(joined["tillpane.py"])) if isinstance(node, ast.Name)}
    assert "_kiosk_view_MOST" in names and "_kiosk_shop_MOST" in names  # two constants of one name
    assert "LATE" in names  # somebody outside asks for it


def test_names_that_are_spelled_out_keep_their_name():
    short = shorten(SAMPLE)
    assert "_kept = 7" in short["kiosk/view.py"] and "_half" not in short["kiosk/shop.py"]
    assert "more=0" in short["kiosk/common.py"] and "depth=0" in short["kiosk/shop.py"]


def test_a_module_used_as_a_value_is_refused():
    broken = {**SAMPLE, "kiosk/shop.py": SAMPLE["kiosk/shop.py"] + "\ndef leak():\n    return kinds\n"}
    with pytest.raises(LinkError, match="uses the module kinds"):
        link(broken)


def test_a_name_that_is_nowhere_is_refused():
    broken = {**SAMPLE, "panel/__init__.py": "from panel.glass import Nothing as Glass\n"}
    with pytest.raises(LinkError, match=r"panel\.glass has no Nothing"):
        link(broken)


def test_the_product_joins_what_a_sale_needs_and_no_protocol():
    sources = program.sources(ROOT / "lib")
    joined = link(sources)
    assert "till/line.py" in joined and "till/escpos.py" in joined and "kiosk/settings.py" in joined
    for path in ("qr.py", "https.py", "kiosk/desk.py", "kiosk/sale.py", "kiosk/app.py", "panel/glass.py"):
        assert path not in joined
    public = {
        node.name
        for path, text in sources.items()
        if path not in joined
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    there = {node.name for node in ast.parse(joined[f"{LINKED}.py"]).body if isinstance(node, ast.ClassDef)}
    assert public <= there
