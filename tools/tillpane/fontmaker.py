"""Makes the bitmap fonts under lib/panel/fonts/ from Inter (SIL Open Font License 1.1, no reserved font name).

    python -m pip install Pillow fontpkg-inter==4.1.post1
    python tools/tillpane/fontmaker.py

The font package is not needed to build, run or test the product: the files made here are committed.

A `.font` file, all numbers little-endian:

    header, 16 bytes   "TPF1", line height, baseline (px from the top of the line), widest glyph row in bytes, 0,
                       number of glyphs (u16), 0 (u16), length of the file (u32)
    index, 12 bytes a glyph, sorted by code point
                       code point (u16), advance, width, left bearing (signed), top row in the line, rows, 0,
                       place of its rows in the file (u32)
    rows               2 bits a pixel, the leftmost in the low bits (framebuf.GS2_HMSB), 0 = paper .. 3 = ink,
                       each row padded to a byte

The first glyph has code point 0: the box that stands for what the font lacks.
"""

import math
import pathlib
import struct
import sys

from PIL import Image, ImageDraw, ImageFont

OUT = pathlib.Path(__file__).resolve().parents[2] / "lib" / "panel" / "fonts"

MACRONS = "ĀĒĪŌŪāēīōū"
LATIN = [chr(c) for c in range(0x20, 0x7F)] + [chr(c) for c in range(0xA0, 0x100) if c != 0xAD]
TEXT = "".join(LATIN) + MACRONS + "€…–—‘’“”•"
AMOUNTS = "0123456789 .,'-+$€£¥¢%:\xa0’" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "r"

# name: em in px, optical size, weight, characters, those whose ink makes the line box
FACES = {
    "small": (18, 22, 550, TEXT, "ÅÇgÕÿ"),
    "medium": (24, 24, 600, TEXT, "ÅÇgÕÿ"),
    "large": (34, 32, 700, TEXT, "ÅÇgÕÿ"),
    "huge": (56, 32, 700, AMOUNTS, "0$,"),
}
ICON_PX = 88
SUPER = 8


