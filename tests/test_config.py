"""Settings: precedence, units, and complaints that say where, what was found and what was expected."""

from pathlib import Path

import msgspec
import pytest

from dragoman import config
from dragoman.config import Start
from dragoman.config.units import seconds, size_bytes
from dragoman.errors import BadConfig
from dragoman.records.route import Replacement
from dragoman.records.setup import BUILTIN_PROVIDERS

TO = "{provider: openai}"


@pytest.fixture
def load(tmp_path: Path):
    """Load with a project file, a user file and an environment of the test's own."""
    (tmp_path / "project").mkdir()
    (tmp_path / "user").mkdir()

    def run(
        project: str | None = None,
        *,
        user: str | None = None,
        named: str | None = None,
        env: dict[str, str] | None = None,
        flags: dict[str, object] | None = None,
    ) -> Start:
        if project is not None:
            (tmp_path / "project" / "dragoman.yaml").write_text(project)
        if user is not None:
            (tmp_path / "user" / "dragoman.yaml").write_text(user)
        config_file = None
        if named is not None:
            config_file = tmp_path / "named.yaml"
            config_file.write_text(named)
        return config.load(
            flags,
            config_file=config_file,
            env=env or {},
            directory=tmp_path / "project",
            user_directory=tmp_path / "user",
        )

    return run


def test_without_anything_it_listens_on_loopback_with_the_built_in_providers(load) -> None:
    start = load()
    assert start.config.server.host == "127.0.0.1"
    assert start.config.server.port == 8080
    assert [one.slug for one in start.setup.providers] == [one.slug for one in BUILTIN_PROVIDERS]
    assert start.config_files == []
    assert Path(start.config.data_dir).is_absolute()


def test_flags_win_over_environment_over_project_over_user_over_defaults(load) -> None:
    project = "server: {port: 3, gateways: 3, host: 127.0.0.3}"
    user = "server: {port: 4, gateways: 4, host: 127.0.0.4, password_env: OTHER}\nlog: {level: debug}"
    env = {"DRAGOMAN_SERVER__PORT": "2", "DRAGOMAN_SERVER__GATEWAYS": "2"}
    server = load(project, user=user, env=env, flags={"server.port": 1, "server.host": None}).config.server
    assert (server.port, server.gateways, server.host, server.password_env) == (1, 2, "127.0.0.3", "OTHER")


def test_a_named_file_takes_the_place_of_the_project_file(load) -> None:
    start = load("server: {port: 3}", user="server: {port: 4, gateways: 2}", named="server: {port: 5}")
    assert (start.config.server.port, start.config.server.gateways) == (5, 2)
    assert [Path(one).name for one in start.config_files] == ["named.yaml", "dragoman.yaml"]
    assert start.project_file is None


def test_lists_and_numbers_come_from_the_environment(load) -> None:
    env = {"DRAGOMAN_SERVER__ALLOWED_HOSTS": "a.example, b.example", "DRAGOMAN_LIMITS__BODY": "1MB"}
    start = load(env=env)
    assert start.setup.allowed_hosts == ["a.example", "b.example"]
    assert start.setup.limits.body == 1024**2


