"""Requests to AWS, signed with our credentials: where these come from, and what is signed.

Promise: `Signer.sign` never waits and reads no file; what may take long (files, a login's token, a role, the
machine's own identity) happens when the Setup comes and then in a thread, once a minute. Until credentials are
there, and when there are none, `fault` says what is missing and what to do. Environment and static keys of a profile
are read here; all else is left to botocore, where it is installed (`dragoman[bedrock]`).
The names follow AWS: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

import configparser
import os
import re
import threading
import time
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dragoman.records.setup import Auth
from dragoman.wire import sigv4
from dragoman.wire.headers import Fields
from dragoman.wire.sigv4 import Credentials

REFRESH_S = 60.0
LINGER_S = 600.0
"""How long credentials that had to be fetched are kept for whoever asks next, such as the list of providers."""
SIGNED = (b"host", b"content-type")
"""What is signed, with all of AWS's own headers: what no hop on the way changes."""
_AWS = (b"x-amz-", b"x-amzn-")
_REGION_IN_HOST = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
_FETCHED = (
    "role_arn",
    "web_identity_token_file",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "login_session",
)
"""Keys of a profile whose credentials have to be fetched from somewhere."""


class Signer:
    """Signs the requests to one provider."""

    __slots__ = ("_region", "_service", "_source")

    def __init__(self, source: "Source", region: str, service: str) -> None:
        self._source = source
        self._region = region
        self._service = service

    @property
    def fault(self) -> str | None:
        """Say why nothing can be signed now."""
        return self._source.fault if self._source.current is None else None

    @property
    def said(self) -> str:
        return f"request signed for {self._service} in {self._region}"

    def sign(
        self, method: str, target: bytes, fields: Fields, body: bytes | str, *, now: datetime | None = None
    ) -> Fields:
        """Give the headers to add. `target` is path and query as sent; `fields` are the request's headers, with `Host`;
        `body` is the body or its SHA-256 in hex.

        Credentials that ran out sign too: AWS says so better than we could.
        """
        credentials = self._source.current
        if credentials is None:
            return []
        signed = [one for one in fields if (low := one[0].lower()) in SIGNED or low.startswith(_AWS)]
        return sigv4.sign(
            method=method,
            target=target,
            fields=signed,
            body=body,
            credentials=credentials,
            region=self._region,
            service=self._service,
            stamp=(now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ"),
        )


def make_signer(auth: Auth, host: str, environ: Mapping[str, str] = os.environ) -> Signer | str:
    """Make the signer of a provider at `host`; gives what is wrong when there can be none."""
    profile = auth.profile or (None if environ.get("AWS_ACCESS_KEY_ID") else environ.get("AWS_PROFILE") or "default")
    region = auth.region or _region_of(host, profile, environ)
    if not region:
        return f"no region is known for {host}: set auth.region or AWS_REGION, such as us-east-1"
    source = _from_environment(environ) if profile is None else _source_of(profile, environ)
    return Signer(source, region, auth.service)


def _region_of(host: str, profile: str | None, environ: Mapping[str, str]) -> str | None:
    named = _REGION_IN_HOST.search(host)
    if named is not None:
        return named[1]
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or _profile_of(profile, environ).get("region")


class Source:
    """Where credentials come from; `current` changes when they do."""

    __slots__ = ("__weakref__", "current", "fault", "wanted_s")

    def __init__(self, current: Credentials | None = None, fault: str | None = None) -> None:
        self.current = current
        self.fault = fault
        self.wanted_s = time.monotonic()
        """When it was last asked for."""


def _from_environment(environ: Mapping[str, str]) -> Source:
    secret = environ.get("AWS_SECRET_ACCESS_KEY", "").strip()
    if not secret:
        return Source(fault="AWS_ACCESS_KEY_ID is set where Dragoman was started, but AWS_SECRET_ACCESS_KEY is not")
    token = environ.get("AWS_SESSION_TOKEN", "").strip() or None
    return Source(Credentials(environ["AWS_ACCESS_KEY_ID"].strip(), secret, token))


_kept: weakref.WeakValueDictionary[tuple[str, ...], Source] = weakref.WeakValueDictionary()
"""Sources in use, so that a new Setup goes on with credentials that took long to fetch."""


def _source_of(profile: str, environ: Mapping[str, str]) -> Source:
    """Give the source of a profile: read at once where its keys stand in a file, and kept fresh by a thread."""
    key = (profile, *map(str, _files(environ)))
    found = _kept.get(key)
    if found is not None:
        found.wanted_s = time.monotonic()
        return found
    source = Source()
    _read(source, profile, environ)
    is_fetched = source.current is None and source.fault is None
    if is_fetched:
        source.fault = f"the credentials of AWS profile {profile} are being fetched; try again in a moment"
    if is_fetched or source.current is not None:
        _kept[key] = source
        over = threading.Event()
        weakref.finalize(source, over.set)
        refresh = _Refresh(source, profile, environ, over)
        threading.Thread(target=refresh.run, name=f"aws {profile}", daemon=True).start()
    return source


def _read(source: Source, profile: str, environ: Mapping[str, str]) -> None:
    """Take the keys that stand in a file; leaves both fields empty when they have to be fetched."""
    settings = _profile_of(profile, environ)
    if not any(settings.get(name) for name in _FETCHED):
        key, secret = settings.get("aws_access_key_id"), settings.get("aws_secret_access_key")
        if key and secret:
            source.current = Credentials(key, secret, settings.get("aws_session_token") or None)
            return
    if find_spec("botocore") is None:
        source.fault = _without_botocore(profile, settings)


def _without_botocore(profile: str, settings: Mapping[str, str]) -> str:
    fetched = next((name for name in _FETCHED if settings.get(name)), None)
    if fetched is not None:
        found = f"AWS profile {profile} has {fetched}, which needs botocore"
    elif settings:
        found = f"AWS profile {profile} has no access key"
    else:
        found = f"there is no AWS_ACCESS_KEY_ID and no AWS profile {profile}"
    return (
        f"{found}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where Dragoman is started, put keys into the "
        "profile, or `pip install 'dragoman[bedrock]'` for logins (SSO), roles and a machine's own identity"
    )


class _Refresh:
    """Keeps a source fresh until nobody uses it, and for `LINGER_S` what it had to fetch."""

    def __init__(self, source: Source, profile: str, environ: Mapping[str, str], over: threading.Event) -> None:
        self._source = weakref.ref(source)
        self._held = source if source.current is None else None
        self._profile = profile
        self._environ = environ
        self._over = over
        self._found: Any = None
        """botocore's own object, which fetches again when its time comes."""

    def run(self) -> None:
        wait_s = REFRESH_S if self._is_ready() else 0.0
        while not self._over.wait(wait_s):
            wait_s = REFRESH_S
            fresh = Source()
            _read(fresh, self._profile, self._environ)
            if fresh.current is None and fresh.fault is None:
                self._fetch(fresh)
            source = self._source()
            if source is not None and (fresh.current is not None or source.current is None):
                source.current, source.fault = fresh.current, fresh.fault
            if source is None or time.monotonic() - source.wanted_s > LINGER_S:
                self._held = None
            del source  # or the thread would keep alive what it serves

    def _is_ready(self) -> bool:
        source = self._source()
        return source is not None and source.current is not None

    def _fetch(self, fresh: Source) -> None:
        try:
            fresh.current = self._ask_botocore()
        except Exception as error:  # noqa: BLE001 -- a chain of a dozen providers; whatever it is, the operator must read it
            fresh.fault = f"the credentials of AWS profile {self._profile} cannot be fetched: {error}"
            return
        if fresh.current is None:
            fresh.fault = (
                f"no credentials were found for AWS profile {self._profile}; `aws sts get-caller-identity` says more"
            )

    def _ask_botocore(self) -> Credentials | None:
        if self._found is None:
            from botocore.session import Session

            name = self._profile if _profile_of(self._profile, self._environ) else None
            self._found = Session(profile=name).get_credentials()
        if self._found is None:
            return None
        frozen = self._found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def _files(environ: Mapping[str, str]) -> tuple[Path, Path]:
    home = Path(environ.get("HOME") or Path.home())
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"
    config = environ.get("AWS_CONFIG_FILE") or home / ".aws" / "config"
    return Path(credentials).expanduser(), Path(config).expanduser()


def _profile_of(profile: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Read a profile's settings: of `config` (`[profile NAME]`), and over them those of `credentials` (`[NAME]`)."""
    if profile is None:
        return {}
    credentials, config = _files(environ)
    section = profile if profile == "default" else f"profile {profile}"
    return {**_section(config, section), **_section(credentials, profile)}


def _section(path: Path, name: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(path.read_text())
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    return dict(parser[name]) if parser.has_section(name) else {}
