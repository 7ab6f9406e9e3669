"""Reasoning of one maker carried through a dialect of another's: wrapped on the way out, given back on the way in.

Models sign or encrypt what they thought and want it back as it was. A client of another dialect has a field for its
own maker's seal; there it gets ours: `dragoman.1.` and base64url of JSON. When the conversation returns, the part is
whole again, with its text, since what a signature covers must come back to the letter.

Promise: `unwrap(wrap(part))` gives the part but for its `cache` and `extra`. Text that is no whole wrapper of ours
gives None, never an error. A wrapper hides nothing and proves nothing: the seal inside is its maker's to check.
"""

import base64
import binascii
from typing import Any

import msgspec

from dragoman.canonical import Reasoning

PREFIX = "dragoman.1."
"""How a wrapper begins. A body that holds it, sent on untouched, would be refused by any provider."""

MAKERS = {
    "anthropic_messages": "anthropic",
    "bedrock_invoke": "anthropic",
    "bedrock_converse": "anthropic",
    "openai_chat": "openai",
    "openai_responses": "openai",
    "gemini_generate": "google",
}
"""Whose seals a dialect carries of itself; Ollama has none."""


_IN_BODY = PREFIX.encode()
_CODED_IN_BODY = base64.b64encode(PREFIX.encode())[:14]
"""Converse and Gemini have bytes where others have text: there the wrapper lies in base64."""


def is_wrapped_in(body: bytes) -> bool:
    """Say whether a body may hold a wrapper, as text or in base64."""
    return _IN_BODY in body or _CODED_IN_BODY in body


class _Sealed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What lies in a wrapper."""

    maker: str = msgspec.field(name="m")
    id: str | None = msgspec.field(name="i", default=None)
    signature: str | None = msgspec.field(name="s", default=None)
    encrypted: str | None = msgspec.field(name="e", default=None)
    text: str = msgspec.field(name="t", default="")
    summary: str = msgspec.field(name="u", default="")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Sealed).decode


def wrap(reasoning: Reasoning) -> str | None:
    """Pack a seal with all that belongs to it; None when there is no seal, or nobody knows whose it is."""
    if reasoning.maker is None or not (reasoning.signature or reasoning.encrypted):
        return None
    sealed = _Sealed(
        maker=reasoning.maker,
        id=reasoning.id,
        signature=reasoning.signature,
        encrypted=reasoning.encrypted,
        text=reasoning.text,
        summary=reasoning.summary,
    )
    return PREFIX + base64.urlsafe_b64encode(_encode(sealed)).rstrip(b"=").decode()


def unwrap(text: Any) -> Reasoning | None:
    """Read a wrapper; None when `text` is anything else, a damaged wrapper included."""
    if not isinstance(text, str) or not text.startswith(PREFIX):
        return None
    packed = text[len(PREFIX) :]
    try:
        sealed = _decode(base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):  # msgspec's errors and those of broken UTF-8 are ValueErrors too
        return None
    if not (sealed.signature or sealed.encrypted):
        return None
    return Reasoning(**{name: getattr(sealed, name) for name in sealed.__struct_fields__})


def restore(reasoning: Reasoning, dialect: str) -> Reasoning:
    """Give a part read from `dialect` its maker: the one in our wrapper, else the dialect's own.

    A damaged wrapper is no seal: it is left out, so that no provider is asked to take it.
    """
    seal = reasoning.signature or reasoning.encrypted
    if not seal:
        return reasoning
    if not seal.startswith(PREFIX):
        return msgspec.structs.replace(reasoning, maker=reasoning.maker or MAKERS.get(dialect))
    found = unwrap(seal)
    if found is None:
        return msgspec.structs.replace(reasoning, signature=None, encrypted=None, maker=None)
    return msgspec.structs.replace(found, cache=reasoning.cache, extra=reasoning.extra)


def is_native(reasoning: Reasoning, dialect: str) -> bool:
    """Say whether a part bears a seal that the models behind `dialect` made themselves."""
    has_seal = bool(reasoning.signature or reasoning.encrypted)
    return has_seal and reasoning.maker is not None and reasoning.maker == MAKERS.get(dialect)
