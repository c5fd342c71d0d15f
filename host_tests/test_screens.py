"""The screens as a person and a phone see them: hashes of decoded pixels, codes read back, tiles that cover the glass.

When a screen was changed on purpose: `python host_tests/panelrig.py`, look at docs/pictures/, commit both.
"""

import asyncio
import functools
import json
import random

import pytest
import zxingcpp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiosk import view as kinds
from kiosk.screens import ScreenError
from kiosk.view import NAMES, View
from panelrig import (
    CODE,
    CONTROLLERS,
    HASHES,
    PICTURES,
    ROTATIONS,
    SALE,
    URL,
    VIEWS,
    fingerprint,
    make_screens,
    pay,
    shots,
)


@functools.cache
def pictures(rotation):
    return shots("st7789", rotation)


def test_every_kind_of_screen_is_recorded():
    recorded = json.loads(HASHES.read_text("utf-8"))
    assert set(recorded) == {"tall", "wide"}
    assert set(NAMES) <= set(recorded["tall"]) == set(recorded["wide"]) == set(VIEWS)
    assert (PICTURES / "screens.png").is_file() and (PICTURES / "pay.png").is_file()


@pytest.mark.parametrize("rotation", [0, 90])
def test_every_screen_is_as_recorded(rotation):
    recorded = json.loads(HASHES.read_text("utf-8"))["wide" if rotation else "tall"]
    assert {name: fingerprint(picture) for name, picture in pictures(rotation).items()} == recorded


@pytest.mark.parametrize(("controller", "rotation"), [("ili9341", 0), ("ili9341", 270), ("st7789", 180)])
def test_other_controllers_and_mountings_show_the_same(controller, rotation):
    names = ["pay", "paid", "checking-news", "out-of-order"]
    upright = pictures(90 if rotation in (90, 270) else 0)
    for name, picture in shots(controller, rotation, names).items():
        assert picture.tobytes() == upright[name].tobytes(), name


@pytest.mark.parametrize("rotation", [0, 90])
def test_the_code_read_from_the_pixels_is_the_payload(rotation):
    for name, view in VIEWS.items():
        found = zxingcpp.read_barcodes(pictures(rotation)[name], formats=zxingcpp.BarcodeFormat.QRCode)
        assert [each.bytes for each in found] == ([view.payload] if view.kind == kinds.PAY else []), name


@pytest.mark.parametrize("rotation", [0, 90])
def test_modules_are_whole_pixels_with_a_clear_quiet_zone(rotation):
    picture = pictures(rotation)["pay"]
    (found,) = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
    near = found.position.top_left
    # zxing answers the corner within a pixel or two; the finder's own corner is the first black pixel there.
    x = next(x for x in range(near.x - 3, near.x + 4) if picture.getpixel((x, near.y + 4)) == (0, 0, 0))
    y = next(y for y in range(near.y - 3, near.y + 4) if picture.getpixel((x, y)) == (0, 0, 0))
    finder = next(i for i in range(1, 99) if picture.getpixel((x + i, y)) != (0, 0, 0))
    assert finder % 7 == 0
    scale = finder // 7
    assert scale == 5
    size = next(
        n
        for n in range(21, 58, 4)
        if picture.getpixel((x + n * scale - 1, y)) == (0, 0, 0)
        and all(
            picture.getpixel((x + n * scale + i, y + j)) == (255, 255, 255)
            for i in range(4 * scale)
            for j in range(7 * scale)
        )
    )
    assert size == (29 if rotation else 33)
    quiet = picture.crop((x - 4 * scale, y - 4 * scale, x + (size + 4) * scale, y + (size + 4) * scale))
    quiet.paste((255, 255, 255), (4 * scale, 4 * scale, (size + 4) * scale, (size + 4) * scale))
    assert quiet.getcolors() == [(quiet.width * quiet.height, (255, 255, 255))]
    for row in range(size):
        for column in range(size):
            box = (x + column * scale, y + row * scale, x + (column + 1) * scale, y + (row + 1) * scale)
            assert len(picture.crop(box).getcolors()) == 1, (column, row)


