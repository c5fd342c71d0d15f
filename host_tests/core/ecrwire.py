"""A till's end of an ECR link in tests: how its frames are made, what is said, and what the box writes back."""

ACK = b"\x06"


def checked(body, seed):
    """STX body ETX and the XOR of the body's bytes, seeded: Telium's, Transbank's and ECR17's frame."""
    for byte in body:
        seed ^= byte
    return b"\x02" + body + b"\x03" + bytes((seed,))


def zvt_framed(apdu):
    crc = 0
    for byte in apdu + b"\x03":
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8408 if crc & 1 else crc >> 1
    return b"\x10\x02" + apdu.replace(b"\x10", b"\x10\x10") + b"\x10\x03" + bytes((crc & 255, crc >> 8))


def written(till):
    frames = []
    while True:
        frame = till.outgoing()
        if frame is None:
            return b"".join(frames)
        frames.append(frame)


def say(till, data, now=0):
    till.feed(data, len(data), now)
    return written(till)


def heard(till, outcome, now=1000):
    """The result's frame, which the till acknowledges."""
    till.answer(outcome, now)
    frame = written(till)
    assert say(till, ACK, now) == b""
    return frame
