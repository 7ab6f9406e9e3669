"""Where AWS credentials come from, and what is said when there are none."""

import asyncio
import gc
import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dragoman.gateway.signing import Signer, make_signer
from dragoman.gateway.upstream import Upstream, provider_upstream
from dragoman.records.setup import Auth, Provider
from dragoman.wire import sigv4

HOST = "bedrock-runtime.eu-west-1.amazonaws.com"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env/secret"}
NOW = datetime(2026, 11, 21, 18, 5, 9, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".aws").mkdir()
    return tmp_path


@pytest.fixture
def aws(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment without any AWS settings but the home directory's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
                 "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield monkeypatch
    gc.collect()


def write(home: Path, *, credentials: str = "", config: str = "") -> None:
    (home / ".aws" / "credentials").write_text(credentials)
    (home / ".aws" / "config").write_text(config)


def signer(environ: dict[str, str], host: str = HOST, **auth: str) -> Signer:
    made = make_signer(Auth(scheme="sigv4", **auth), host, environ)  # pyright: ignore[reportArgumentType]
    assert isinstance(made, Signer), made
    return made


def authorization(made: Signer) -> sigv4.Authorization:
    fields = made.sign("POST", b"/model/x/invoke", [(b"Host", HOST.encode()), (b"X-Other", b"1")], b"{}", now=NOW)
    parsed = sigv4.parse_authorization(dict(fields)[b"Authorization"].decode())
    assert parsed is not None
    return parsed


def test_keys_of_the_environment() -> None:
    made = signer(KEYS)
    assert made.fault is None
    parsed = authorization(made)
    assert (parsed.access_key_id, parsed.region, parsed.service) == ("AKIAENV", "eu-west-1", "bedrock")
    assert parsed.signed_headers == ["host", "x-amz-date"]
    assert "env/secret" not in repr(made.__slots__)


def test_a_session_token_is_signed_and_sent() -> None:
    made = signer({**KEYS, "AWS_SESSION_TOKEN": "a token"})
    fields = made.sign("POST", b"/", [(b"Host", b"x"), (b"Content-Type", b"application/json")], b"", now=NOW)
    assert [name for name, _ in fields] == [b"X-Amz-Date", b"X-Amz-Security-Token", b"Authorization"]
    assert b"content-type;host;x-amz-date;x-amz-security-token" in fields[-1][1]


def test_half_a_key_is_said() -> None:
    assert "AWS_SECRET_ACCESS_KEY is not" in (signer({"AWS_ACCESS_KEY_ID": "AKIA"}).fault or "")


@pytest.mark.parametrize(
    ("host", "environ", "auth", "region"),
    [
        (HOST, {}, {}, "eu-west-1"),
        (HOST, {}, {"region": "us-west-2"}, "us-west-2"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", {}, {}, "us-gov-west-1"),
        ("vpce-0a.bedrock-runtime.us-east-1.vpce.amazonaws.com", {"AWS_REGION": "x"}, {}, "us-east-1"),
        ("127.0.0.1", {"AWS_REGION": "ap-south-1", "AWS_DEFAULT_REGION": "x"}, {}, "ap-south-1"),
        ("127.0.0.1", {"AWS_DEFAULT_REGION": "ap-south-1"}, {}, "ap-south-1"),
    ],
)
def test_the_region(host: str, environ: dict[str, str], auth: dict[str, str], region: str) -> None:
    assert authorization(signer({**KEYS, **environ}, host, **auth)).region == region


def test_no_region_is_said() -> None:
    made = make_signer(Auth(scheme="sigv4"), "127.0.0.1", KEYS)
    assert isinstance(made, str)
    assert "set auth.region or AWS_REGION" in made


def test_a_profiles_keys_and_region(home: Path) -> None:
    write(
        home,
        credentials="[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = d\n"
        "[team]\naws_access_key_id=AKIATEAM\naws_secret_access_key=t\naws_session_token=token\n",
        config="[profile team]\nregion = sa-east-1\n[default]\nregion = us-east-2\ns3 =\n  max_bandwidth = 1\n",
    )
    environ = {"HOME": str(home)}
    team = signer(environ, "127.0.0.1", profile="team")
    assert (authorization(team).access_key_id, authorization(team).region) == ("AKIATEAM", "sa-east-1")
    assert authorization(signer(environ, "127.0.0.1")).access_key_id == "AKIADEFAULT"
    assert authorization(signer({**environ, "AWS_PROFILE": "team"})).access_key_id == "AKIATEAM"
    assert authorization(signer({**environ, **KEYS})).access_key_id == "AKIAENV"
    assert authorization(signer({**environ, **KEYS}, profile="team")).access_key_id == "AKIATEAM"


def test_other_files_can_be_named(home: Path) -> None:
    elsewhere = home / "keys"
    elsewhere.write_text("[default]\naws_access_key_id=AKIAELSE\naws_secret_access_key=e\n")
    made = signer({"HOME": str(home), "AWS_SHARED_CREDENTIALS_FILE": str(elsewhere)})
    assert authorization(made).access_key_id == "AKIAELSE"


def test_without_botocore_what_is_missing_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    write(home, config="[profile sso]\nsso_session = corp\n[profile empty]\nregion = us-east-1\n")
    environ = {"HOME": str(home)}
    faults = [signer(environ, profile=name).fault or "" for name in ("sso", "empty", "none")]
    assert "AWS profile sso has sso_session, which needs botocore" in faults[0]
    assert "AWS profile empty has no access key" in faults[1]
    assert "there is no AWS_ACCESS_KEY_ID and no AWS profile none" in faults[2]
    assert all("pip install 'dragoman[bedrock]'" in one for one in faults)


async def test_a_program_that_gives_credentials_is_asked_in_a_thread(home: Path, aws: pytest.MonkeyPatch) -> None:
    """The gateway waits for nothing: until the credentials are there, requests are refused with the reason."""
    expiry = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    given = {
        "Version": 1,
        "AccessKeyId": "AKIAPROCESS",
        "SecretAccessKey": "p",
        "SessionToken": "t",
        "Expiration": expiry,
    }
    (home / "given.json").write_text(json.dumps(given))
    write(home, config=f"[profile tool]\ncredential_process = cat {home}/given.json\n")
    made = signer({"HOME": str(home)}, profile="tool")
    async with asyncio.timeout(20):
        while made.fault:
            assert "are being fetched" in made.fault
            await asyncio.sleep(0.01)
    assert authorization(made).access_key_id == "AKIAPROCESS"
    del made
    gc.collect()
    again = signer({"HOME": str(home)}, profile="tool")
    assert again.fault is None  # whoever asks next goes on with what was fetched


async def test_a_profiles_file_is_watched_as_long_as_somebody_signs(home: Path) -> None:
    write(home, credentials="[watched]\naws_access_key_id=AKIAWATCHED\naws_secret_access_key=w\n")
    made = signer({"HOME": str(home)}, profile="watched")
    names = [one.name for one in threading.enumerate()]
    assert names.count("aws watched") == 1
    assert signer({"HOME": str(home)}, profile="watched").fault is None
    assert [one.name for one in threading.enumerate()].count("aws watched") == 1
    del made
    gc.collect()
    async with asyncio.timeout(10):
        while any(one.name == "aws watched" for one in threading.enumerate()):
            await asyncio.sleep(0.01)


async def test_credentials_that_cannot_be_fetched_are_said(home: Path, aws: pytest.MonkeyPatch) -> None:
    write(home, config="[profile tool]\ncredential_process = false\n")
    made = signer({"HOME": str(home)}, profile="tool")
    async with asyncio.timeout(20):
        while "being fetched" in (made.fault or ""):
            await asyncio.sleep(0.01)
    assert "cannot be fetched" in (made.fault or "")
    assert made.sign("POST", b"/", [], b"") == []


def upstream_of(auth: Auth, base_url: str = f"https://{HOST}") -> Upstream:
    return provider_upstream(Provider(slug="bedrock", base_url=base_url, auth=auth), Path("/nonexistent"))


def test_a_provider_that_signs(aws: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        aws.setenv(name, value)
    upstream = upstream_of(Auth(scheme="sigv4"))
    assert upstream.fault is None
    assert upstream.sign is not None
    assert "request signed for bedrock in eu-west-1" in upstream.alterations
    assert upstream_of(Auth(scheme="none")).sign is None


def test_a_provider_that_cannot_sign_says_why(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    assert "AWS_SECRET_ACCESS_KEY is not" in (upstream_of(Auth(scheme="sigv4")).fault or "")
    aws.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert "provider bedrock: no region" in (upstream_of(Auth(scheme="sigv4"), "http://127.0.0.1:9").fault or "")
