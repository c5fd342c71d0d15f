"""Runs the test functions of one file: `micropython run.py test_qr.py`. Ends with the line `N passed, N failed`."""

import gc
import sys

try:
    from sys import print_exception
except ImportError:
    from traceback import print_exception


_COLLECT_EVERY = 16384  # bytes, as the product does: what is not collected in time leaves small holes


def main(path):
    name = path.split("/")[-1][:-3]
    sys.path.insert(0, path[: -len(name) - 4] or ".")
    if hasattr(gc, "threshold"):
        gc.threshold(_COLLECT_EVERY)
    module = __import__(name)
    passed = failed = 0
    for key in sorted(dir(module)):
        if not key.startswith("test_"):
            continue
        gc.collect()
        try:
            getattr(module, key)()
            passed += 1
        except Exception as error:
            failed += 1
            print("FAILED", name, key)
            print_exception(error)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


sys.exit(main(sys.argv[1]))