def test_the_whole_file_of_the_design_is_understood(load) -> None:
    start = load(
        named="""
server: {host: 127.0.0.1, port: 8080, admin_listen: null, gateways: 1, allowed_hosts: [], allowed_origins: [],
         password_env: DRAGOMAN_PASSWORD}
log: {level: info, format: console}
data_dir: ~/somewhere
limits: {body: 256MB, capture: 64MB, head: 64KB, connections: 4096}
providers:
  - slug: openai
    name: OpenAI
    base_url: https://api.openai.com
    dialects: [openai_chat, openai_responses]
    default_for: [openai_chat, openai_responses]
    auth: {scheme: bearer, key_env: OPENAI_API_KEY}
    headers: {x-team: research}
    timeouts: {connect: 10s, first_byte: 15m, idle: 10m, client_write: 2m}
    websocket: auto
    ca_file: null
  - {slug: anthropic, base_url: 'https://api.anthropic.com', dialects: [anthropic_messages]}
routes:
  - name: claude-for-openai-clients
    prefix: /openai-compat
    model: claude-*
    priority: 50
    system: {replace: [{from: old, to: new}], append: "", progress: false}
    targets:
      - {provider: anthropic, dialect: anthropic_messages, model: claude-sonnet-4-5}
      - {provider: bedrock, dialect: bedrock_invoke, model: anthropic.claude-sonnet-4-5}
    retry: {attempts: 2, on: [connect, 429, 500, 502, 503, 529]}
    fixes: []
rules: []
retention: {bodies: 30d, facts: 365d, max_size: 20GB}
redaction: {pii: false}
journal: {fsync: never, max_size: 5GB, max_stall: 100ms, when_full: pass}
"""
    )
    provider = start.setup.providers[0]
    assert provider.timeouts.first_byte == 900
    assert provider.auth is not None
    assert provider.auth.key_env == "OPENAI_API_KEY"
    assert provider.source.startswith("file:")
    assert provider.source.endswith("named.yaml:8")
    (route,) = start.setup.routes
    assert route.source.endswith("named.yaml:20")
    assert route.system.replace == [Replacement(old="old", new="new")]
    assert [(one.provider, one.dialect) for one in route.targets] == [
        ("anthropic", "anthropic_messages"),
        ("bedrock", "bedrock_invoke"),
    ]
    assert route.retry.attempts == 2
    assert route.retry.on == ("connect", 429, 500, 502, 503, 529)
    assert start.setup.journal.max_stall == pytest.approx(0.1)
    assert start.config.retention.bodies == 30 * 86400
    assert start.config.data_dir == str(Path("~/somewhere").expanduser())


def test_null_keeps_for_ever(load) -> None:
    assert load("retention: {bodies: null}").config.retention.bodies is None


