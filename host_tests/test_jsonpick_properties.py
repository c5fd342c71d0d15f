"""jsonpick against CPython's own json, on documents nobody thought of."""

import json
import math
import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from jsonpick import JSONError, Picker

PATHS = ("id", "a", "a.b", "a[0]", "a[1].b", "b[0][1]", "é", "id2")

keys = st.sampled_from(["id", "a", "b", "c", "é", "i", "id2", "", "x" * 30, '"', "\\", "\0", "😀"]) | st.text(
    max_size=6
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
)


def encodable(value):
    # Lone surrogates are no text: json.dumps would write them, and we refuse to read them.
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def expected(document, path):
    """What CPython finds at a path; None for containers, as the picker has it."""
    value = document
    for step in path.replace("]", "").replace("[", ".#").split("."):
        if step.startswith("#"):
            index = int(step[1:])
            if not isinstance(value, list) or index >= len(value):
                return None
            value = value[index]
        else:
            if not isinstance(value, dict) or step not in value:
                return None
            value = value[step]
    return None if isinstance(value, (dict, list)) else value


def outcome(body, cuts=(), paths=PATHS, **options):
    """-> list of values, or the words of the refusal."""
    picker = Picker(paths, **options)
    edges = sorted({0, len(body), *[cut % (len(body) + 1) for cut in cuts]})
    for start, end in zip(edges, edges[1:], strict=False):
        picker.feed(body, start, end)
    try:
        picker.finish()
    except JSONError as error:
        return str(error)
    return [picker[path] for path in paths]


def no_twins(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("twice")
    return dict(pairs)


def no_constant(name):
    raise ValueError(name)


def strict(body):
    """CPython's reading of the bytes, as strict as RFC 8259: raises ValueError."""
    text = body.decode("utf-8")
    if text.startswith("\ufeff"):
        raise ValueError("BOM")
    value = json.loads(text, parse_constant=no_constant)
    if not encodable(value):
        raise ValueError("lone surrogate")
    return value


@settings(max_examples=200, deadline=None)
@given(
    documents.filter(encodable), st.booleans(), st.sampled_from([None, 1]), st.lists(st.integers(0, 5000), max_size=8)
)
def test_same_fields_as_cpython(document, ascii_only, indent, cuts):
    body = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()
    found = outcome(body, cuts, limit=8192, depth=64)
    assert found == [expected(document, path) for path in PATHS]
    assert [type(value) for value in found] == [type(expected(document, path)) for path in PATHS]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 100), max_size=5))
@example(b"\xef\xbb\xbf{}", [])
@example(b'{"a":1e400}', [])
def test_any_bytes_end_in_values_or_the_typed_error(body, cuts):
    assert outcome(body, cuts) == outcome(body)


json_like = st.lists(
    st.sampled_from(
        [
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b",",
            b'"',
            b'"a"',
            b'"id"',
            b"1",
            b"-",
            b"0",
            b".5",
            b"e",
            b"E+",
            b"true",
            b"null",
            b"fals",
            b"\\",
        ]
        + [
            b"u00",
            b"\\ud83d",
            b"\\ude00",
            b"\\n",
            b" ",
            b"\n",
            b"\0",
            b"\xc3\xa9",
            b"\xe2\x82",
            b"\xff",
            b'"b":',
            b'{"a":',
            b'"a":[',
            b"x",
        ]
    ),
    max_size=14,
).map(b"".join)


@settings(max_examples=1000, deadline=None)
@given(json_like, st.lists(st.integers(0, 100), max_size=5))
def test_accepts_exactly_what_the_standard_accepts(body, cuts):
    found = outcome(body, cuts, depth=64)
    assert found == outcome(body, depth=64)
    try:
        document = strict(body)
    except ValueError:
        assert isinstance(found, str)
        return
    if isinstance(found, str):  # we refuse more: names asked for that are there twice, endless numbers
        assert found in ("a picked name is there twice", "number too long", "nested too deep")
    else:
        assert found == [expected(document, path) for path in PATHS]


@settings(max_examples=200, deadline=None)
@given(documents.filter(encodable), st.randoms(use_true_random=False))
def test_one_changed_byte_never_makes_us_more_lenient_than_cpython(document, chance):
    body = bytearray(json.dumps(document, ensure_ascii=False).encode())
    body[chance.randrange(len(body))] = chance.randrange(256)
    found = outcome(bytes(body), limit=8192, depth=64)
    if isinstance(found, str):
        return
    assert found == [expected(strict(bytes(body)), path) for path in PATHS]


@settings(max_examples=300, deadline=None)
@given(st.from_regex(r"-?[0-9.eE+-]{1,34}", fullmatch=True))
def test_numbers(text):
    found = outcome(b'{"a":' + text.encode() + b"}")
    try:
        number = json.loads(text)
    except ValueError:
        number = None
    if number is None or len(text) > 32 or not math.isfinite(number):
        assert isinstance(found, str)
    else:
        assert found[1] == number and type(found[1]) is type(number)


def test_key_order_does_not_matter():
    fields = {
        "id": "i",
        "status": "new",
        "value": {"amount": "1", "currency": "NZD"},
        "paymentOptions": [{"amount": "2", "id": "3"}],
    }
    chance = random.Random(7)
    for _ in range(50):
        names = list(fields)
        chance.shuffle(names)
        body = json.dumps({name: fields[name] for name in names}).encode()
        assert outcome(body, paths=("id", "status", "value.amount", "value.currency")) == ["i", "new", "1", "NZD"]
