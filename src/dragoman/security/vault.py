"""Credentials given in the interface, encrypted on disk: `vault.json` under the key in `vault.key`.

Promise: both files have mode 0600; a value is bound to its slug (an entry moved to another slug does not open)
and is written whole or not at all. The key file lies beside the vault: this keeps keys out of backups, greps and
database dumps, not from somebody who can read the whole data directory as this user.
"""

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dragoman.errors import BadConfig
from dragoman.security.files import create_private, write_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


def read_key(data_dir: Path, slug: str) -> str | None:
    """Return the credential of a provider, or None when there is none.

    Raises BadConfig when it cannot be opened with the key file.
    """
    sealed = _entries(data_dir).get(slug)
    if sealed is None:
        return None
    from cryptography.exceptions import InvalidTag

    raw = base64.b64decode(sealed)
    try:
        return _cipher(data_dir).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], slug.encode()).decode()
    except InvalidTag as error:
        raise BadConfig(
            f"the credential of provider {slug!r} does not open with {data_dir / 'vault.key'}: "
            "the key file was replaced; enter the credential again"
        ) from error


def write_key(data_dir: Path, slug: str, value: str) -> None:
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + _cipher(data_dir).encrypt(nonce, value.encode(), slug.encode())
    _save(data_dir, _entries(data_dir) | {slug: base64.b64encode(sealed).decode()})


def delete_key(data_dir: Path, slug: str) -> None:
    entries = _entries(data_dir)
    if entries.pop(slug, None) is not None:
        _save(data_dir, entries)


def _entries(data_dir: Path) -> dict[str, str]:
    path = data_dir / "vault.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise BadConfig(f"{path} is damaged ({error}): move it away and enter the credentials again") from error


def _save(data_dir: Path, entries: dict[str, str]) -> None:
    write_private(data_dir / "vault.json", msgspec.json.encode(entries))


def _cipher(data_dir: Path) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 20 ms and 5 MB; most have no vault

    key = create_private(data_dir / "vault.key", base64.b64encode(AESGCM.generate_key(256)))
    return AESGCM(base64.b64decode(key))
