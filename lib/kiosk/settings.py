"""Settings: one flat JSON object in a file, each value checked when it is read. docs/settings["md"] lists them."""

import json

from micropython import const

from till.amount import is_currency

_MAX_BYTES = const(4096)

# name -> (default, check). A default of None: it must be given. For a check see _problem().
_FLAG = "flag"
_PIN = (-1, 48)

# kind of till -> protocols, each a module of till/
_PROTOCOLS = {
    "line": ("line",),
    "display": ("escpos", "logiccontrols", "aedex", "dsp800", "adm"),
    "terminal": ("telium", "transbank", "ecr17", "zvt"),
    "teach": ("teach",),
}

_SETTINGS = {
    "wifi_ssid": (None, 32),
    "wifi_password": ("", 64),
    "hostname": ("tillpane", 32),
    "ntp_server": ("pool.ntp.org", 64),
    "api_url": ("https://service.centrapay.com", 96),
    "api_key": (None, 128),
    "config_id": (None, 64),
    "merchant_account_id": ("", 64),
    "jwt": ("", 1024),
    "terminal_id": ("", 16),
    "device_id": ("", 48),
    "expiry_seconds": (120, (10, 86400)),
    "qr_payload": ("url", ("url", "service")),
    "currency": ("NZD", 3),
    "merchant_name": ("", 64),
    "till_uart": (2, (1, 2)),
    "till_tx": (17, _PIN),
    "till_rx": (16, _PIN),
    "till_baud": (9600, (1200, 921600)),
    "till_bits": (8, (7, 8)),
    "till_parity": ("none", ("none", "even", "odd")),
    "till_stop": (1, (1, 2)),
    "till_invert": (False, _FLAG),
    "till_protocol": ("line", sum(_PROTOCOLS.values(), ())),
    "till_variant": ("", 16),
    "till_checksum": ("optional", ("optional", "required")),
    "till_start": ("auto", ("auto", "button", "stable", "tag")),
    "till_stable_seconds": (3, (1, 60)),
    "till_numbers": ("auto", ("auto", "1,234.56", "1.234,56", "1 234,56", "1'234.56")),
    "till_due_words": ("", 512),
    "till_total_words": ("", 512),
    "till_veto_words": ("", 512),
    "till_record": (False, _FLAG),
    "button_pin": (-1, _PIN),
    "forward_uart": (0, (0, 2)),
    "forward_tx": (-1, _PIN),
    "forward_rx": (-1, _PIN),
    "panel_controller": ("st7789", ("st7789", "ili9341")),
    "panel_width": (240, (128, 240)),
    "panel_height": (320, (128, 320)),
    "panel_rotation": (0, (0, 270)),
    "panel_x_offset": (0, (0, 240)),
    "panel_y_offset": (0, (0, 240)),
    "panel_invert": ("auto", ("auto", "on", "off")),
    "panel_bgr": (False, _FLAG),
    "panel_spi": (2, (1, 2)),
    "panel_baud": (40000000, (1000000, 80000000)),
    "panel_sck": (18, _PIN),
    "panel_mosi": (23, _PIN),
    "panel_cs": (5, _PIN),
    "panel_dc": (21, _PIN),
    "panel_reset": (22, _PIN),
    "panel_backlight": (4, _PIN),
    "panel_brightness": (100, (5, 100)),
    "watchdog_seconds": (30, (25, 300)),
}


class SettingsError(Exception):
    """Settings that cannot be used. The message names the setting, never its value, and says what to do."""

    @property
    def words(self):
        return self.args[0]


def usable(path):
    """The settings in the file; where it has none that can be used, enough to light the panel with its default pins,
    and what is wrong under "problem"."""
    try:
        settings = read(path)
        settings["problem"] = ""
    except SettingsError as error:
        settings = stand_in()
        settings["problem"] = error.words
    return settings


def read(path):
    """The settings in the JSON file at path, by name. Raises SettingsError."""
    return parse(_load(path))


