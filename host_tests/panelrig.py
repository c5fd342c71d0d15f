"""The product's panel and screens on the host's panel model; and the pictures and hashes made with them.

    python host_tests/panelrig.py

re-records host_tests/screens.json (a hash of the decoded pixels of every screen) and repaints docs/pictures/.
Look at the pictures before committing either.
"""

import asyncio
import functools
import hashlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "lib"), str(ROOT / "host_tests" / "shims" / "cpython")]

from PIL import Image, ImageDraw, ImageFilter  # noqa: E402

from kiosk import view as kinds  # noqa: E402
from kiosk.screens import FONTS, Screens  # noqa: E402
from kiosk.view import View  # noqa: E402
from panel import Font, Panel, glass  # noqa: E402
from qr import QR  # noqa: E402
from tillpane.panelmodel import PanelModel  # noqa: E402

HASHES = ROOT / "host_tests" / "screens.json"
PICTURES = ROOT / "docs" / "pictures"
_ON_SHEET = 13
CONTROLLERS = ("st7789", "ili9341")
ROTATIONS = (0, 90, 180, 270)

URL = b"https://app.centrapay.com/pay/WqXBnJbxyEHTkYiRkMuV3Q"
SHOP = "Café Kōwhai & Bakery"
CODE = "CP-C7F-ZS5"
SALE = ("$12.34", "NZD", SHOP)


def pay(left_s=97, **changes):
    shown = View(kinds.PAY, *SALE, URL, CODE, left_s=left_s, total_s=120)
    for name, value in changes.items():
        setattr(shown, name, value)
    return shown


# The first _ON_SHEET are the contact sheet; the rest are the hard cases.
VIEWS = {
    "starting": View(kinds.STARTING, detail="Tillpane 0.1.0"),
    "joining-wifi": View(kinds.JOINING, detail="Kōwhai-Guest-5G"),
    "ready": View(kinds.READY, merchant=SHOP),
    "ready-display": View(kinds.READY, merchant=SHOP, note="Till: 12.34. Press for the code."),
    "mirror": View(
        kinds.MIRROR, method="Flat white      x1  ", detail="4.50            4.50", note="unknown bytes: check dialect"
    ),
    "preparing": View(kinds.PREPARING, *SALE),
    "pay": pay(),
    "paid": View(kinds.PAID, *SALE, code=CODE, method="Centrapay Wallet"),
    "checking": View(kinds.CHECKING, *SALE, code=CODE, detail="Time is up. Checking that nothing was paid."),
    "cancelled": View(kinds.CANCELLED, *SALE, code=CODE, detail="Cancelled on the phone."),
    "expired": View(kinds.EXPIRED, *SALE, code=CODE, detail="The time to pay ran out."),
    "failed": View(kinds.FAILED, *SALE, detail="No connection to Centrapay."),
    "out-of-order": View(
        kinds.OUT_OF_ORDER,
        detail="The API key is not accepted.",
        note="Check the key in the settings, or call your supplier.",
    ),
    "ready-bare": View(kinds.READY),
    "ready-late-news": View(kinds.READY, merchant=SHOP, note="Sale 1041, $5.00: paid after all"),
    "pay-last-second": pay(1),
    "pay-over": pay(0),
    "pay-largest": pay(59, amount="$999,999.99", merchant="Te Whare Pukapuka o Ōtautahi, Christchurch Central"),
    "pay-test": pay(119, note="Test mode: no real money"),
    "pay-trouble": pay(60, note="Connection lost, still checking", total_s=3600),
    "pay-uuid": pay(3599, payload=b"https://app.centrapay.com/pay/6f1f0a52-4d0e-4c0d-8a35-2f5d8c7c9d11", total_s=3600),
    "paid-largest": View(
        kinds.PAID,
        "$999,999.99",
        "NZD",
        SHOP,
        code="CP-C7F-ZS5-015",
        method="Farmlands Account Card",
        note="Sale 1041, $5.00: paid after all",
    ),
    "cancelled-bare": View(kinds.CANCELLED, "$0.01", "NZD"),
    "checking-news": View(
        kinds.CHECKING,
        *SALE,
        code=CODE,
        detail="Outcome not known yet. Do not take another payment for this sale.",
        note="Test mode: no real money",
    ),
    "failed-long": View(kinds.FAILED, "1,200 VND", "VND", detail="The payment did not go through. " * 8),
    "out-of-order-long": View(kinds.OUT_OF_ORDER, detail="What is wrong, in words. " * 9, note="What staff do. " * 20),
    "checking-long-news": View(kinds.CHECKING, "$999,999.99", code=CODE, note="Sale 1041, $5.00: paid. " * 9),
    "paid-long-news": View(kinds.PAID, *SALE, b"", CODE, "Farmlands Account Card", note="Sale 1041, $5.00: paid. " * 9),
}


class Wires:
    """The SPI bus and the pins, on a model."""

    def __init__(self, model):
        self.model = model

    def write(self, buf):
        self.model.spi(buf)

    def pin(self, name):
        return lambda level: self.model.pin(name, level)


