"""jsonpick under both interpreters: what it takes, what it refuses, and what it costs."""

import gc
import sys

from jsonpick import JSONError, Picker

CREATE = (
    b'{"id":"5ee0c486308f590260d9a07f","shortCode":"CP-C7F-ZS5",'
    b'"url":"https://app.centrapay.com/pay/5ee0c486308f590260d9a07f",'
    b'"paymentOptions":[{"amount":"999","assetType":"centrapay.nzd.test","id":"wrong"},{"value":{"amount":"1"}}],'
    b'"value":{"currency":"NZD","amount":"1050"},"merchantName":"Centrapay Caf\xc3\xa9",'
    b'"status":"new","expirySeconds":120,'
    b'"merchantConditions":[],"remainingAmount":"1050","cancellationReason":null,"live":false,"more":{"id":"wrong","status":"wrong"}}'
)
PATHS = ("id", "status", "url", "shortCode", "value.amount", "value.currency")


def pick(body, paths, piece=1 << 30, **options):
    picker = Picker(paths, **options)
    for start in range(0, len(body), piece):
        picker.feed(body, start, min(len(body), start + piece))
    picker.finish()
    return [picker[path] for path in paths]


def value_of(text):
    return pick(b'{"a":' + text + b"}", ("a",))[0]


def refused(body, **options):
    try:
        pick(body, ("a", "b.c", "d[0]"), **options)
    except JSONError:
        return True
    return False


def test_create_answer():
    found = [
        "5ee0c486308f590260d9a07f",
        "new",
        "https://app.centrapay.com/pay/5ee0c486308f590260d9a07f",
        "CP-C7F-ZS5",
        "1050",
        "NZD",
    ]
    assert pick(CREATE, PATHS) == found


def test_every_cut_gives_the_same():
    whole = pick(CREATE, PATHS)
    for piece in range(1, 40):
        assert pick(CREATE, PATHS, piece) == whole
    picker = Picker(PATHS)
    for cut in range(len(CREATE) + 1):
        picker.reset()
        picker.feed(CREATE, 0, cut)
        picker.feed(memoryview(CREATE), cut, len(CREATE))
        picker.finish()
        assert [picker[path] for path in PATHS] == whole


def test_every_cut_off_end_is_truncated():
    picker = Picker(PATHS)
    for end in range(len(CREATE)):
        picker.reset()
        picker.feed(CREATE, 0, end)
        try:
            picker.finish()
        except JSONError as error:
            assert str(error) == "truncated", (end, error)
        else:
            raise AssertionError(end)


def test_buffers_of_all_kinds():
    body = b'xx{"a":"y"}zz'
    for buf in (body, bytearray(body), memoryview(body), memoryview(bytearray(body))):
        picker = Picker(("a",))
        picker.feed(buf, 2, 11)
        picker.finish()
        assert picker["a"] == "y"
    picker.reset()
    picker.feed(body[2:11], 0, 500)  # beyond the end of the buffer there is nothing to read
    picker.finish()
    assert picker["a"] == "y"


def test_values():
    assert value_of(b'"x"') == "x"
    assert value_of(b'""') == ""
    assert value_of(b"true") is True
    assert value_of(b"false") is False
    assert value_of(b"null") is None
    for text, number in (
        (b"0", 0),
        (b"-0", 0),
        (b"7", 7),
        (b"-12", -12),
        (b"12345678901234567890", 12345678901234567890),
    ):
        assert value_of(text) == number and isinstance(value_of(text), int)
    for text, number in (
        (b"0.5", 0.5),
        (b"-1.5e2", -150.0),
        (b"2E3", 2000.0),
        (b"25e-2", 0.25),
        (b"0e0", 0.0),
        (b"1e+2", 100.0),
    ):
        assert value_of(text) == number and isinstance(value_of(text), float)


def test_number_outside_of_any_container():
    for body in (b"0", b"-1", b"10", b"1.5", b"1e5", b" 1 ", b"true", b'"x"'):
        pick(body, ("a",))
    for body in (b"-", b"1.", b"1e", b"1e+", b"tru", b'"x', b""):
        assert refused(body), body


def test_containers_and_absence_are_none():
    assert value_of(b"{}") is None
    assert value_of(b'["x"]') is None
    assert pick(b'{"b":{"d":1}}', ("a", "b", "b.c")) == [None, None, None]


