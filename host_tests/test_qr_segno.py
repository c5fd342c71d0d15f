"""The QR encoder against independent ones: segno bit for bit, zxing-cpp through rendered pixels.

segno 1.6.6 departs from ISO/IEC 18004 in one place that shows: when the bit stream with its terminator ends on a
codeword boundary it adds a codeword 0x00 before the pad codewords (7.4.10 adds padding bits only where the stream does
not end there). Those symbols decode alike, but their matrices differ, so `standard_segno` corrects that one step;
`test_plain_segno` shows that nothing else had to be touched. segno also merges neighbouring segments of one mode, so
multi-segment cases alternate modes.
"""

import hashlib
import importlib.util
import pathlib
import random

import pytest
import segno
import segno.consts
import segno.encoder
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import qr

LEVELS = "lmqh"
ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
MODES = ("numeric", "alphanumeric", "byte")
URL = "https://app.centrapay.com/pay/5hrpVrBuN7nJL3m7FgUbHq"


def pad_to_codeword(buff, version, length):
    if version not in (segno.consts.VERSION_M1, segno.consts.VERSION_M3):
        buff.extend([0] * (-length % 8))


@pytest.fixture
def standard_segno(monkeypatch):
    monkeypatch.setattr(segno.encoder, "write_padding_bits", pad_to_codeword)


@pytest.fixture(scope="module")
def encoder():
    return qr.QR()


def matrix(symbol):
    return [
        bytearray(symbol.rows[y * symbol.stride + (x >> 3)] >> (7 - (x & 7)) & 1 for x in range(symbol.size))
        for y in range(symbol.size)
    ]


def reference(data, version, level, mask, mode="byte"):
    return segno.make(data, version=version, error=LEVELS[level], mask=mask, mode=mode, micro=False, boost_error=False)


def content(rng, mode, length):
    if mode == "numeric":
        return "".join(rng.choices("0123456789", k=length))
    if mode == "alphanumeric":
        return "A" + "".join(rng.choices(ALPHANUMERIC, k=length - 1))
    return bytes(rng.choices(range(97, 123), k=length))


def capacity(version, level, mode):
    """Characters by segno's own tables, independent of ours."""
    bits = segno.consts.SYMBOL_CAPACITY[version][level_key(level)] - 4
    big = version > 9
    if mode == "numeric":
        bits -= 12 if big else 10
        return bits // 10 * 3 + (2 if bits % 10 >= 7 else 1 if bits % 10 >= 4 else 0)
    if mode == "alphanumeric":
        bits -= 11 if big else 9
        return bits // 11 * 2 + (1 if bits % 11 >= 6 else 0)
    return (bits - (16 if big else 8)) // 8


def level_key(level):
    return (
        segno.consts.ERROR_LEVEL_L,
        segno.consts.ERROR_LEVEL_M,
        segno.consts.ERROR_LEVEL_Q,
        segno.consts.ERROR_LEVEL_H,
    )[level]


def image(symbol, scale=3):
    side = (symbol.size + 8) * scale
    picture = Image.new("L", (side, side), 255)
    draw = ImageDraw.Draw(picture)
    for y, row in enumerate(matrix(symbol)):
        for x, dark in enumerate(row):
            if dark:
                draw.rectangle(
                    ((x + 4) * scale, (y + 4) * scale, (x + 5) * scale - 1, (y + 5) * scale - 1),
                    fill=0,
                )
    return picture


def decoded(picture):
    found = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
    return bytes(found[0].bytes) if len(found) == 1 else None


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("version", range(1, 11))
def test_every_mask_equals_segno(encoder, standard_segno, version, level):
    rng = random.Random(version * 10 + level)
    for mask in range(-1, 8):
        mode = MODES[(mask + version) % 3]
        data = content(rng, mode, rng.randint(1, capacity(version, level, mode)))
        encoder.encode(data, version, level, mask)
        expected = reference(data, version, level, None if mask < 0 else mask, mode)
        assert encoder.mask == expected.mask
        assert matrix(encoder) == list(expected.matrix), (data, mask)
        assert (encoder.version, encoder.level, encoder.size) == (version, level, 17 + 4 * version)


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("version", range(1, 11))
def test_plain_segno(encoder, version, level):
    """Full symbols need no padding: here segno as it is and ours must agree, for every version, level and mask."""
    rng = random.Random(version * 100 + level)
    data = content(rng, "byte", capacity(version, level, "byte"))
    for mask in range(8):
        encoder.encode(data, version, level, mask)
        assert matrix(encoder) == list(reference(data, version, level, mask).matrix)


