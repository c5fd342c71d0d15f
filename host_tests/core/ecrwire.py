"""A till's end of an ECR link in tests: what is said, and what the box writes back."""


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