def test_indices():
    body = b'{"items":[{"id":"p","n":[1,2]},{"id":"q","n":[3]},7,[[8,9]]],"id":"top"}'
    paths = (
        "items[0].id",
        "items[1].id",
        "items[2].id",
        "items[0].n[1]",
        "items[1].n[1]",
        "items[2]",
        "items[3][0][1]",
        "id",
    )
    assert pick(body, paths) == ["p", "q", None, 2, None, 7, 9, "top"]
    assert pick(b'["a",{"b":"c"}]', ("[0]", "[1].b", "[254]")) == ["a", "c", None]
    many = b"[" + b",".join([b"%d" % i for i in range(700)]) + b"]"
    assert pick(many, ("[0]", "[254]")) == [0, 254]


def test_names_are_whole():
    body = b'{"i":1,"idx":2,"id":3,"xid":4,"i.d":5,"id[0]":6,"":7}'
    assert pick(body, ("id", "i", "idx")) == [3, 1, 2]
    assert pick(b'{"idx":1}', ("id",)) == [None]
    assert pick(b'{"i":1}', ("id",)) == [None]


def test_names_match_after_unescaping():
    assert pick(b'{"\\u0069\\u0064":"x","st\\u0061tus":"y"}', ("id", "status")) == ["x", "y"]
    assert pick(b'{"Caf\\u00e9":1}', ("Caf\u00e9",)) == [1]
    assert pick(b'{"Caf\xc3\xa9":1}', ("Caf\u00e9",)) == [1]
    assert pick(b'{"\\ud83d\\ude00":1}', ("\U0001f600",)) == [1]
    assert pick(b'{"\\u0000id":1,"id\\u0000":2}', ("id",)) == [None]


def test_escapes():
    assert value_of(b'"\\"\\\\\\/\\b\\f\\n\\r\\t"') == '"\\/\b\f\n\r\t'
    assert value_of(b'"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\\uFFFF\\u0000"') == "A\u00e9\u20ac\U0001f600\uffff\0"
    assert value_of(b'"\\uD800\\uDC00\\uDBFF\\uDFFF"') == "\U00010000\U0010ffff"
    for text in (b"\\x41", b"\\u12", b"\\u12G4", b"\\", b"\\U0041", b"\\'"):
        assert refused(b'{"z":"' + text + b'"}'), text


def test_lone_surrogates():
    for text in (
        b"\\ud800",
        b"\\udc00",
        b"\\ud800x",
        b"\\ud800\\n",
        b"\\ud800\\u0041",
        b"\\ud800\\ud800",
        b"\\udfff\\ud800",
    ):
        assert refused(b'{"z":"' + text + b'"}'), text
        assert refused(b'{"' + text + b'":1}'), text


def test_utf8():
    for good in (
        b"\xc2\x80",
        b"\xdf\xbf",
        b"\xe0\xa0\x80",
        b"\xed\x9f\xbf",
        b"\xee\x80\x80",
        b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf",
    ):
        assert value_of(b'"' + good + b'"') == str(good, "utf-8")
        assert not refused(b'{"z":"' + good + b'"}'), good
    for bad in (
        b"\x80",
        b"\xbf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xff",
        b"\xc3",
        b"\xc3A",
        b"\xe2\x82",
        b"\xe2\x82A",
        b"\xf0\x9f\x98",
        b"\xc3\xc3",
    ):
        assert refused(b'{"a":"' + bad + b'"}'), bad
        assert refused(b'{"z":"' + bad + b'"}'), bad
        assert refused(b'{"' + bad + b'":1}'), bad