def test_chosen_mask_equals_segno(encoder, standard_segno):
    rng = random.Random(7)
    for _ in range(150):
        version = rng.randint(1, 7)
        level = rng.randrange(4)
        data = bytes(rng.choices(range(97, 100), k=rng.randint(1, capacity(version, level, "byte"))))
        encoder.encode(data, version, level)
        assert encoder.mask == reference(data, version, level, None).mask, (data, version, level)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("version", range(1, 11))
def test_capacity_boundaries(encoder, standard_segno, version, level, mode):
    most = capacity(version, level, mode)
    rng = random.Random(most)
    for length in (most - 1, most):
        data = content(rng, mode, length)
        encoder.encode(data, 0, level, 3)
        assert encoder.version == version
        assert matrix(encoder) == list(reference(data, version, level, 3, mode).matrix)
    data = content(rng, mode, most + 1)
    with pytest.raises(qr.QRError):
        encoder.encode(data, version, level, 3)
    assert encoder.version == version  # the refused call changed nothing
    if version < 10:
        encoder.encode(data, 0, level, 3)
        assert encoder.version == version + 1
    else:
        with pytest.raises(qr.QRError):
            encoder.encode(data, 0, level, 3)


def test_segments(encoder, standard_segno):
    rng = random.Random(3)
    for _ in range(60):
        modes = []
        for _ in range(rng.randint(1, 5)):
            modes.append(rng.choice([m for m in MODES if not modes or m != modes[-1]]))
        parts = tuple(content(rng, mode, rng.randint(1, 12)) for mode in modes)
        level = rng.randrange(4)
        encoder.encode(parts, 0, level)
        expected = reference([(part, None) for part in parts], None, level, None, None)
        assert (encoder.version, encoder.mask) == (expected.version, expected.mask)
        assert matrix(encoder) == list(expected.matrix), parts


def test_neighbouring_segments_stay_separate(encoder):
    encoder.encode(("12", "34"), 1, 0)
    assert decoded(image(encoder)) == b"1234"
    # 4 + 10 + 7 bits each: 65 of them are 1365 bits, 66 are 1386, and version 6-L holds 1088, 7-L 1248, 8-L 1552.
    encoder.encode(("12",) * 65, 0, 0)
    assert encoder.version == 8


def test_empty_data_is_the_symbol_segno_makes(encoder, standard_segno):
    for data in ("", b""):
        encoder.encode(data, 1, 3, 2)
        assert matrix(encoder) == list(reference(data, 1, 3, 2).matrix)


@settings(max_examples=120, deadline=None)
@given(st.binary(min_size=1, max_size=119), st.integers(0, 3), st.integers(-1, 7))
def test_any_bytes_come_back(data, level, mask):
    symbol = qr.QR()
    symbol.encode(data, 0, level, mask)
    assert decoded(image(symbol)) == data


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40))
def test_text_is_utf8(text):
    symbol = qr.QR()
    symbol.encode(text)
    assert decoded(image(symbol)) == text.encode()


def test_decodes_at_every_version_and_level(encoder):
    rng = random.Random(11)
    for version in range(1, 11):
        for level in range(4):
            data = content(rng, "byte", capacity(version, level, "byte"))
            encoder.encode(data, version, level)
            assert decoded(image(encoder)) == data, (version, level)


