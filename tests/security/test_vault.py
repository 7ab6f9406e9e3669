"""The vault: what goes in comes out, here and nowhere else."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from dragoman.errors import BadConfig
from dragoman.security.vault import delete_key, read_key, write_key

SECRET = "sk-planted-8f14e45f"


def test_a_credential_comes_back_and_goes(tmp_path: Path) -> None:
    assert read_key(tmp_path, "openai") is None
    write_key(tmp_path, "openai", SECRET)
    write_key(tmp_path, "anthropic", "other")
    assert read_key(tmp_path, "openai") == SECRET
    delete_key(tmp_path, "openai")
    assert read_key(tmp_path, "openai") is None
    assert read_key(tmp_path, "anthropic") == "other"


def test_the_files_are_private_and_hold_no_plain_text(tmp_path: Path) -> None:
    write_key(tmp_path, "openai", SECRET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vault.json", "vault.key"]
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert SECRET not in path.read_text()


def test_an_entry_does_not_open_under_another_slug(tmp_path: Path) -> None:
    write_key(tmp_path, "openai", SECRET)
    path = tmp_path / "vault.json"
    entries = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({"evil": entries["openai"]}))
    with pytest.raises(BadConfig, match="evil"):
        read_key(tmp_path, "evil")


def test_another_key_file_is_said_in_words(tmp_path: Path) -> None:
    write_key(tmp_path, "openai", SECRET)
    (tmp_path / "vault.key").unlink()
    with pytest.raises(BadConfig, match="enter the credential again"):
        read_key(tmp_path, "openai")


def test_a_damaged_vault_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "vault.json").write_text("{")
    with pytest.raises(BadConfig, match=r"vault\.json is damaged"):
        read_key(tmp_path, "openai")


def test_the_module_loads_no_cryptography() -> None:
    code = "import sys, dragoman.security.vault; print('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
