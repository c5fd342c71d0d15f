"""The screens: a View becomes tiles that cover the glass exactly once; only tiles that differ from the last are sent.

Colour has one meaning throughout: green is paid, red is not paid, amber is wait, ink is everything before and between.
"""

from micropython import const

from kiosk import view as kinds
from panel import CENTRE, LEFT, RIGHT, PanelError, rgb

# Fonts in the order in which Screens takes them.
FONTS = ("small", "medium", "large", "huge", "icons")

_SMALL = const(0)
_MEDIUM = const(1)
_LARGE = const(2)
_HUGE = const(3)
_ICONS = const(4)

# A tile is (what, x, y, width, height, paper, ...).
_FILL = const(0)
_TEXT = const(1)
_ICON = const(2)
_CODE = const(3)
_BAR = const(4)

_MARGIN = const(12)
_QUIET = const(8)
_LEAST_MODULE = const(2)
_BAR_HIGH = const(6)
_CODE_HIGH = const(32)
_ICON_LEAST = const(94)
_TICK_LEAST = const(126)
_ICON_MOST = const(166)
_ICON_WIDE = const(128)
_ASK = "Scan to pay"

# Amounts have neither accents nor descenders: their line may be lower, and needs air above where it is huge.
_AMOUNT_HIGH = const(37)
_AMOUNT_GAP = const(8)

# px free at the sides of text that is LEFT, CENTRE, RIGHT; what is centred was wrapped to more.
_MARGINS = (12, 6, 0)

_INK = rgb(0x0B1726)
_SOFT = rgb(0xA9BACB)
_WHITE = rgb(0xFFFFFF)
_GREEN = rgb(0x00873F)
_MINT = rgb(0xD9F7E6)
_AMBER = rgb(0xFFB300)
_RED = rgb(0xC22525)
_ROSE = rgb(0xFFDEDA)
_GREY = rgb(0x52606D)
_RAIL = rgb(0xD5DBE1)

# Paper and ink of a note.
_NOTED = (_AMBER, _INK)

_FIELDS = ("kind", "amount", "currency", "merchant", "payload", "code", "method", "detail", "note", "total_s")

# kind: paper, ink, softer ink, icon, its ink, title, what is always said, detail where the view has none
_LOOKS = {
    kinds.STARTING: (_INK, _WHITE, _SOFT, "M", _WHITE, "Starting", "", ""),
    kinds.JOINING: (_INK, _WHITE, _SOFT, "W", _WHITE, "Joining Wi-Fi", "", ""),
    kinds.READY: (_INK, _WHITE, _SOFT, "M", _WHITE, "Ready", "", ""),
    kinds.PREPARING: (_INK, _WHITE, _SOFT, "D", _WHITE, "One moment", "", ""),
    kinds.PAID: (_GREEN, _WHITE, _MINT, "T", _WHITE, "Paid", "", ""),
    kinds.CANCELLED: (_RED, _WHITE, _ROSE, "X", _WHITE, "Cancelled", "", "Not paid."),
    kinds.EXPIRED: (_RED, _WHITE, _ROSE, "C", _WHITE, "Expired", "", "Not paid."),
    kinds.CHECKING: (_AMBER, _INK, _INK, "P", _INK, "Checking", "Do not hand over goods yet.", ""),
    kinds.FAILED: (_RED, _WHITE, _ROSE, "A", _WHITE, "Failed", "Nothing was charged.", ""),
    kinds.OUT_OF_ORDER: (_INK, _WHITE, _SOFT, "S", _AMBER, "Out of order", "", ""),
    kinds.MIRROR: (_INK, _WHITE, _SOFT, "S", _AMBER, "Till display", "", ""),
}


class ScreenError(Exception):
    """The view cannot be shown whole: no scannable code, amount too long, or font, memory or panel fails.

    The glass was wiped, where the panel took that.
    """


