"""The font tool's packing read back by the device's reader, and the committed font files glyph by glyph."""

import asyncio
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from panel import Font, FontError, rgb
from panelrig import ROOT, make_panel
from tillpane.fontmaker import font_file, glyph

FOLDER = ROOT / "lib" / "panel" / "fonts"
NAMES = ("small", "medium", "large", "huge", "icons")


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 60), st.integers(1, 40), st.integers(-9, 9))
def test_what_the_tool_packs_the_panel_draws(tmp_path_factory, rnd, width, rows, left):
    mask = Image.frombytes("L", (width, rows), bytes(rnd.choice((0, 0, 1, 2, 3)) for _ in range(width * rows)))
    path = tmp_path_factory.mktemp("font") / "one.font"
    blank = Image.new("L", (4, rows), 3)
    path.write_bytes(font_file(rows, rows, {0: glyph(5, 0, 0, blank), ord("A"): glyph(width, left, 0, mask)}))
    font = Font(str(path))
    model, panel = make_panel()

    async def draw():
        await panel.begin()
        await panel.text(font, "A", 20, 30, width + 30, rgb(0xFFFFFF), 0, 0, 0, 10)

    asyncio.run(draw())
    shown = model.image().crop((30 + left, 30, 30 + left + width, 30 + rows)).convert("RGB")
    font.close()
    # Three equal steps of 5 bits: 0, 10, 20, 31 as 8 bits.
    steps = {0: 0, 82: 1, 165: 2, 255: 3}
    assert bytes(steps[red] for red in shown.tobytes()[::3]) == mask.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_committed_files_are_sound(name):
    data = (FOLDER / (name + ".font")).read_bytes()
    magic, height, baseline, widest, _, count, _, total = struct.unpack_from("<4sBBBBHHI", data)
    assert magic == b"TPF1" and total == len(data)
    codes, end = [], 16 + 12 * count
    for i in range(count):
        code, advance, width, left, top, rows, _, place = struct.unpack_from("<HBBbBBBI", data, 16 + 12 * i)
        codes.append(code)
        step = (width + 3) // 4
        assert place == end, "rows lie one after the other, without gaps"
        end += step * rows
        assert step <= widest and top + rows <= height
        assert left >= -8 and left + width <= advance + 8
    assert codes == sorted(set(codes)) and codes[0] == 0
    assert end == len(data)
    assert 0 < baseline <= height


def test_rows_cut_off_on_the_card_are_a_typed_error(tmp_path):
    """A file that shrinks after it was opened, as on a failing flash."""
    path = tmp_path / "small.font"
    path.write_bytes((FOLDER / "small.font").read_bytes())
    font = Font(str(path))
    path.write_bytes(path.read_bytes()[:3000])
    model, panel = make_panel()
    asyncio.run(panel.begin())
    with pytest.raises((FontError, OSError)):
        asyncio.run(panel.text(font, "ÿŌ€", 0, 0, 240, 0, 0xFFFF))
    assert model.levels["cs"] == 1


def test_the_licence_of_the_typeface_is_kept():
    words = (FOLDER / "LICENSE.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE" in words and "Inter Project Authors" in words