@pytest.mark.parametrize(("payload", "level"), [(URL, 1), ("https://app.centrapay.com/pay/1", 0)])
def test_survives_a_smudge(encoder, payload, level):
    """A 3 x 3 blot anywhere in the data costs few codewords: the error correction must still be all there to spend."""
    rng = random.Random(5)
    encoder.encode(payload, 0, level)
    scale = 4
    clean = image(encoder, scale)
    for _ in range(25):
        x = rng.randint(9, encoder.size - 12)
        y = rng.randint(9, encoder.size - 12)
        for fill in (0, 255):
            smudged = clean.copy()
            ImageDraw.Draw(smudged).rectangle(
                ((x + 4) * scale, (y + 4) * scale, (x + 7) * scale - 1, (y + 7) * scale - 1),
                fill=fill,
            )
            assert decoded(smudged) == payload.encode(), (x, y, fill)


def penalty(symbol, modules):
    """What `_score` says of a whole matrix, with no mask applied and no module open."""
    n = symbol.size = len(modules)
    gap = n + 4
    words = symbol._words
    for k in range(6 * gap):
        words[k] = 0
    for turned in (0, 1):
        for y in range(n):
            for x in range(n):
                if modules[x][y] if turned else modules[y][x]:
                    words[(2 + 2 * turned + x // 30) * gap + y] |= 1 << (29 - x % 30)
    both = symbol._apply(0, 0, 0) + symbol._apply(0, 0, 1)
    return both & 65535, both >> 16


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 10), st.randoms(use_true_random=False))
def test_penalty_equals_segno(version, rng):
    """On matrices thick with what is penalised: finder-like runs that overlap, long runs, blocks across the strips."""
    n = 17 + 4 * version
    pieces = ((1, 0, 1, 1, 1, 0, 1), (0, 1, 1, 1, 0, 1), (1, 1, 0, 1), (0,) * 4, (1,) * 6, (0,) * 9, (0, 1), (1, 0))
    modules = []
    while len(modules) < n:
        row = bytearray()
        while len(row) < n:
            row.extend(rng.choice(pieces))
        modules.extend([row[:n]] * rng.choice((1, 1, 1, 2, 5)))
    modules = modules[:n]
    if rng.random() < 0.5:
        modules = [bytearray(column) for column in zip(*modules, strict=True)]
    score, dark = penalty(qr.QR(), modules)
    n1, n2, n3, _ = segno.encoder.mask_scores(modules, n, n)
    assert (score, dark) == (n1 + n2 + n3, sum(map(sum, modules)))


def test_lone_surrogate_is_refused(encoder):
    with pytest.raises(ValueError):
        encoder.encode("\ud800")


def test_fit_keeps_the_module_size(encoder):
    """Against the definition, worked out with segno's tables."""
    rng = random.Random(2)
    for _ in range(300):
        data = content(rng, "byte", rng.randint(1, 230))
        side = rng.randint(29, 320)

        def smallest(level, data=data):
            return next((v for v in range(1, 11) if capacity(v, level, "byte") >= len(data)), None)

        lowest = smallest(0)
        pixels = side // (25 + 4 * lowest)
        if not pixels:
            with pytest.raises(qr.QRError):
                encoder.fit(data, side)
            continue
        level = max(k for k in range(4) if smallest(k) and side // (25 + 4 * smallest(k)) == pixels)
        assert encoder.fit(data, side) == (smallest(level), level)


def test_golden_symbols_are_segnos(encoder, standard_segno):
    """The payloads behind the golden sums that MicroPython is held to."""
    path = pathlib.Path(__file__).parent / "core" / "test_qr.py"
    spec = importlib.util.spec_from_file_location("golden_qr", path)
    golden = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(golden)
    for version in range(1, 11):
        for level in range(4):
            total = hashlib.sha256()
            for mask in range(-1, 8):
                data = golden.payload(version, level, (mask + 1) % 3)
                mode = ("byte", "alphanumeric", "numeric")[(mask + 1) % 3]
                expected = reference(data, version, level, None if mask < 0 else mask, mode)
                rows = b"".join(packed(row) for row in expected.matrix)
                total.update(hashlib.sha256(rows).digest() + bytes([expected.mask]))
            assert total.hexdigest()[:16] == golden.GOLDEN[version][level]


def packed(row):
    bits = "".join(str(module) for module in row)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8))
