"""The CA roots that the box trusts: `tillpane roots` writes them as DER, with a table, from certifi's bundle.

They are chosen by fingerprint, so that a new bundle can take a root away but never slip one in. Each costs the box
heap, which is why there are few.
"""

import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tillpane import ROOT
from tillpane.trouble import Trouble

FOLDER = ROOT / "firmware" / "roots"


@dataclass(frozen=True)
class Root:
    """file: name of the DER file; sha256: of the DER, lower-case hex; why: what chain needs it."""

    file: str
    sha256: str
    why: str


# By likelihood. service.centrapay.com is served by CloudFront; its domain's CAA record names these four issuers.
CHOSEN = (
    Root(
        "amazon-1.der",
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        "CloudFront's usual RSA-2048 chains",
    ),
    Root(
        "amazon-3.der",
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        "Amazon's ECDSA P-256 chains",
    ),
    Root(
        "amazon-4.der",
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        "Amazon's ECDSA P-384 chains",
    ),
    Root(
        "amazon-2.der",
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        "Amazon's RSA-4096 chains",
    ),
    Root(
        "gts-r4.der",
        "349dfa4058c5e263123b398ae795573c4e1313c83fe68f93556cd5e8031b3c7d",
        "pki.goog in the CAA record: Google's ECDSA chains",
    ),
    Root(
        "gts-r1.der",
        "d947432abde7b7fa90fc2e6b59101b1280e0e1c7e4e40fa3c6887fff57a7f4cf",
        "pki.goog in the CAA record: Google's RSA chains",
    ),
    Root(
        "isrg-x1.der",
        "96bcec06264976f37460779acf28c5a7cfe8a3c0aae11a8ffcee05c0bddf08c6",
        "letsencrypt.org in the CAA record; X1 also signs what came after it",
    ),
    Root(
        "sectigo-r46.der",
        "7bb647a62aeeac88bf257aa522d01ffea395e0ab45c73f93f65654ec38f25a06",
        "sectigo.com in the CAA record: its RSA chains",
    ),
)

_README = """# CA roots

The box trusts these and no others: a server whose chain does not end in one of them is refused. They are plain DER, one
root a file, because that is what every MicroPython port reads. `tillpane roots` wrote them and this page from Mozilla's
list (the certifi package); it takes each by its SHA-256, which you can compare with what the issuer publishes.

Most likely first:

{table}

Together {total} bytes of DER. Each root is heap on the box for as long as it runs, so there are few. Leave one
out by deleting its file; add one by putting its DER here (2048 bytes at most). `make deploy` then brings the board in
line.

The Starfield root that once signed Amazon's is not here: the four Amazon roots end every chain that it would. Nothing
finer than a root is pinned: leaf and intermediate certificates change without notice.
"""


def _bundle() -> dict[str, bytes]:
    """SHA-256 -> DER of every root in certifi's bundle."""
    try:
        import certifi
    except ImportError as error:
        raise Trouble("The certifi package is not here.", "It comes with `make lint`.") from error
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", certifi.contents(), re.DOTALL)
    ders = [ssl.PEM_cert_to_DER_cert(block) for block in blocks]
    return {hashlib.sha256(der).hexdigest(): der for der in ders}


def described(der: bytes) -> tuple[str, str, str]:
    """(subject, kind of key, last day) of a certificate."""
    certificate = x509.load_der_x509_certificate(der)
    names = {name.oid._name: str(name.value) for name in certificate.subject}
    key = certificate.public_key()
    kind = "?"
    if isinstance(key, rsa.RSAPublicKey):
        kind = f"RSA {key.key_size}"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind = f"EC P-{key.key_size}"
    subject = f"{names.get('commonName', '?')} ({names.get('organizationName', '?')})"
    return subject, kind, certificate.not_valid_after_utc.date().isoformat()


def write(folder: Path = FOLDER) -> list[tuple[Root, bytes]]:
    """Writes every chosen root and the README into folder. Raises Trouble when the bundle no longer has one."""
    bundle = _bundle()
    gone = [root.file for root in CHOSEN if root.sha256 not in bundle]
    if gone:
        raise Trouble(
            f"certifi's bundle no longer has {', '.join(gone)}.",
            "Mozilla stopped trusting it: take it out of tools/tillpane/roots.py, and find what replaced it.",
        )
    found = [(root, bundle[root.sha256]) for root in CHOSEN]
    folder.mkdir(parents=True, exist_ok=True)
    for root, der in found:
        (folder / root.file).write_bytes(der)
    rows = ["| file | subject | key | bytes | until | why |", "|---|---|---|---|---|---|"]
    for root, der in found:
        subject, kind, until = described(der)
        rows.append(f"| {root.file} | {subject} | {kind} | {len(der)} | {until} | {root.why} |")
    rows += ["", "| file | SHA-256 |", "|---|---|", *(f"| {root.file} | `{root.sha256}` |" for root, _ in found)]
    total = sum(len(der) for _, der in found)
    (folder / "README.md").write_text(_README.format(table="\n".join(rows), total=total), encoding="utf-8")
    return found
