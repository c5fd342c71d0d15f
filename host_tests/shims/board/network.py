"""Stands in for the ESP32's `network` module: one access point, which the host switches.

Behaviour as read in MicroPython's ports/esp32/network_wlan.c: after connect() the driver tries again by itself
(`reconnects`), connect() during an attempt raises OSError, and status() gives the reason that ended the last attempt as
it is; a few reasons it goes on to give through the next attempt, until there is an address. The network's name and key
are in the environment variables TILLPANE_SIM_SSID and TILLPANE_SIM_KEY, the time a join takes in TILLPANE_SIM_JOIN_MS.
"""

import os
import time

import machine

STA_IF = 0
AP_IF = 1

STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_BEACON_TIMEOUT = 200
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_ASSOC_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204

_AUTH_EXPIRE = 2  # reasons of IEEE 802.11, which have no name in the module
_FOUR_WAY_HANDSHAKE_TIMEOUT = 15
_STICKY = (STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD, 210, 211, 212)
_REASONS = {0: STAT_NO_AP_FOUND, 2: STAT_WRONG_PASSWORD, 3: _AUTH_EXPIRE, 4: _FOUR_WAY_HANDSHAKE_TIMEOUT}  # by the air

AUTH_OPEN = 0
AUTH_WPA2_PSK = 3
AUTH_WPA_WPA2_PSK = 4
AUTH_WPA3_PSK = 6
MODE_11B = 1
MODE_11G = 2
MODE_11N = 4

_ASSOC_LEAVE = 8  # the reason that disconnect() leaves behind; status() shows it as idle

_air = machine._link
_names = {"hostname": "mpy-esp32", "country": "XX"}


def hostname(*name):
    if not name:
        return _names["hostname"]
    if not 1 <= len(name[0]) <= 32:
        raise ValueError
    _names["hostname"] = name[0]


def country(*code):
    if not code:
        return _names["country"]
    if len(code[0]) != 2:
        raise ValueError
    _names["country"] = code[0]


def phy_mode(*mode):
    raise NotImplementedError("network.phy_mode is not modelled")


class _Driver:
    """The Wi-Fi driver's state, which lives on while `WLAN` objects come and go."""

    active = False
    requested = False  # the program asked for a connection
    connected = False
    attempt = None  # ticks at which the running attempt began
    reason = 0
    tries = 0
    reconnects = -1
    ssid = ""
    key = ""
    pm = 1
    txpower = 20.0


_driver = _Driver()


def _join_ms():
    return int(os.getenv("TILLPANE_SIM_JOIN_MS") or 300)


def _advance():
    """Lets the driver do what it would have done since the last look."""
    _air.listen()
    driver = _driver
    if driver.connected and not _air.air:
        driver.connected = False
        driver.tries = 0
        _fail(driver, STAT_BEACON_TIMEOUT)
    if driver.attempt is None or time.ticks_diff(time.ticks_ms(), driver.attempt) < _join_ms():
        return
    if driver.ssid != (os.getenv("TILLPANE_SIM_SSID") or driver.ssid):
        _fail(driver, STAT_NO_AP_FOUND)
    elif _air.air in _REASONS:
        _fail(driver, _REASONS[_air.air])
    elif driver.key != (os.getenv("TILLPANE_SIM_KEY") or driver.key):
        _fail(driver, STAT_WRONG_PASSWORD)
    else:
        driver.attempt = None
        driver.connected = True
        driver.reason = 0
        machine._link.note("wlan connected")


def _fail(driver, reason):
    driver.reason = reason
    driver.attempt = None
    driver.tries += 1
    machine._link.note("wlan lost %d" % reason)
    if _goes_on(driver):
        driver.attempt = time.ticks_ms()


def _goes_on(driver):
    return driver.requested and (driver.reconnects < 0 or driver.tries <= driver.reconnects)


