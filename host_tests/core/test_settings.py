"""Settings are checked when they are read, and the complaint names the setting but never its value."""

from kiosk.settings import SettingsError, parse, read, split_host, split_url

_LEAST = {"wifi_ssid": "shop", "api_key": "secret-key", "config_id": "mc_1"}


def complaint(**changes):
    values = dict(_LEAST)
    values.update(changes)
    try:
        parse(values)
    except SettingsError as error:
        return error.words
    return ""


def test_defaults():
    settings = parse(_LEAST)
    assert settings["till_baud"] == 9600 and settings["currency"] == "NZD" and settings["qr_payload"] == "url"


def test_comments_are_ignored_and_unknown_names_are_not():
    assert complaint(**{"// wifi": "hello"}) == ""
    assert "till_boud" in complaint(till_boud=9600)


def test_missing():
    for name in _LEAST:
        values = dict(_LEAST)
        del values[name]
        try:
            parse(values)
        except SettingsError as error:
            assert name in error.words
        else:
            raise AssertionError(name)
    assert "api_key" in complaint(api_key="")


def test_wrong_values_are_named():
    wrong = {
        "wifi_ssid": "x" * 33,
        "api_url": "http://insecure.example",
        "expiry_seconds": 0,
        "qr_payload": "other",
        "currency": "XYZ",
        "till_baud": "9600",
        "till_parity": "mark",
        "till_invert": 1,
        "panel_rotation": 45,
        "panel_controller": "ssd1306",
        "terminal_id": "a b",
        "watchdog_seconds": True,
        "jwt": "a\r\nX: y",
    }
    for name, value in wrong.items():
        assert name in complaint(**{name: value}), name


def test_a_button_needs_a_pin_that_can_be_pulled_up():
    for pin in (34, 35, 39):
        words = complaint(button_pin=pin)
        assert "button_pin" in words and "33" in words and len(words) < 90, words
    assert complaint(button_pin=33) == complaint(button_pin=0) == complaint(button_pin=-1) == ""


def test_a_secret_never_stands_in_a_complaint():
    assert "hunter2" not in complaint(api_key="hunter2\n")
    assert "hunter2" not in complaint(jwt="hunter2 x")


def test_not_an_object():
    for values in ([], "x", 3, None):
        try:
            parse(values)
        except SettingsError:
            continue
        raise AssertionError(values)


def test_missing_file():
    try:
        read("no-such-settings.json")
    except SettingsError as error:
        assert "no-such-settings.json" in error.words
    else:
        raise AssertionError


def test_urls():
    assert split_url("https://localhost:8443") == ("localhost", 8443)
    assert split_url("https://service.centrapay.com/") == ("service.centrapay.com", 443)
    assert split_host("pool.ntp.org", 123, "ntp_server") == ("pool.ntp.org", 123)
    for bad in ("https://", "https://a/b", "https://a:0", "https://a:x", "https://a:99999"):
        try:
            split_url(bad)
        except SettingsError:
            continue
        raise AssertionError(bad)
