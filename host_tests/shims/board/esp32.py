"""Stands in for the ESP32's `esp32` module: the IDF heap's figures and non-volatile storage in a file.

The file's name is in the environment variable TILLPANE_SIM_NVS; without it, nothing outlives the process.
"""

import json
import os

HEAP_DATA = 4
HEAP_EXEC = 1

_NOT_FOUND = -4354
# (total, free, largest free block, lowest free so far): measured on a board with Wi-Fi up and one TLS connection
_REGIONS = ((113840, 42112, 38912, 36224), (98767, 27288, 24576, 26300))


def idf_heap_info(capabilities):
    if not isinstance(capabilities, int):
        raise TypeError("can't convert to int")
    return list(_REGIONS)


class NVS:
    """One namespace. Nothing is kept before commit()."""

    def __init__(self, namespace):
        if not 1 <= len(namespace) <= 15:
            raise OSError(-4361, "ESP_ERR_NVS_INVALID_NAME")
        self._namespace = namespace
        self._values = _load().get(namespace, {})

    def _value(self, key, kind):
        value = self._values.get(key)
        if not isinstance(value, kind):
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def _set(self, key, value):
        if not 1 <= len(key) <= 15:
            raise OSError(-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._values[key] = value

    def get_i32(self, key):
        return self._value(key, int)

    def set_i32(self, key, value):
        if not -(1 << 31) <= value < 1 << 31:
            raise OverflowError("overflow converting long int to machine word")
        self._set(key, value)

    def get_blob(self, key, buffer):
        text = self._value(key, str)
        size = len(text) // 2
        if size > len(buffer):
            raise OSError(-4364, "ESP_ERR_NVS_INVALID_LENGTH")
        for index in range(size):
            buffer[index] = int(text[2 * index : 2 * index + 2], 16)
        return size

    def set_blob(self, key, value):
        self._set(key, "".join("%02x" % byte for byte in bytes(value)))

    def erase_key(self, key):
        if key not in self._values:
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        del self._values[key]

    def commit(self):
        path = os.getenv("TILLPANE_SIM_NVS")
        if not path:
            return
        everything = _load()
        everything[self._namespace] = self._values
        with open(path + ".new", "w") as file:
            json.dump(everything, file)
        os.rename(path + ".new", path)


def _load():
    path = os.getenv("TILLPANE_SIM_NVS")
    if not path:
        return {}
    try:
        with open(path) as file:
            return json.load(file)
    except OSError:
        return {}