class WLAN:
    """The station interface; an access point of our own is not modelled."""

    IF_STA = 0
    IF_AP = 1
    SEC_OPEN = 0
    SEC_WEP = 1
    SEC_WPA = 2
    SEC_WPA2 = 3
    SEC_WPA_WPA2 = 4
    SEC_WPA3 = 6
    SEC_WPA2_WPA3 = 7
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2

    def __init__(self, interface_id=0):
        if interface_id == WLAN.IF_AP:
            raise NotImplementedError("access point mode is not modelled")
        if interface_id != WLAN.IF_STA:
            raise ValueError("invalid WLAN interface identifier")

    def active(self, *on):
        if on:
            _driver.active = bool(on[0])
            if not on[0]:
                _driver.reason = _ASSOC_LEAVE if _driver.connected else _driver.reason
                _driver.requested = _driver.connected = False
                _driver.attempt = None
        return _driver.active

    def connect(self, *names, bssid=None):
        _advance()
        if len(names) > 2:
            raise TypeError("extra positional arguments given")
        if not _driver.active:
            raise OSError("Wifi Not Started")
        if _driver.attempt is not None or _driver.connected:
            raise OSError("Wifi Internal Error")
        if names:
            _driver.ssid = _text(names[0])[:32]
            _driver.key = _text(names[1] if len(names) > 1 else None)[:64]
        _driver.requested = True
        _driver.tries = 0
        _driver.attempt = time.ticks_ms()
        machine._link.note("wlan connecting")

    def disconnect(self):
        if not _driver.active:
            raise OSError("Wifi Not Started")
        if _driver.connected or _driver.attempt is not None:
            _driver.reason = _ASSOC_LEAVE
        _driver.requested = _driver.connected = False
        _driver.attempt = None

    def isconnected(self):
        _advance()
        return _driver.connected

    def status(self, *what):
        _advance()
        if what:
            return self._status_of(what[0])
        if _driver.connected:
            return STAT_GOT_IP
        if _driver.reason in _STICKY:
            return _driver.reason
        if _driver.reason == _ASSOC_LEAVE:
            return STAT_IDLE
        if _goes_on(_driver):
            return STAT_CONNECTING
        return _driver.reason or STAT_IDLE

    def _status_of(self, what):
        if what != "rssi":
            raise ValueError("unknown status param")
        if not _driver.connected:
            raise OSError("Wifi Not Connected")
        return -_air.rssi

    def scan(self):
        _air.listen()
        if not _driver.active:
            raise OSError("STA must be active")
        if not _air.air:
            return []
        name = os.getenv("TILLPANE_SIM_SSID") or "Tillpane"
        return [(name.encode(), b"\x02\x00\x00\x00\x00\x01", 6, -_air.rssi, WLAN.SEC_WPA2, False)]

    def config(self, *names, **values):
        if names and values:
            raise TypeError("either pos or kw args are allowed")
        if not values:
            if len(names) != 1:
                raise TypeError("can query only one param")
            return self._setting(names[0])
        for name, value in values.items():
            if name == "reconnects":
                _driver.reconnects = int(value)
            elif name == "pm":
                if value not in (0, 1, 2):
                    raise ValueError("unknown config param")
                _driver.pm = value
            elif name == "txpower":
                _driver.txpower = float(value)
            elif name in ("hostname", "dhcp_hostname"):
                hostname(value)
            elif name not in ("mac", "protocol", "channel"):
                raise ValueError("unknown config param")

    def _setting(self, name):
        if name == "mac":
            return machine.unique_id()
        if name in ("ssid", "essid"):
            return _driver.ssid
        if name in ("hostname", "dhcp_hostname"):
            return hostname()
        if name == "channel":
            return 6
        if name == "protocol":
            return 7
        if name in ("reconnects", "pm", "txpower"):
            return getattr(_driver, name)
        raise ValueError("unknown config param")

    def ifconfig(self, *config):
        if config:
            raise NotImplementedError("a fixed address is not modelled")
        if not self.isconnected():
            return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")
        return ("192.168.4.57", "255.255.255.0", "192.168.4.1", "192.168.4.1")

    def ipconfig(self, *names, **values):
        if values or len(names) != 1:
            raise NotImplementedError("a fixed address is not modelled")
        address = self.ifconfig()
        if names[0] == "addr4":
            return address[:2]
        if names[0] == "gw4":
            return address[2]
        if names[0] == "dhcp4":
            return True
        if names[0] == "has_dhcp4":
            return _driver.connected
        raise ValueError("unexpected key")


def _text(value):
    if value is None:
        return ""
    return value.decode() if isinstance(value, (bytes, bytearray)) else value