def test_a_start_survives_its_way_through_a_file(load) -> None:
    start = load(named="providers: [{slug: local, base_url: 'http://127.0.0.1:1'}]")
    assert msgspec.json.decode(msgspec.json.encode(start), type=Start) == start


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("server:\n  prot: 1\n", 2, ["server.prot", "did you mean `port`", "known: host, port"]),
        ("sever: {}\n", 1, ["sever", "did you mean `server`"]),
        ("server:\n  port: abc\n", 2, ["server.port", "whole number", "'abc'"]),
        ("server:\n  port: 70000\n", 2, ["server.port", "70000"]),
        ("server: 7\n", 1, ["server", "mapping", "7"]),
        ("\nlog:\n  level: loud\n", 3, ["log.level", "debug, info", "'loud'"]),
        ("limits: {body: 12 parsecs}\n", 1, ["limits.body", "size", "parsecs"]),
        ("limits: {body: -1}\n", 1, ["limits.body", "below 0", "-1"]),
        ("journal:\n  max_stall: -0.5\n", 2, ["journal.max_stall", "below 0"]),
        ("journal:\n  max_stall: soon\n", 2, ["journal.max_stall", "duration", "soon"]),
        ("providers:\n  - slug: a\n", 2, ["providers[0]", "`base_url` is missing"]),
        ("providers:\n  - slug: api\n    base_url: http://h\n", 2, ["providers[0].slug", "path of Dragoman"]),
        ("providers:\n  - base_url: http://h\n    slug: A_b\n", 3, ["small letters", "'A_b'"]),
        ("providers:\n  - slug: a\n    base_url: ftp://h\n", 3, ["base_url", "http", "ftp://h"]),
        ("providers:\n  - slug: a\n    base_url: http://u:p@h\n", 3, ["base_url", "auth"]),
        (
            "providers:\n  - {slug: a, base_url: 'http://h'}\n  - {slug: a, base_url: 'http://i'}\n",
            3,
            ["`a`", "twice"],
        ),
        (
            "providers:\n  - slug: a\n    base_url: http://h\n    dialects: [openai_chatt]\n",
            4,
            ["providers[0].dialects[0]", "openai_chat,", "'openai_chatt'"],
        ),
        (
            "providers:\n  - slug: a\n    base_url: http://h\n    timeouts:\n      idle: x\n",
            5,
            ["timeouts.idle", "duration"],
        ),
        (
            "providers:\n  - slug: a\n    base_url: http://h\n    auth: {scheme: header, key_env: K}\n",
            4,
            ["auth", "`name`"],
        ),
        ("providers:\n  - slug: a\n    base_url: http://h\n    source: builtin\n", 4, ["source", "not known"]),
        ("routes:\n  - name: x\n", 2, ["routes[0].targets", "expected at least one"]),
        (f"routes:\n  - name: x\n    targets:\n      - {TO}\n      - {{provider: oai}}\n", 5, ["'oai'", "openai"]),
        (f"routes:\n  - name: x\n    model: a*b\n    targets: [{TO}]\n", 3, ["routes[0].model", "'a*b'"]),
        (f"routes:\n  - name: x\n    prefix: openai\n    targets: [{TO}]\n", 3, ["prefix", "slash"]),
        (f"routes:\n  - name: x\n    prefix: /openai\n    targets: [{TO}]\n", 3, ["prefix", "the provider openai"]),
        (f"routes:\n  - name: x\n    prefix: /api\n    targets: [{TO}]\n", 3, ["prefix", "Dragoman itself"]),
        (f"routes:\n  - name: x\n    target: [{TO}]\n", 3, ["target", "did you mean `targets`"]),
        (f"routes:\n  - {{name: x, targets: [{TO}]}}\n  - {{name: x, targets: [{TO}]}}\n", 3, ["`x`", "twice"]),
        (f"routes:\n  - name: X x\n    targets: [{TO}]\n", 2, ["routes[0].name", "'X x'"]),
        (f"routes:\n  - targets: [{TO}]\n", 2, ["`name` is missing"]),
        (f"routes:\n  - name: x\n    targets: [{TO}]\n    fixes: [qwen]\n", 4, ["fixes", "no fixes yet"]),
        (
            f"routes:\n  - name: x\n    targets: [{TO}]\n    retry:\n      on: [429, conect]\n",
            5,
            ["retry.on[1]", "connect, timeout, a whole number", "'conect'"],
        ),
        (f"routes:\n  - name: x\n    targets: [{TO}]\n    retry: {{on: [200]}}\n", 4, ["retry.on", "400 to 599"]),
        (f"routes:\n  - name: x\n    targets: [{TO}]\n    retry: {{max_wait: -1}}\n", 4, ["max_wait", "below 0"]),
        (
            f"routes:\n  - name: x\n    targets: [{TO}]\n    system:\n      replace: [{{form: a}}]\n",
            5,
            ["replace[0].form", "did you mean `from`"],
        ),
        (
            "routes:\n  - name: x\n    targets: [{provider: openai, dialect: ollama_chat}]\n",
            3,
            ["targets[0].dialect", "openai speaks openai_chat, openai_responses, not ollama_chat"],
        ),
        ("routes:\n  - name: x\n    targets: [{provider: openai, dialect: chat}]\n", 3, ["dialect", "'chat'"]),
        ("rules: [{}]\n", 1, ["rules", "not have them yet"]),
        ("redaction: {pii: true}\n", 1, ["redaction.pii", "not mask"]),
        ("a: [1\nb: 2", 2, ["no YAML"]),
        ("server: {port: 1}\nserver: {port: 2}\n", 2, ["`server` stands twice"]),
        ("server:\n\tport: 1\n", 2, ["no YAML", "spaces, not with tabs"]),
        (f"routes:\n  - name: x\n    model: *\n    targets: [{TO}]\n", 3, ["no YAML", 'quotes: "*"']),
        (
            f"routes:\n  - name: x\n    targets: [{TO}]\n    system:\n      replace: [{{from: '', to: b}}]\n",
            5,
            ["routes[0].system.replace[0].from", "no text"],
        ),
        (
            "providers:\n  - slug: a\n    base_url: http://h\n    auth: {key_env: sk-x}\n",
            4,
            ["auth.key_env", "OPENAI_API_KEY"],
        ),
        (
            "providers:\n  - {slug: a, base_url: 'http://h', dialects: [ollama_chat], default_for: [ollama_chat]}\n"
            "  - {slug: b, base_url: 'http://h', dialects: [ollama_chat], default_for: [ollama_chat]}\n",
            3,
            ["default_for", "ollama_chat is a's"],
        ),
        ("server:\n  admin_listen: here\n", 2, ["server.admin_listen", "host:port", "'here'"]),
        ("server:\n  host: 0.0.0.0\n", 2, ["server.host", "password", "DRAGOMAN_PASSWORD", "127.0.0.1"]),
        ("server:\n  admin_listen: 0.0.0.0:9\n", 2, ["server.admin_listen", "password"]),
    ],
)
def test_a_wrong_file_is_refused_with_file_line_and_what_was_expected(
    load, text: str, line: int, words: list[str]
) -> None:
    with pytest.raises(BadConfig) as caught:
        load(named=text)
    assert caught.value.file is not None
    assert f"named.yaml:{line}: " in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_complaint_is_one_line_and_shows_no_key(load) -> None:
    with pytest.raises(BadConfig) as caught:
        load(named="providers:\n  - {slug: a, base_url: 'http://h', auth: {key_env: sk-planted-1}}\n")
    assert "sk-planted" not in str(caught.value)
    with pytest.raises(BadConfig) as caught:
        load(named="\x00")
    assert "\n" not in str(caught.value)


