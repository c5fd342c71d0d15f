"""`make bench`: what the hot path costs, beside the obvious alternatives, in one table. docs/benchmarks.md says how.

The files *_bench.py run on the device's own interpreter: the unix port here, a board with `tillpane bench --port`.
"""

# docs/architecture.md, "What a board costs": the 64-bit port's objects are twice an ESP32's. Raw bytes are not.
SCALE = 2
