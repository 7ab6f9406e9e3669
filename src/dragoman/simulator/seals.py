"""The seals on simulated reasoning: a thinking block's signature, a reasoning item's encrypted content.

Promise: a seal is made of the reasoning alone and can be checked without memory, so the simulator notices, as the
real services do, when a seal comes back changed or stands on other reasoning than its own. No secret is kept.
"""

import base64
import binascii
import hashlib
import hmac

_KEY = b"dragoman simulator"


def sign(text: str) -> str:
    """Make the signature of a thinking block."""
    return base64.b64encode(b"\x12sim" + _mac(text) + _mac(text + "/2")).decode()


def is_signed(text: str, signature: str) -> bool:
    return hmac.compare_digest(sign(text).encode(), signature.encode())


def encrypt(text: str) -> str:
    """Make opaque content that holds the reasoning (not a secret: it is simulated)."""
    return base64.b64encode(b"\x80sim" + _mac(text) + bytes(one ^ 0x5A for one in text.encode())).decode()


def is_encrypted(content: str) -> bool:
    """Say whether the content is what `encrypt` made, to the last sign."""
    try:
        raw = base64.b64decode(content, validate=True)
        text = bytes(one ^ 0x5A for one in raw[36:]).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return False
    return raw[:4] == b"\x80sim" and hmac.compare_digest(raw[4:36], _mac(text))


def _mac(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=32, key=_KEY).digest()