def _load(path):
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError:
        raise SettingsError("No " + path + " on this display. Copy one to it.")
    if len(text) > _MAX_BYTES:
        raise SettingsError(path + " is longer than 4096 bytes.")
    try:
        return json.loads(text)
    except ValueError:
        raise SettingsError(path + " is not JSON. Look for a missing comma or quote.")


def stand_in():
    """Settings to light the panel with while there are none that can be used."""
    return parse({name: "-" for name, entry in _SETTINGS.items() if entry[0] is None})


def parse(values):
    """Settings by name, from a dict; keys that begin with // are comments. Raises SettingsError."""
    if not isinstance(values, dict):
        raise SettingsError("Settings must be one JSON object.")
    for name in values:
        if name not in _SETTINGS and not name.startswith("//"):
            raise SettingsError("There is no setting " + name[:32] + ". Check its spelling.")
    settings = {}  # names as keys: attributes would stay in memory for ever
    for name, (default, check) in _SETTINGS.items():
        value = values.get(name, default)
        if value is None or value == "" and default is None:
            raise SettingsError(name + " is missing.")
        problem = _problem(value, default, check)
        if problem:
            raise SettingsError(name + " " + problem)
        settings[name] = value
    _check_together(settings)
    return settings


def _problem(value, default, check):
    """Why value does not fit, or "". check: most bytes of a text, (least, most), allowed words, or a flag."""
    if check == _FLAG:
        return "" if isinstance(value, bool) else "must be true or false."
    if isinstance(check, int):
        return _text_problem(value, check)
    if isinstance(check[0], str):
        return "" if value in check else "must be one of: " + ", ".join(check) + "."
    if isinstance(value, bool) or not isinstance(value, int) or not check[0] <= value <= check[1]:
        return "must be a whole number from " + str(check[0]) + " to " + str(check[1]) + "."
    return ""


def _text_problem(value, most):
    if not isinstance(value, str):
        return "must be text in quotes."
    if len(value.encode()) > most:
        return "must be at most " + str(most) + " bytes long."
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        return "must not contain control characters."
    return ""


_ASCII_ONLY = (
    "api_url",
    "api_key",
    "config_id",
    "merchant_account_id",
    "jwt",
    "terminal_id",
    "device_id",
    "hostname",
    "ntp_server",
)


def _check_together(settings):
    for name in _ASCII_ONLY:
        if any(ord(c) > 126 or c == " " for c in settings[name]):
            raise SettingsError(name + " must be plain ASCII without spaces.")
    if settings["panel_rotation"] not in (0, 90, 180, 270):
        raise SettingsError("panel_rotation must be 0, 90, 180 or 270.")
    if not is_currency(settings["currency"]):
        raise SettingsError("currency must be an ISO 4217 code such as NZD.")
    if not all(c.isalpha() or c.isdigit() or c in "._-" for c in settings["terminal_id"]):
        raise SettingsError("terminal_id may have A-Z a-z 0-9 . _ - only.")
    if settings["till_start"] == "button" and settings["button_pin"] < 0:
        raise SettingsError("till_start button needs a button_pin.")
    if 33 < settings["button_pin"] < 40:
        raise SettingsError("button_pin must be 33 or lower, such as 27, 32 or 33: 34 to 39 have no pull-up.")
    settings["till_kind"] = [kind for kind, names in _PROTOCOLS.items() if settings["till_protocol"] in names][0]
    settings["api_host"], settings["api_port"] = split_url(settings["api_url"])
    settings["ntp_host"], settings["ntp_port"] = split_host(settings["ntp_server"], 123, "ntp_server")


def split_url(url):
    """(host, port) of an https URL without a path. Raises SettingsError: plain http does not exist in this product."""
    if not url.startswith("https://"):
        raise SettingsError("api_url must begin with https://")
    return split_host(url[8:].rstrip("/"), 443, "api_url")


def split_host(text, port, name):
    """(host, port) of "host" or "host:port". Raises SettingsError."""
    host, colon, digits = text.partition(":")
    if colon:
        if not digits.isdigit() or not 0 < int(digits) < 65536:
            raise SettingsError(name + " has a port that is none.")
        port = int(digits)
    if not host or "/" in host:
        raise SettingsError(name + " has no host name, or a path after it.")
    return host, port