def test_malformed():
    for body in (
        b"",
        b" ",
        b"{",
        b"[",
        b"}",
        b"]",
        b"{]",
        b"[}",
        b'{"z"}',
        b'{"z":}',
        b'{"z":1,}',
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"{,}",
        b'{"z" 1}',
        b'{"z"::1}',
        b"{z:1}",
        b"{'z':1}",
        b"{1:2}",
        b'{"z":01}',
        b'{"z":+1}',
        b'{"z":.5}',
        b'{"z":1.}',
        b'{"z":1e}',
        b'{"z":1e+}',
        b'{"z":--1}',
        b'{"z":-}',
        b'{"z":0x1}',
        b'{"z":00}',
        b'{"z":-01}',
        b'{"z":1.2.3}',
        b'{"z":NaN}',
        b'{"z":Infinity}',
        b'{"z":True}',
        b'{"z":nul}',
        b'{"z":nulll}',
        b'{"z":tru e}',
        b'{"z":1}x',
        b'{"z":1}{}',
        b'{"z":1}\0',
        b"\0{}",
        b"{}\0",
        b"\xef\xbb\xbf{}",
        b'{"z":"\n"}',
        b'{"z":"\0"}',
        b'{"z":"\x1f"}',
        b'{"z\t":1}',
        b"<html><body>502</body></html>",
        b"Bad Gateway",
        b"{}}",
        b"[]]",
        b"[[]",
        b'{"z":1 "y":2}',
        b"{}/**/",
        b"\x0c{}",
        b"\xa0{}",
    ):
        assert refused(body), body


def test_white_space():
    assert pick(b' \t\r\n{ "a" \n:\t1 ,\r"z" : [ ] , "y" : { } }\n ', ("a",)) == [1]


def test_picked_name_twice():
    for body in (
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":null,"a":1}',
        b'{"b":{"c":1},"b":{}}',
        b'{"b":1,"b":{"c":1}}',
        b'{"b":{"c":1,"c":2}}',
        b'{"d":[1],"d":[]}',
    ):
        assert refused(body), body
    assert pick(b'{"z":1,"z":2,"b":{"a":1},"a":3}', ("a",)) == [3]


def test_depth():
    assert not refused(b"[" * 12 + b"]" * 12)
    assert refused(b"[" * 13 + b"]" * 13)
    assert not refused(b'{"z":' * 5 + b"1" + b"}" * 5, depth=5)
    assert refused(b'{"z":' * 6 + b"1" + b"}" * 6, depth=5)
    assert refused(b"[" * 5000)
    assert not refused(b"[" * 64 + b"]" * 64, depth=64)


def test_limit():
    assert pick(b'{"a":"' + b"x" * 320 + b'","id":"y"}', ("a", "id")) == ["x" * 320, "y"]
    assert pick(b'{"a":"' + b"x" * 321 + b'","id":"y"}', ("a", "id")) == [None, "y"]
    assert pick(b'{"a":"' + b"x" * 5000 + b'","id":"y"}', ("a", "id"), 7) == [None, "y"]
    assert pick(b'{"a":"' + b"x" * 39 + b'\xc3\xa9"}', ("a",), limit=40) == [None]
    assert pick(b'{"a":"' + b"x" * 38 + b'\xc3\xa9"}', ("a",), limit=40) == ["x" * 38 + "\u00e9"]
    assert pick(b'{"a":"' + b"\\u0041" * 41 + b'"}', ("a",), limit=40) == [None]


def test_long_numbers():
    assert not refused(b"[" + b"1" * 32 + b"]")
    assert refused(b"[" + b"1" * 33 + b"]")
    assert refused(b"[" + b"1" * 4000 + b"]")
    assert refused(b'{"a":1e999}')


def test_fault_is_remembered_until_reset():
    picker = Picker(("a",))
    picker.feed(b'{"a":1]', 0, 7)
    picker.feed(b'{"a":2}', 0, 7)
    for _ in range(2):
        try:
            picker.finish()
        except JSONError as error:
            assert str(error) == "malformed"
        else:
            raise AssertionError("accepted")
    picker.reset()
    assert picker["a"] is None
    picker.feed(b'{"a":2}', 0, 7)
    picker.finish()
    assert picker["a"] == 2


def test_reset_in_the_middle_of_everything():
    picker = Picker(PATHS)
    for end in range(len(CREATE)):
        picker.feed(CREATE, 0, end)
        picker.reset()
        assert picker["id"] is None
    picker.feed(CREATE, 0, len(CREATE))
    picker.finish()
    assert picker["status"] == "new"


