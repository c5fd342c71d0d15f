"""A patron's phone: it knows only what its camera sees on the glass and what the API tells it over verified TLS."""

from __future__ import annotations

import json
import re
import ssl
import uuid
from typing import Any

import aiohttp
import zxingcpp
from PIL import Image

from tillpane.sim.device import SimError
from tillpane.standin.standin import JWT, PATRON_ASSET

_PAY_URL = re.compile(
    r"^https://(?:app\.centrapay\.com/pay/|service\.centrapay\.com/api/payment-requests/)([A-Za-z0-9_-]+)(?:/pay)?$"
)


def read_code(picture: Image.Image) -> str | None:
    """The text of the QR code in the picture, or None."""
    for found in zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)):
        if found.text:
            return str(found.text)
    return None


def asset_for(currency: str) -> str:
    """What the patron pays with, of what the stand-in takes in this currency."""
    return {"NZD": PATRON_ASSET, "EUR": "stadius.test"}.get(currency, "external.test")


def request_id(text: str) -> str | None:
    """The payment request in a scanned text; None for any that a wallet would refuse."""
    match = _PAY_URL.match(text)
    return match.group(1) if match else None


class Phone:
    """Pays at `api_url` with an asset of `asset_type`, trusting the one root it is given."""

    def __init__(self, api_url: str, root_pem: str, asset_type: str = PATRON_ASSET) -> None:
        self.asset_type = asset_type
        self._url = api_url.rstrip("/")
        context = ssl.create_default_context(cadata=root_pem)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))

    async def close(self) -> None:
        await self._session.close()

    def look(self, picture: Image.Image) -> str:
        """The payment request id that is on the glass. Raises SimError when there is nothing to scan."""
        text = read_code(picture)
        if text is None:
            raise SimError("the phone finds no QR code on the glass")
        found = request_id(text)
        if found is None:
            raise SimError(f"the QR code holds {text!r}, which is no payment request")
        return found

    async def summary(self, request: str) -> dict[str, Any]:
        """What the wallet shows before paying."""
        return await self._call("GET", f"/api/payment-requests/{request}/summary")

    async def pay(self, request: str) -> dict[str, Any]:
        """Pays as a patron does. The answer is the payment's activity; raises SimError with the API's words."""
        body = {"assetType": self.asset_type, "assetId": "wallet-of-the-demo", "idempotencyKey": str(uuid.uuid4())}
        return await self._call("POST", f"/api/payment-requests/{request}/pay", body)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        async with self._session.request(
            method, self._url + path, json=body, headers={"Authorization": JWT}, timeout=aiohttp.ClientTimeout(total=10)
        ) as answer:
            text = await answer.text()
        try:
            document = json.loads(text)
        except ValueError:
            raise SimError(f"{path} answered {answer.status} and no JSON: {text[:80]!r}") from None
        if answer.status != 200:
            raise SimError(str(document.get("message") or document))
        return dict(document)