@pytest.mark.parametrize("rotation", [0, 90])
def test_nothing_but_a_code_comes_near_the_lower_edge(rotation):
    for name, picture in pictures(rotation).items():
        wide, high = picture.size
        foot = picture.crop((wide // 2 if name.startswith("pay") else 0, high - 8, wide, high))
        assert len(foot.getcolors()) == 1, name


def test_the_logo_stands_still_between_screens():
    for rotation in (0, 90):
        (first, *others) = [pictures(rotation)[name] for name in ("starting", "ready", "ready-bare")]
        box = (0, 0, 128, first.height) if rotation else (0, 0, first.width, 160)
        for other in others:
            assert other.crop(box).tobytes() == first.crop(box).tobytes()


def test_paid_is_green_and_only_paid():
    for rotation in (0, 90):
        for name, picture in pictures(rotation).items():
            greens = sum(n for n, (r, g, b) in picture.getcolors(100000) if g > 1.5 * max(r, b) and g > 90)
            share = greens / (picture.width * picture.height)
            assert (share > 0.4) == name.startswith("paid"), (name, share)
            assert share > 0.4 or share < 0.001, (name, share)


words = st.text("aeiouĀāŌ mnW…,.1語😀", max_size=60)
views = st.builds(
    View,
    st.sampled_from([kind for kind in range(len(NAMES)) if kind != kinds.PAY]),
    amount=st.sampled_from(("", "$0.01", "$12.34", "$999,999.99", "¥99,999,999", "1,200,000 VND")),
    merchant=words,
    code=st.sampled_from(("", CODE, "CP-C7F-ZS5-015")),
    method=words,
    detail=words,
    note=words,
) | st.builds(
    pay,
    st.integers(-5, 4000),
    amount=st.sampled_from(("$0.01", "$999,999.99", "99,999,999 VND")),
    merchant=words,
    payload=st.binary(min_size=1, max_size=90),
    note=words,
    total_s=st.integers(0, 3600),
)


@settings(max_examples=150, deadline=None)
@given(views, st.sampled_from([0, 90]))
def test_tiles_cover_the_glass_exactly_once(view, rotation):
    _, panel, screens = make_screens(rotation=rotation)
    covered = bytearray(panel.width * panel.height)
    for tile in screens._tiles(view):
        x, y, width, height = tile[1:5]
        assert x >= 0 and y >= 0 and width >= 0 and height >= 0, tile
        assert x + width <= panel.width and y + height <= panel.height, tile
        for row in range(y, y + height):
            at = row * panel.width + x
            assert not any(covered[at : at + width]), tile
            covered[at : at + width] = b"\1" * width
    assert all(covered)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(views, min_size=2, max_size=3), st.sampled_from([0, 90]))
def test_what_is_repainted_leaves_the_same_as_painting_afresh(shown, rotation):
    async def after(several):
        model, panel, screens = make_screens(rotation=rotation)
        await panel.begin()
        for view in several:
            await screens.show(view)
        assert model.faults == []
        return model.image().tobytes()

    assert asyncio.run(after(shown)) == asyncio.run(after(shown[-1:]))


@pytest.mark.parametrize("rotation", [0, 90])
def test_counting_down_leaves_the_same_as_painting_afresh(rotation):
    async def count():
        model, panel, screens = make_screens(rotation=rotation)
        await panel.begin()
        for left in (120, 119, 118, 100, 60, 59, 3, 2, 1, 0, 7):
            before = model.bytes_in
            await screens.show(pay(left))
            assert left in (120, 7) or model.bytes_in - before <= 4096 or left in (100, 60, 3)
        fresh, other, again = make_screens(rotation=rotation)
        await other.begin()
        await again.show(pay(7))
        assert model.image().tobytes() == fresh.image().tobytes()
        before = model.bytes_in
        await screens.show(pay(7))
        assert model.bytes_in == before

    asyncio.run(count())


@pytest.mark.parametrize("name", ["checking", "checking-news", "checking-long-news", "failed", "failed-long"])
def test_what_is_always_said_is_said_whole(name):
    for rotation in (0, 90):
        _, _, screens = make_screens(rotation=rotation)
        said = " ".join(tile[8] for tile in screens._tiles(VIEWS[name]) if len(tile) == 10)
        assert ("Do not hand over goods yet." if name.startswith("checking") else "Nothing was charged.") in said


def test_amounts_and_short_codes_are_never_cut():
    for rotation in (0, 90):
        _, panel, screens = make_screens(rotation=rotation)
        for view in VIEWS.values():
            tiles = [tile for tile in screens._tiles(view) if len(tile) == 10]
            for text in filter(None, (view.amount, view.code)):
                (tile,) = [tile for tile in tiles if tile[8] == text]
                assert screens._fonts[tile[7]].measure(text) <= tile[3] - 24, (text, tile)


def test_no_code_outlives_a_view_that_could_not_be_shown():
    async def fail():
        model, panel, screens = make_screens()
        await panel.begin()
        for broken in (pay(payload=b""), pay(payload=b"x" * 3000), pay(amount="$" * 50), pay(payload=None)):
            await screens.show(pay())
            assert zxingcpp.read_barcodes(model.image())
            with pytest.raises(ScreenError):
                await screens.show(broken)
            assert not zxingcpp.read_barcodes(model.image())
            assert len(model.image().getcolors()) == 1
        await screens.show(VIEWS["paid"])
        assert fingerprint(model.image()) == json.loads(HASHES.read_text("utf-8"))["tall"]["paid"]

    asyncio.run(fail())


def test_a_font_that_goes_bad_is_a_screen_error():
    async def fail():
        model, panel, screens = make_screens()
        await panel.begin()
        await screens.show(pay())
        screens._fonts[2].close()
        with pytest.raises(ScreenError):
            await screens.show(View(kinds.PAID, *SALE))
        assert not zxingcpp.read_barcodes(model.image())

    asyncio.run(fail())


def test_memory_that_runs_out_while_painting_is_a_screen_error():
    async def fail():
        model, panel, screens = make_screens()
        await panel.begin()
        await screens.show(pay())

        async def no_room(*_):
            raise MemoryError

        panel.icon = no_room
        with pytest.raises(ScreenError):
            await screens.show(VIEWS["checking"])
        assert not zxingcpp.read_barcodes(model.image())

    asyncio.run(fail())


def test_a_code_too_dense_for_the_glass_is_refused():
    """Smaller glass: a code that would need modules under 2 px must not be drawn."""

    async def fail():
        model, panel, screens = make_screens(width=170, height=200)
        await panel.begin()
        await screens.show(pay(payload=URL, amount="$5"))
        assert zxingcpp.read_barcodes(model.image())[0].bytes == URL
        with pytest.raises(ScreenError):
            await screens.show(pay(payload=b"x" * 200))

    asyncio.run(fail())


def test_cancelled_anywhere_the_next_show_is_right():
    async def cut(steps):
        model, panel, screens = make_screens()
        await panel.begin()
        await screens.show(VIEWS["paid"])
        task = asyncio.create_task(screens.show(VIEWS["pay"]))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await screens.show(VIEWS["checking"])
        assert model.faults == []
        return fingerprint(model.image())

    expected = json.loads(HASHES.read_text("utf-8"))["tall"]["checking"]
    for steps in random.Random(4).sample(range(1, 40), 6):
        assert asyncio.run(cut(steps)) == expected, steps


def test_both_controllers_in_all_mountings_start_without_faults():
    for controller in CONTROLLERS:
        for rotation in ROTATIONS:
            assert list(shots(controller, rotation, ["ready-bare"])) == ["ready-bare"]
