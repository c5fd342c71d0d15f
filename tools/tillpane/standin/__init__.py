"""A stand-in for Centrapay's payment requests: real TLS, the documented answers, and every fault on request.

docs/stand-in.md shows how to use it.
"""

from .api import Call
from .checks import ApiError
from .clock import Clock
from .faults import KINDS, Fault
from .model import Asset, PaymentRequest, Rules
from .serve import serve, serve_forever
from .standin import StandIn

__all__ = [
    "KINDS",
    "ApiError",
    "Asset",
    "Call",
    "Clock",
    "Fault",
    "PaymentRequest",
    "Rules",
    "StandIn",
    "serve",
    "serve_forever",
]