def test_a_list_whose_entries_are_commented_out_is_empty(load) -> None:
    start = load(named="providers:\nroutes:\n#  - name: x\n")
    assert start.setup.routes == []


def test_a_wrong_environment_variable_is_named(load) -> None:
    with pytest.raises(BadConfig, match=r"DRAGOMAN_SERVER__PROT: this key is not known; did you mean `port`"):
        load(env={"DRAGOMAN_SERVER__PROT": "1"})
    with pytest.raises(BadConfig, match=r"DRAGOMAN_SERVER__PORT: expected a whole number, found 'x'"):
        load(env={"DRAGOMAN_SERVER__PORT": "x"})


def test_a_wrong_flag_is_named(load) -> None:
    with pytest.raises(BadConfig, match=r"--port: expected a port from 1 to 65535"):
        load(flags={"server.port": 99999})


def test_other_variables_of_that_name_are_left_alone(load) -> None:
    load(env={"DRAGOMAN_PASSWORD": "x", "DRAGOMAN_CHROMIUM": "/x"})


def test_listening_elsewhere_with_a_password_is_fine(load) -> None:
    start = load(flags={"server.host": "0.0.0.0"}, env={"DRAGOMAN_PASSWORD": "open-sesame"})
    assert start.setup.password_required
    assert b"open-sesame" not in msgspec.json.encode(start)


def test_a_file_named_by_config_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="does not exist"):
        config.load(config_file=tmp_path / "none.yaml", env={}, user_directory=tmp_path)


REDIRECTS = [
    "providers: [{slug: openai, base_url: 'http://elsewhere'}]",
    "providers: [{slug: thief, base_url: 'http://elsewhere', dialects: [openai_chat], default_for: [openai_chat]}]",
    "providers: [{slug: openai, base_url: 'https://api.openai.com', verify_tls: false}]",
]


@pytest.mark.parametrize("text", REDIRECTS)
def test_a_project_file_cannot_redirect_the_keys_of_a_built_in_provider(load, text: str) -> None:
    with pytest.raises(BadConfig, match=r"--config .*dragoman\.yaml"):
        load(text)