class Screens:
    """Paints views on a panel.

    qr     a QR from lib/qr.py, used only while a pay screen is painted
    fonts  panel.Font objects for the names in FONTS, in that order

    One task shows at a time.
    """

    def __init__(self, panel, qr, fonts):
        self._panel = panel
        self._qr = qr
        self._fonts = fonts
        self._shown = None
        self._brightness = 100
        self._lost = False  # the panel did not take what was sent

    async def begin(self, brightness):
        """Sets the panel up, at 0 to 100 percent. One that does not take it is tried again before the next view."""
        self._brightness = brightness
        self._shown = None
        self._lost = True
        try:
            await self._panel.begin(brightness)
            self._lost = False
        except OSError as error:
            print("[tillpane] panel:", error)

    async def show(self, view):
        """Make the glass show `view`; what it shows already is left alone.

        Raises ScreenError, above all when a pay screen has no scannable code or no room for the whole amount.
        """
        if self._lost:
            await self.begin(self._brightness)
        if self._lost:
            raise ScreenError("no panel")
        shown = self._shown
        ticked = shown and _same(shown, view)
        if ticked and shown.left_s == view.left_s:
            return
        # Until all is painted nobody knows what is on the glass: a task may be cancelled half-way.
        self._shown = None
        try:
            if ticked:
                before, now = self._ticking(shown), self._ticking(view)
            else:
                before, now = self._tiles(shown) if shown else (), self._tiles(view)
            for i, tile in enumerate(now):
                was = before[i] if i < len(before) else None
                if tile != was:
                    await self._paint(tile, was)
        except (ValueError, OSError, MemoryError) as error:
            await self._wipe()  # PanelError, QRError and FontError are ValueErrors
            raise ScreenError(str(error))
        self._shown = _copy(view)

    async def _wipe(self):
        """An older code must not outlive its screen."""
        try:
            await self._panel.fill(0, 0, self._panel.width, self._panel.height, _INK)
        except OSError:
            self._lost = True

    async def _paint(self, tile, was):
        panel = self._panel
        what, x, y, width, height, paper = tile[:6]
        if what == _FILL:
            await panel.fill(x, y, width, height, paper)
        elif what == _TEXT:
            ink, font, text, align = tile[6:]
            margin = _MARGINS[align]
            await panel.text(self._fonts[font], text, x, y, width, ink, paper, align, height, margin)
        elif what == _ICON:
            await panel.icon(self._fonts[_ICONS], tile[7], x, y, width, height, tile[6], paper)
        elif what == _BAR:
            same = was and was[:7] == tile[:7]
            await panel.bar(x, y, width, height, was[7] if same else -1, tile[7], tile[6], paper)
        else:
            await self._paint_code(x, y, width, height, tile[6])

    async def _paint_code(self, x, y, width, height, payload):
        if not payload:
            raise PanelError("no payload")
        code = self._qr
        version, level = code.fit(payload, min(width, height))
        code.encode(payload, version, level)
        side = code.size + _QUIET
        scale = min(width, height) // side
        if scale < _LEAST_MODULE:
            raise PanelError("code too small")
        side *= scale
        left = (width - side) // 2
        top = (height - side) // 2
        panel = self._panel
        await panel.qr(x + left, y + top, code.rows, code.size, code.stride, scale)
        await panel.fill(x, y, width, top, _WHITE)
        await panel.fill(x, y + top, left, side, _WHITE)
        await panel.fill(x + left + side, y + top, width - left - side, side, _WHITE)
        await panel.fill(x, y + top + side, width, height - top - side, _WHITE)

    # ---- layout -------------------------------------------------------------------------------------------------

    def _tiles(self, view):
        if view.kind != kinds.PAY:
            return self._message(view)
        if self._is_wide():
            return self._pay_wide(view)
        return self._pay_tall(view)

    def _is_wide(self):
        return self._panel.width > self._panel.height

    def _ticking(self, view):
        """The tiles that change every second."""
        if view.kind != kinds.PAY:
            return ()
        wide = self._panel.width
        high = self._panel.height
        left = max(0, view.left_s)
        filled = min(wide, wide * left // view.total_s) if view.total_s > 0 else 0
        clock = "%d:%02d" % (left // 60, left % 60)
        if self._is_wide():
            clock = (_TEXT, wide - 82, 12, 70, 25, _INK, _WHITE, _MEDIUM, clock, RIGHT)
            return (clock, (_BAR, 0, 49, wide, _BAR_HIGH, _RAIL, _AMBER, filled))
        clock = (_TEXT, wide - 66, high - 24, 54, 17, _INK, _WHITE, _SMALL, clock, RIGHT)
        return (clock, (_BAR, 0, 64, wide, _BAR_HIGH, _RAIL, _AMBER, filled))

    def _pay_tall(self, view):
        """Merchant, amount, time left; the code; what to do, short code, seconds."""
        wide = self._panel.width
        high = self._panel.height
        amount = self._whole(view.amount, wide, _LARGE)
        paper, ink = _NOTED if view.note else (_INK, _WHITE)
        # The code comes first: it is what the patron waits for.
        tiles = ((_CODE, 0, 70, wide, high - 115, _WHITE, view.payload),) + self._ticking(view)
        return tiles + (
            (_FILL, 0, 0, wide, 3, _INK),
            (_TEXT, 0, 3, wide, 22, _INK, _SOFT, _SMALL, view.merchant, CENTRE),
            (_TEXT, 0, 25, wide, 36, _INK, _WHITE, amount, view.amount, CENTRE),
            (_FILL, 0, 61, wide, 3, _INK),
            (_TEXT, 0, high - 45, wide, 21, paper, ink, _SMALL, view.note or _ASK, CENTRE),
            (_TEXT, 0, high - 24, wide - 66, 17, _INK, _SOFT, _SMALL, view.code, LEFT),
            (_FILL, wide - 12, high - 24, 12, 17, _INK),
            (_FILL, 0, high - 7, wide, 7, _INK),
        )

    def _pay_wide(self, view):
        """Amount and time across the top, the code below on the left, words on the right."""
        wide = self._panel.width
        head = 49 + _BAR_HIGH
        side = self._panel.height - head
        words = wide - side
        amount = self._whole(view.amount, wide - 82, _LARGE)
        foot = self._panel.height - 34
        tiles = list(((_CODE, 0, head, side, side, _WHITE, view.payload),) + self._ticking(view))
        tiles += (
            (_TEXT, 0, 0, wide - 82, 49, _INK, _WHITE, amount, view.amount, LEFT),
            (_FILL, wide - 82, 0, 70, 12, _INK),
            (_FILL, wide - 82, 37, 70, 12, _INK),
            (_FILL, wide - 12, 0, 12, 49, _INK),
            (_TEXT, side, foot, words, 34, _WHITE, _GREY, _SMALL, view.code, LEFT),
        )
        paper, ink = _NOTED if view.note else (_WHITE, _INK)
        rows = []
        self._rows(rows, view.note or _ASK, _SMALL if view.note else _MEDIUM, ink, 3, words, 5)
        # A strip of white keeps a note apart from the bar, which has its colour.
        tiles.append((_FILL, side, head, words, 9, _WHITE))
        middle = head + 9 + _tall(rows) + 5
        self._column(tiles, rows, side, head + 9, words, middle, paper, LEFT)
        rows = []
        self._rows(rows, view.merchant, _SMALL, _GREY, (foot - middle - 4) // 22, words, 4)
        self._column(tiles, rows, side, middle, words, foot, _WHITE, LEFT)
        return tiles

    def _message(self, view):
        """Icon and words over one colour; a note in a strip of its own along the bottom."""
        paper, ink, soft, icon, icon_ink, title, always, usual = _LOOKS[view.kind]
        wide = self._panel.width
        landscape = self._is_wide()
        tiles = []
        end = self._strip(tiles, view, wide, paper)
        foot = end - (_CODE_HIGH if view.code else _MARGIN)
        x = _ICON_WIDE if landscape else 0
        width = wide - x
        least = 0 if landscape else _ICON_LEAST
        hero = _HUGE if view.kind in (kinds.PAID, kinds.PREPARING) else _LARGE
        rows = []
        self._rows(rows, title, self._fitting(title, width, _LARGE), ink, 1, width)
        font = self._fitting(view.amount, width, hero)
        self._rows(rows, view.amount, font, ink, 1, width, _AMOUNT_GAP if font == _HUGE else 0)
        if font == _LARGE and view.amount:
            rows[-1] = (0, _AMOUNT_HIGH) + rows[-1][2:]
        self._always(rows, always, ink, foot - least, width)
        self._rows(rows, view.method, self._fitting(view.method, width, _MEDIUM), ink, 2, width, 4)
        if view.kind in (kinds.READY, kinds.PREPARING):
            self._rows(rows, view.merchant, _MEDIUM, soft, 3, width, 4)
        room = foot - least - _tall(rows) - 4
        if view.kind == kinds.MIRROR:
            self._rows(rows, view.detail, self._fitting(view.detail, width, _MEDIUM), ink, 2, width)
        else:
            self._rows(rows, view.detail or usual, _SMALL, soft, min(4, room // 22), width, 4)
        spare = foot - _tall(rows)
        if landscape:
            tiles.append((_ICON, 0, 0, x, end, paper, icon_ink, icon))
            y = max(0, spare // 2)
            tiles.append((_FILL, x, 0, width, y, paper))
        else:
            # The same height wherever there is room: the icon must not hop from screen to screen.
            y = max(0, min(spare, _ICON_MOST))
            if icon == "T" and y < _TICK_LEAST:
                icon = "t"
            # Words come before pictures.
            tile = (_ICON, 0, 0, wide, y, paper, icon_ink, icon) if y >= _ICON_LEAST else (_FILL, 0, 0, wide, y, paper)
            tiles.append(tile)
        align = LEFT if landscape else CENTRE
        self._column(tiles, rows, x, y, width, foot, paper, align)
        tiles.append((_TEXT, x, foot, width, end - foot, paper, soft, _SMALL, view.code, align))
        return tiles

    def _always(self, rows, text, ink, end, width):
        """What must be read whole, as large as it can be."""
        for font in (_MEDIUM, _SMALL):
            more = []
            self._rows(more, text, font, ink, 4, width, 2)
            if _tall(rows) + _tall(more) <= end:
                break
        rows += more

    def _strip(self, tiles, view, wide, paper):
        """The note along the bottom. -> where what is above it ends"""
        end = self._panel.height
        if not view.note:
            return end
        colour, ink = (_INK, _WHITE) if paper == _AMBER else _NOTED
        rows = []
        # Centred text is drawn with half the margin it is wrapped to: here it may use all of that.
        self._rows(rows, view.note, _SMALL, ink, 4 if view.kind == kinds.OUT_OF_ORDER else 3, wide + _MARGIN)
        top = end - _tall(rows) - 13
        tiles.append((_FILL, 0, top, wide, 5, colour))
        self._column(tiles, rows, 0, top + 5, wide, end, colour, CENTRE)
        return top

    def _rows(self, rows, text, font, ink, most, width, gap=0):
        """Add `text`, wrapped, to rows of (gap above, height, font, ink, text)."""
        if not text or most < 1:
            return
        height = self._fonts[font].height
        for line in self._fonts[font].wrap(text, width - 2 * _MARGIN, most):
            rows.append((gap, height, font, ink, line))
            gap = 0

    def _column(self, tiles, rows, x, y, width, end, paper, align):
        """Rows of text from `y` down, and paper to `end`."""
        for gap, height, font, ink, text in rows:
            if y + gap + height > end:
                break
            if gap:
                tiles.append((_FILL, x, y, width, gap, paper))
            y += gap
            tiles.append((_TEXT, x, y, width, height, paper, ink, font, text, align))
            y += height
        tiles.append((_FILL, x, y, width, end - y, paper))

    def _fitting(self, text, width, font):
        """The largest font, from `font` down, that shows the whole text."""
        while font > _SMALL and self._fonts[font].measure(text) > width - 2 * _MARGIN:
            font -= 1
        return font

    def _whole(self, text, width, font):
        """The same, for what must not be cut."""
        font = self._fitting(text, width, font)
        if self._fonts[font].measure(text) > width - 2 * _MARGIN:
            raise PanelError("amount too long")
        return font


def _tall(rows):
    return sum(row[0] + row[1] for row in rows)


def _same(one, other):
    """Whether two views differ in nothing but the time left."""
    return all(getattr(one, name) == getattr(other, name) for name in _FIELDS)


def _copy(view):
    """The caller may change and show the same View again."""
    copy = kinds.View(view.kind, left_s=view.left_s)
    for name in _FIELDS:
        setattr(copy, name, getattr(view, name))
    return copy
