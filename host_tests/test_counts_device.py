"""The exact figures of docs/benchmarks.md that only the whole box can give: boot.py, main.py and lib/ as .mpy."""

import asyncio

import pytest

from tillpane import wasmport
from tillpane.bench import SCALE, bench, cases, counter, heap32, measure

pytestmark = pytest.mark.skipif(not cases.NATIVE, reason="mpy-cross knows no native code for this computer")
SALES = 60
# Held today. The targets are 64 KiB idle and 96 KiB on 32 bits: docs/benchmarks.md says how far off that is.
IDLE_HELD_KIB = 73
BUILT32_HELD_KIB = 97  # without asyncio, tasks and connection


def test_one_sale_on_the_running_box():
    sale = asyncio.run(counter.one_sale(ticks=3))
    # The code and its countdown, as they went over the SPI bus.
    assert sale.code_pixels == 205 * 205
    assert 2 * sale.code_pixels <= sale.code_bytes <= measure.WIRE_MOST * 2 * sale.code_pixels
    assert len(sale.ticks) >= 2
    assert 0 < min(sale.ticks) <= max(sale.ticks) <= measure.TICK_MOST
    # The connection was warm, and stayed.
    assert sale.handshakes == 0 and sale.polls >= 3
    # From the till's last byte to the code's last pixel: every step was seen, in this order.
    steps = measure.breakdown(sale)
    assert [name for name, _ in steps] == [name for name, _, _ in measure.STEPS]
    assert all(ms >= 0 for _, ms in steps), steps


def test_the_idle_product_leaves_room():
    heap, kib = asyncio.run(counter.idle_heap())
    assert "tillpane" in heap.modules and "wiring" not in heap.modules and heap.free > 0
    assert 20 < kib <= IDLE_HELD_KIB


def test_many_sales_in_a_row_take_nothing_with_them():
    done = asyncio.run(counter.many_sales(SALES, heap_kw=measure.HEAP_KW, tell=lambda _: None))
    assert measure.HEAP_KW - 1 <= done.heap_kib <= measure.HEAP_KW + 1
    lost, shrunk = measure.drift(done)
    assert lost <= 256, {number: heap.free / SCALE for number, heap in done.after.items()}
    assert shrunk <= 0, {number: heap.largest / SCALE for number, heap in done.after.items()}
    assert done.handshakes == 0 and done.starts == 1


# ---- on 32 bits ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def there():
    """The steps of a start on the 64-bit port, which needs no Node.js."""
    return asyncio.run(heap32.measure64())


def test_the_steps_of_a_start_are_weighed(there):
    sizes = dict(there)
    held = there[-1][1]
    assert list(sizes)[0] == "main.py" and list(sizes)[-1] == "the wiring is dropped"
    assert 20 < held / SCALE / 1024 < IDLE_HELD_KIB
    assert held < max(sizes.values()), "what builds the product is dropped"
    assert held > sizes["the joined product"] > held / 2


def test_the_product_built_on_32_bits(there, wasm):
    here, foreign, names = asyncio.run(heap32.measure())
    assert 0 < foreign < 100 < names
    assert [name for name, _ in here] == [name for name, _ in there]
    assert there[-1][1] / 2 < here[-1][1] < there[-1][1]
    found = measure.Idle32(here, there, 5.0, 9999, foreign, names)
    assert found.built <= BUILT32_HELD_KIB
    assert f"| **{found.built + 5:.1f}** |" in bench._steps32(found)
    assert "9,999 B" in measure.idle32_rows(found)[0].note


def test_without_node_the_row_says_so(monkeypatch):
    monkeypatch.setattr(wasmport.shutil, "which", lambda _: None)
    with pytest.raises(wasmport.Missing) as missing:
        asyncio.run(heap32.measure())
    row = measure.idle32_missing(str(missing.value))
    assert row.ours == "not measured" and row.verdict == "needs Node.js on the PATH"