def make_panel(controller="st7789", rotation=0, **settings):
    model = PanelModel(
        controller,
        settings.get("width", 240),
        settings.get("height", 320),
        x_offset=settings.get("x_offset", 0),
        y_offset=settings.get("y_offset", 0),
    )
    wires = Wires(model)
    pins = [wires.pin(name) for name in ("dc", "cs", "reset", "backlight")]
    panel = Panel(wires, *pins, controller, rotation=rotation, **settings)
    panel.begin = functools.partial(_begin_at_once, panel)
    return model, panel


class _NoWaiting:
    """asyncio for the driver, without the waits of the data sheets."""

    @staticmethod
    async def sleep(_seconds):
        await asyncio.sleep(0)


async def _begin_at_once(panel, brightness=100):
    glass.asyncio = _NoWaiting
    try:
        await Panel.begin(panel, brightness)
    finally:
        glass.asyncio = asyncio


def font(name):
    return Font(str(ROOT / "lib" / "panel" / "fonts" / (name + ".font")))


def make_screens(controller="st7789", rotation=0, **settings):
    model, panel = make_panel(controller, rotation, **settings)
    return model, panel, Screens(panel, QR(), [font(name) for name in FONTS])


def fingerprint(image):
    return hashlib.sha256(image.tobytes()).hexdigest()[:24]


def shots(controller="st7789", rotation=0, names=None):
    """A picture of each screen, one shown after the other as the product does."""

    async def show_all():
        model, panel, screens = make_screens(controller, rotation)
        await panel.begin()
        pictures = {}
        for name in names or VIEWS:
            await screens.show(VIEWS[name])
            pictures[name] = model.image()
        assert model.faults == [] and not model.unknown, (model.faults, model.unknown)
        return pictures

    return asyncio.run(show_all())


def contact_sheet(tall, wide):
    gap, backdrop = 16, (226, 229, 233)
    across, (w, h) = 7, next(iter(tall.values())).size
    # Thirteen upright screens and the pay screen turned: two rows of seven.
    sheet = Image.new("RGB", (across * (w + gap) + gap, 2 * (h + gap) + gap), backdrop)
    for i, picture in enumerate(tall.values()):
        sheet.paste(picture, (gap + i % across * (w + gap), gap + i // across * (h + gap)))
    last = wide.resize((w, w * wide.height // wide.width), Image.Resampling.LANCZOS)
    sheet.paste(last, (gap + (across - 1) * (w + gap), gap + h + gap + (h - last.height) // 2))
    return sheet


def hero(picture):
    """The pay screen in a plain drawn housing, twice its size."""
    scale, bezel, margin, fine = 2, 34, 70, 3
    w, h = picture.width * scale, picture.height * scale
    size = (w + 2 * (bezel + margin), h + 2 * (bezel + margin) + 40)
    big = Image.new("RGB", (size[0] * fine, size[1] * fine), (237, 240, 243))
    shade = Image.new("L", big.size, 0)
    frame = [v * fine for v in (margin, margin, margin + w + 2 * bezel, margin + h + 2 * bezel + 40)]
    lower = [frame[0] + 10 * fine, frame[1] + 34 * fine, frame[2] - 10 * fine, frame[3] + 26 * fine]
    ImageDraw.Draw(shade).rounded_rectangle(lower, 36 * fine, fill=120)
    big.paste((60, 72, 88), (0, 0), shade.filter(ImageFilter.GaussianBlur(18 * fine)))
    pen = ImageDraw.Draw(big)
    pen.rounded_rectangle(frame, 40 * fine, fill=(28, 33, 40))
    inner = [frame[0] + 3 * fine, frame[1] + 3 * fine, frame[2] - 3 * fine, frame[3] - 3 * fine]
    pen.rounded_rectangle(inner, 37 * fine, fill=(46, 52, 61))
    face = [inner[0] + 2 * fine, inner[1] + 2 * fine, inner[2] - 2 * fine, inner[3] - 2 * fine]
    pen.rounded_rectangle(face, 35 * fine, fill=(18, 21, 26))
    x, y = size[0] * fine // 2, (margin + h + bezel + 38) * fine
    pen.rounded_rectangle((x - 26 * fine, y - 2 * fine, x + 26 * fine, y + 2 * fine), 2 * fine, fill=(58, 66, 77))
    big = big.resize(size, Image.Resampling.LANCZOS)
    big.paste(picture.resize((w, h), Image.Resampling.NEAREST), (margin + bezel, margin + bezel))
    return big


def main():
    recorded = {}
    for orientation, rotation in (("tall", 0), ("wide", 90)):
        pictures = shots(rotation=rotation)
        recorded[orientation] = {name: fingerprint(picture) for name, picture in pictures.items()}
        if orientation == "tall":
            tall = {name: pictures[name] for name in list(VIEWS)[:_ON_SHEET]}
    HASHES.write_text(json.dumps(recorded, indent=1) + "\n", "utf-8")
    PICTURES.mkdir(parents=True, exist_ok=True)
    contact_sheet(tall, pictures["pay"]).save(PICTURES / "screens.png", optimize=True)
    hero(tall["pay"]).save(PICTURES / "pay.png", optimize=True)
    print(f"{sum(map(len, recorded.values()))} hashes in {HASHES.name}, 2 pictures in {PICTURES}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