@pytest.mark.parametrize("text", REDIRECTS)
def test_a_file_that_the_user_named_or_owns_can_redirect(load, text: str) -> None:
    assert load(named=text).file_providers
    assert load(user=text).file_providers


def test_a_project_file_may_add_providers(load) -> None:
    start = load("providers: [{slug: local, base_url: 'http://127.0.0.1:1', dialects: [openai_chat]}]")
    assert start.setup.providers[-1].slug == "local"
    assert start.project_file is not None


def test_of_two_files_the_higher_one_says_what_a_provider_is(load) -> None:
    start = load(
        user="providers: [{slug: a, base_url: 'http://user'}, {slug: b, base_url: 'http://user'}]",
        named="providers: [{slug: a, base_url: 'http://named'}]",
    )
    assert {one.slug: one.base_url for one in start.file_providers} == {"a": "http://named", "b": "http://user"}


def test_providers_are_read_again_after_a_change(load, tmp_path: Path) -> None:
    start = load(named="providers: [{slug: a, base_url: 'http://one'}]")
    (tmp_path / "named.yaml").write_text("providers: [{slug: a, base_url: 'http://two'}]")
    assert config.reload(start, env={}).file_providers[0].base_url == "http://two"


LOCAL = "providers: [{slug: local, base_url: 'http://elsewhere', dialects: [openai_chat]}]\n"


def test_a_project_file_cannot_lead_default_paths_to_a_provider_of_its_own(load) -> None:
    text = LOCAL + "routes:\n  - name: x\n    model: gpt-*\n    targets: [{provider: local}]\n"
    with pytest.raises(BadConfig, match=r"dragoman.yaml:5: .*http://elsewhere.*--config") as caught:
        load(text)
    assert "prefix" in str(caught.value)
    assert load(named=text).file_routes
    assert load(text.replace("model: gpt-*", "prefix: /local-first")).file_routes
    assert load("routes: [{name: x, model: gpt-*, targets: [{provider: anthropic}]}]").file_routes


def test_a_project_file_cannot_put_words_into_prompts_or_spend_the_vault(load) -> None:
    edits = "routes: [{name: x, model: a, system: {append: Obey.}, targets: [{provider: openai}]}]"
    with pytest.raises(BadConfig, match=r"routes\[0\].system: .*--config"):
        load(edits)
    assert load(named=edits).file_routes
    spends = "providers: [{slug: local, base_url: 'http://elsewhere', auth: {key_vault: team}}]"
    with pytest.raises(BadConfig, match=r"providers\[0\].auth.key_vault: .*--config"):
        load(spends)
    assert load(named=spends).file_providers


def test_of_two_files_the_higher_one_says_what_a_route_is(load) -> None:
    user = "routes: [{name: a, model: user, targets: [{provider: openai}]}, {name: b, targets: [{provider: openai}]}]"
    start = load(user=user, named="routes: [{name: a, model: named, targets: [{provider: openai}]}]")
    assert [(one.name, one.model) for one in start.setup.routes] == [("a", "named"), ("b", None)]


def test_the_files_are_read_again_under_the_same_flags(load, tmp_path: Path) -> None:
    start = load(named="server: {gateways: 2}", flags={"server.port": 7})
    (tmp_path / "named.yaml").write_text("limits: {body: 1MB}\nroutes: [{name: x, targets: [{provider: openai}]}]")
    fresh = config.reload(start, env={})
    assert (fresh.config.server.port, fresh.config.server.gateways) == (7, 1)
    assert fresh.setup.limits.body == 1024**2
    assert [one.name for one in fresh.file_routes] == ["x"]


@pytest.mark.parametrize(
    ("text", "value"), [("10s", 10), ("500ms", 0.5), ("5m", 300), ("2h", 7200), ("30d", 2592000), ("1.5", 1.5)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"), [("64KB", 65536), ("64 kb", 65536), ("1MiB", 1048576), ("20GB", 20 * 1024**3), ("7", 7)]
)
def test_sizes(text: str, value: int) -> None:
    assert size_bytes(text) == value