def test_paths_refused():
    for paths in (
        ("a", "a"),
        ("",),
        ("a..b",),
        ("a[x]",),
        ("a[255]",),
        ("a[-1]",),
        ("a[0",),
        ("a.[0]",),
        ("x" * 256,),
        ("a[]",),
    ):
        try:
            Picker(paths)
        except ValueError:
            continue
        raise AssertionError(paths)
    try:
        Picker(("a",))["b"]
    except KeyError:
        return
    raise AssertionError("a path that was not asked for")


def test_many_paths():
    paths = ["field%02d.x" % i for i in range(40)]
    body = b"{" + b",".join([b'"field%02d":{"x":%d}' % (i, i) for i in range(39, -1, -1)]) + b"}"
    assert pick(body, paths, 5) == list(range(40))


def test_any_single_wrong_byte_is_survived():
    picker = Picker(PATHS)
    body = bytearray(CREATE)
    for at in range(0, len(body), 3):
        kept = body[at]
        for wrong in (0, 0x22, 0x5C, 0x7B, 0x7D, 0x2C, 0x80, 0xC3, 0xFF, 0x31):
            body[at] = wrong
            picker.reset()
            picker.feed(body, 0, len(body))
            try:
                picker.finish()
            except JSONError:
                continue
        body[at] = kept


def test_heap_does_not_grow_with_the_body():
    if sys.implementation.name != "micropython":
        return
    filler = bytearray(b',"filler":["' + b"x" * 400 + b'",{"amount":12.5,"t":[true,null,"\xc3\xa9\\u00e9"]}]')
    tail = bytearray(CREATE)
    tail[0] = 0x20
    used = []
    for repeats in (1, 140):  # about 1 KB and 64 KB
        picker = Picker(PATHS)  # one that has seen an answer makes no strings for the same answer
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        picker.feed(b'{"first":0', 0, 10)
        for _ in range(repeats):
            picker.feed(filler, 0, len(filler))
        picker.feed(b",", 0, 1)
        picker.feed(tail, 0, len(tail))
        picker.finish()
        used.append(gc.mem_alloc() - before)
        gc.enable()
        assert picker["value.amount"] == "1050"
    assert used[0] == used[1], used
    assert used[1] <= 1024, used


def test_a_value_is_this_answers_own_however_like_the_last_ones():
    words = ["new", "paid", "nee", "ne", "newer", "", "né", "neé", "é", "e", "n\x00e", "n", "n\x00", "1", "new"]
    picker = Picker(("a", "b"))
    for first in words:
        for second in words:
            for word in (first, second, second):
                body = ('{"a":"%s"}' % word.replace("\0", "\\u0000")).encode()
                picker.reset()
                picker.feed(body, 0, len(body))
                picker.finish()
                assert picker["a"] == word and picker["b"] is None, (first, second)
    for body, value in ((b'{"a":"1"}', "1"), (b'{"a":1}', 1), (b'{"a":null}', None), (b"{}", None)):
        picker.reset()
        picker.feed(body, 0, len(body))
        picker.finish()
        assert picker["a"] == value and type(picker["a"]) is type(value)


def test_the_same_answer_again_costs_no_heap():
    if sys.implementation.name != "micropython":
        return
    picker = Picker(PATHS)
    for _ in range(2):
        picker.reset()
        picker.feed(CREATE, 0, len(CREATE))
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    picker.reset()
    picker.feed(CREATE, 0, len(CREATE))
    picker.finish()
    taken = gc.mem_alloc() - before
    gc.enable()
    assert taken <= 0, taken


def test_heap_kept_is_the_answers_only():
    if sys.implementation.name != "micropython":
        return
    picker = Picker(PATHS)
    picker.feed(CREATE, 0, len(CREATE))
    picker.reset()
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(20):
        picker.reset()
        picker.feed(CREATE, 0, len(CREATE))
        picker.finish()
    picker.reset()
    gc.collect()
    assert gc.mem_alloc() - before <= 0, gc.mem_alloc() - before


def test_what_began_is_told_even_without_a_value():
    for text, began in (
        (b'{"items":[]}', True),
        (b'{"items":[{"id":"1"}]}', True),
        (b'{"other":[]}', False),
        (b'{"x":{"items":1}}', False),
    ):
        picker = Picker(("items[0].id", "items"))
        picker.feed(text, 0, len(text))
        picker.finish()
        assert picker.began("items") is began, text
        picker.reset()
        assert not picker.began("items")