def quantise(mask: Image.Image) -> Image.Image:
    """Grey coverage to the four shades a glyph row can hold."""
    return mask.point([min(3, (v * 3 + 127) // 255) for v in range(256)])


def glyph(advance: int, left: int, top: int, mask: Image.Image) -> tuple:
    """Trim a mask of shades 0..3 to its ink."""
    box = mask.getbbox()
    if box is None:
        return advance, 0, 0, 0, 0, b""
    mask = mask.crop(box)
    width, rows = mask.size
    pixels = mask.tobytes()
    packed = bytearray()
    for y in range(rows):
        for x in range(0, width, 4):
            byte = 0
            for i, shade in enumerate(pixels[y * width + x : y * width + min(x + 4, width)]):
                byte |= shade << (2 * i)
            packed.append(byte)
    return advance, width, left + box[0], top + box[1], rows, bytes(packed)


def font_file(height: int, baseline: int, glyphs: dict[int, tuple]) -> bytes:
    codes = sorted(glyphs)
    place = 16 + 12 * len(codes)
    index, rows, widest = bytearray(), bytearray(), 1
    for code in codes:
        advance, width, left, top, count, packed = glyphs[code]
        index += struct.pack("<HBBbBBBI", code, advance, width, left, top, count, 0, place + len(rows))
        rows += packed
        widest = max(widest, (width + 3) // 4)
    total = place + len(rows)
    return struct.pack("<4sBBBBHHI", b"TPF1", height, baseline, widest, 0, len(codes), 0, total) + index + rows


def missing_box(em: int, baseline: int) -> tuple:
    width, rows, pen = round(em * 0.5), round(em * 0.72), max(1, em // 14)
    mask = Image.new("L", (width, rows), 0)
    ImageDraw.Draw(mask).rectangle((0, 0, width - 1, rows - 1), outline=3, width=pen)
    return glyph(width + 2 * max(1, em // 12), max(1, em // 12), baseline - rows, mask)


def face_file(source: str, em: int, optical: int, weight: int, characters: str, tallest: str) -> bytes:
    # Drawn large and averaged down: at these sizes hinting makes stems and gaps uneven.
    font = ImageFont.truetype(source, em * SUPER, layout_engine=ImageFont.Layout.RAQM)
    font.set_variation_by_axes([optical, weight])
    ink = [font.getbbox(c, anchor="ls") for c in tallest]
    baseline = math.ceil(-min(box[1] for box in ink) / SUPER)
    height = baseline + math.ceil(max(box[3] for box in ink) / SUPER)
    glyphs = {0: missing_box(em, baseline)}
    for character in characters:
        # Digits of one width, so that a count stands still.
        figures = ["tnum"] if character.isdigit() else None
        exact = font.getlength(character, features=figures) / SUPER
        advance = round(exact)
        left = em // 2
        # What rounding adds to the advance goes to both sides.
        place = ((left + (advance - exact) / 2) * SUPER, baseline * SUPER)
        mask = Image.new("L", (3 * em * SUPER, height * SUPER), 0)
        ImageDraw.Draw(mask).text(place, character, fill=255, font=font, anchor="ls", features=figures)
        mask = mask.resize((3 * em, height), Image.Resampling.BOX)
        glyphs[ord(character)] = glyph(advance, -left, 0, quantise(mask))
    return font_file(height, baseline, glyphs)


class Icon:
    """Draws on a 100 by 100 square, supersampled."""

    def __init__(self, px: int) -> None:
        self.px = px
        self.scale = px * SUPER / 100
        self.mask = Image.new("L", (px * SUPER, px * SUPER), 0)
        self.pen = ImageDraw.Draw(self.mask)

    def dot(self, x: float, y: float, r: float, ink: int = 255) -> None:
        s = self.scale
        self.pen.ellipse(((x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s), fill=ink)

    def stroke(self, points: list[tuple[float, float]], wide: float, ink: int = 255) -> None:
        s = self.scale
        for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
            length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
            nx, ny = (y1 - y0) / length * wide / 2, (x0 - x1) / length * wide / 2
            corners = [(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)]
            self.pen.polygon([(x * s, y * s) for x, y in corners], fill=ink)
        for x, y in points:
            self.dot(x, y, wide / 2, ink)

    def box(self, x: float, y: float, w: float, h: float, r: float, ink: int = 255) -> None:
        s = self.scale
        self.pen.rounded_rectangle((x * s, y * s, (x + w) * s, (y + h) * s), r * s, fill=ink)

    def shades(self) -> Image.Image:
        return quantise(self.mask.resize((self.px, self.px), Image.Resampling.BOX))


def tick(icon: Icon) -> None:
    icon.dot(50, 50, 50)
    icon.stroke([(27, 52), (43, 68), (74, 35)], 11, 0)


def cross(icon: Icon) -> None:
    icon.dot(50, 50, 50)
    icon.stroke([(33, 33), (67, 67)], 11, 0)
    icon.stroke([(67, 33), (33, 67)], 11, 0)


def clock(icon: Icon) -> None:
    icon.dot(50, 50, 50)
    icon.stroke([(50, 23), (50, 52), (68, 63)], 9, 0)


def pause(icon: Icon) -> None:
    icon.dot(50, 50, 50)
    icon.stroke([(38, 32), (38, 68)], 12, 0)
    icon.stroke([(62, 32), (62, 68)], 12, 0)


def alert(icon: Icon) -> None:
    icon.dot(50, 50, 50)
    icon.stroke([(50, 25), (50, 55)], 11, 0)
    icon.dot(50, 74, 6.8, 0)


def spanner(icon: Icon) -> None:
    icon.dot(50, 50, 50)
    tool = Icon(icon.px)
    tool.stroke([(35, 65), (60, 40)], 13)
    tool.dot(65, 35, 17)
    tool.stroke([(66, 34), (90, 10)], 12, 0)
    tool.dot(33, 67, 9)
    tool.dot(33, 67, 3.6, 0)
    icon.mask.paste(0, (0, 0), tool.mask)


def waves(icon: Icon) -> None:
    s = icon.scale
    for radius in (70, 45):
        for r, ink in ((radius, 255), (radius - 11, 0)):
            icon.pen.pieslice(((50 - r) * s, (84 - r) * s, (50 + r) * s, (84 + r) * s), 225, 315, fill=ink)
    icon.pen.pieslice(((50 - 20) * s, (84 - 20) * s, (50 + 20) * s, (84 + 20) * s), 225, 315, fill=255)


def dots(icon: Icon) -> None:
    for x in (18, 50, 82):
        icon.dot(x, 50, 11)


def mark(icon: Icon) -> None:
    """Three finder squares of a QR code and, where the fourth corner has none, a tick."""
    for x, y in ((4, 4), (54, 4), (4, 54)):
        icon.box(x, y, 42, 42, 11)
        icon.box(x + 8, y + 8, 26, 26, 5, 0)
        icon.box(x + 14, y + 14, 14, 14, 3.5)
    icon.stroke([(58, 76), (71, 89), (93, 64)], 9.5)


ICONS = {
    "tick": ("T", tick, 120),
    "small tick": ("t", tick, ICON_PX),
    "cross": ("X", cross, ICON_PX),
    "clock": ("C", clock, ICON_PX),
    "pause": ("P", pause, ICON_PX),
    "alert": ("A", alert, ICON_PX),
    "spanner": ("S", spanner, ICON_PX),
    "waves": ("W", waves, ICON_PX),
    "dots": ("D", dots, ICON_PX),
    "mark": ("M", mark, ICON_PX),
}


def icon_file() -> bytes:
    glyphs = {0: glyph(8, 0, 0, Image.new("L", (8, 8), 3))}
    tallest = max(px for _, _, px in ICONS.values())
    for letter, draw, px in ICONS.values():
        icon = Icon(px)
        draw(icon)
        glyphs[ord(letter)] = glyph(px, 0, 0, icon.shades())
    return font_file(tallest, tallest, glyphs)


def main() -> int:
    import fontpkg_inter

    source = str(next((pathlib.Path(fontpkg_inter.ROOT) / "files").glob("Inter?opsz*.ttf")))
    OUT.mkdir(parents=True, exist_ok=True)
    for name, (em, optical, weight, characters, tallest) in FACES.items():
        made = face_file(source, em, optical, weight, characters, tallest)
        (OUT / (name + ".font")).write_bytes(made)
        print(f"{name}.font {len(made)} bytes, line {made[4]} px, baseline {made[5]} px")
    made = icon_file()
    (OUT / "icons.font").write_bytes(made)
    print(f"icons.font {len(made)} bytes")
    licence = (pathlib.Path(fontpkg_inter.ROOT) / "LICENSE").read_text("utf-8")
    (OUT / "LICENSE.txt").write_text(licence, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
