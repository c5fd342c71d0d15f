"""What differs between controllers. Loaded by Panel.begin() and dropped after it.

Each entry: steps as (command, data, ms to wait after), MADCTL for rotations of 0, 90, 180 and 270 degrees clockwise,
and whether the usual glass wants inversion on. Registers not named here keep their reset value.

ST7789:  Sitronix ST7789V data sheet 1.0 (2013/12), chapter 9; the glass is usually IPS, RGB, inverted.
ILI9341: Ilitek ILI9341 data sheet 1.11, chapter 8; the glass is usually TN, wired BGR and mirrored left to right.
"""

_ST7789 = (
    (0x01, b"", 150),  # SWRESET: 120 ms before SLPOUT
    (0x11, b"", 120),  # SLPOUT
    (0x3A, b"\x55", 0),  # COLMOD: 16 bits a pixel
    (0xB2, b"\x0c\x0c\x00\x33\x33", 0),  # PORCTRL
    (0xB7, b"\x35", 0),  # GCTRL: VGH 13.26 V, VGL -10.43 V
    (0xBB, b"\x20", 0),  # VCOMS: 0.9 V
    (0xC0, b"\x2c", 0),  # LCMCTRL
    (0xC2, b"\x01\xff", 0),  # VDVVRHEN: VDV and VRH from the commands below
    (0xC3, b"\x0b", 0),  # VRHS: 4.1 V
    (0xC4, b"\x20", 0),  # VDVS: 0 V
    (0xC6, b"\x0f", 0),  # FRCTRL2: 60 Hz
    (0xD0, b"\xa4\xa1", 0),  # PWCTRL1
    (0xE0, b"\xd0\x00\x02\x07\x0a\x28\x32\x44\x42\x06\x0e\x12\x14\x17", 0),  # PVGAMCTRL
    (0xE1, b"\xd0\x00\x02\x07\x0a\x28\x31\x54\x47\x0e\x1c\x17\x1b\x1e", 0),  # NVGAMCTRL
    (0x13, b"", 0),  # NORON
)

_ILI9341 = (
    (0x01, b"", 150),  # SWRESET: 120 ms before SLPOUT
    (0xCB, b"\x39\x2c\x00\x34\x02", 0),  # power control A
    (0xCF, b"\x00\xc1\x30", 0),  # power control B
    (0xE8, b"\x85\x00\x78", 0),  # driver timing control A
    (0xEA, b"\x00\x00", 0),  # driver timing control B
    (0xED, b"\x64\x03\x12\x81", 0),  # power on sequence
    (0xF7, b"\x20", 0),  # pump ratio: DDVDH = 2 x VCI
    (0xC0, b"\x23", 0),  # PWCTRL1: GVDD 4.6 V
    (0xC1, b"\x10", 0),  # PWCTRL2
    (0xC5, b"\x3e\x28", 0),  # VMCTRL1
    (0xC7, b"\x86", 0),  # VMCTRL2
    (0x3A, b"\x55", 0),  # COLMOD: 16 bits a pixel
    (0xB1, b"\x00\x18", 0),  # FRMCTR1: 79 Hz
    (0xB6, b"\x08\x82\x27", 0),  # DISCTRL
    (0xF2, b"\x00", 0),  # 3-gamma off
    (0x26, b"\x01", 0),  # GAMSET: curve 1
    (0xE0, b"\x0f\x31\x2b\x0c\x0e\x08\x4e\xf1\x37\x07\x10\x03\x0e\x09\x00", 0),  # PGAMCTRL
    (0xE1, b"\x00\x0e\x14\x03\x11\x07\x31\xc1\x48\x08\x0f\x0c\x31\x36\x0f", 0),  # NGAMCTRL
    (0x11, b"", 120),  # SLPOUT
    (0x13, b"", 0),  # NORON
)

CONTROLLERS = {
    "st7789": (_ST7789, b"\x00\x60\xc0\xa0", True),
    "ili9341": (_ILI9341, b"\x48\x28\x88\xe8", False),
}
