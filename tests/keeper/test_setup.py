"""The Setup: merged, checked, published, kept for the next start."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from dragoman.config import Start, load
from dragoman.errors import BadRequest, NotFound
from dragoman.keeper.setup import SetupBook
from dragoman.records.route import Route, Target
from dragoman.records.setup import Provider, Setup
from dragoman.store import Store

ROUTE = Route(name="mine", model="gpt-*", targets=[Target(provider="anthropic", model="claude-sonnet-4-5")])
LOCAL = Provider(slug="local", base_url="http://127.0.0.1:9000", dialects=["openai_chat"])


class Published:
    """What the gateways were handed, newest last."""

    def __init__(self) -> None:
        self.setups: list[Setup] = []

    async def __call__(self, setup: Setup) -> None:
        self.setups.append(setup)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "dragoman.yaml"
    path.write_text("providers:\n  - {slug: filed, base_url: 'http://127.0.0.1:9001', dialects: [openai_chat]}\n")
    return path


@pytest.fixture
def start(tmp_path: Path, config_file: Path) -> Start:
    (tmp_path / "run").mkdir()
    return load(config_file=config_file, env={}, directory=tmp_path, user_directory=tmp_path / "none")


@pytest.fixture
def store(tmp_path: Path):
    with Store(f"sqlite:///{tmp_path}/dragoman.db") as opened:
        yield opened


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
async def book(tmp_path: Path, start: Start, store: Store, published: Published):
    made = SetupBook(start, tmp_path / "run", store, on_publish=published)
    await made.start()
    yield made
    await made.close()


def slugs(setup: Setup) -> list[str]:
    return [one.slug for one in setup.providers]


def lasting(tmp_path: Path) -> Setup:
    return msgspec.json.decode((tmp_path / "run" / "setup.json").read_bytes(), type=Setup)


async def test_the_first_setup_holds_built_in_and_filed_providers(book: SetupBook, published: Published) -> None:
    assert {"openai", "anthropic", "filed"} <= set(slugs(book.current))
    assert published.setups == [book.current]


async def test_an_edited_provider_is_published_kept_and_there_at_the_next_start(
    tmp_path: Path, book: SetupBook, published: Published, start: Start, store: Store
) -> None:
    version = book.current.version
    saved = await book.save_provider(LOCAL)
    assert saved.source == "edited"
    assert published.setups[-1].version == version + 1
    assert "local" in slugs(lasting(tmp_path))
    again = SetupBook(start, tmp_path / "run", store, on_publish=published)
    await again.start()
    assert "local" in slugs(again.current)
    await again.close()


async def test_the_setup_file_is_for_its_owner_alone(tmp_path: Path, book: SetupBook) -> None:
    assert os.stat(tmp_path / "run" / "setup.json").st_mode & 0o777 == 0o600


async def test_removing_an_edited_provider_brings_the_built_in_one_back(book: SetupBook) -> None:
    await book.save_provider(Provider(slug="openai", base_url="http://127.0.0.1:9002", dialects=["openai_chat"]))
    assert book.provider("openai").base_url == "http://127.0.0.1:9002"
    await book.delete_provider("openai")
    assert book.provider("openai").base_url == "https://api.openai.com"


async def test_what_cannot_be_changed_says_why(book: SetupBook, config_file: Path) -> None:
    with pytest.raises(BadRequest, match="change it there") as refused:
        await book.save_provider(Provider(slug="filed", base_url="http://127.0.0.1:1"))
    assert str(config_file) in str(refused.value)
    with pytest.raises(BadRequest, match="built in"):
        await book.delete_provider("openai")
    with pytest.raises(NotFound, match="known: openai"):
        await book.delete_provider("nobody")
    for slug in ("api", "Big", "", "-x"):
        with pytest.raises(BadRequest):
            await book.save_provider(Provider(slug=slug, base_url="http://127.0.0.1:1"))


async def test_a_passing_provider_is_published_but_not_kept(tmp_path: Path, book: SetupBook) -> None:
    await book.add_passing(Provider(slug="simulator", base_url="http://127.0.0.1:9003"))
    assert "simulator" in slugs(book.current)
    assert "simulator" not in slugs(lasting(tmp_path))


async def test_the_panic_switch_holds_over_a_restart_and_can_be_released(
    tmp_path: Path, book: SetupBook, published: Published, start: Start, store: Store
) -> None:
    await book.set_panic(True)
    assert published.setups[-1].is_panicking
    assert lasting(tmp_path).is_panicking
    panicking = msgspec.structs.replace(start, setup=lasting(tmp_path))
    again = SetupBook(panicking, tmp_path / "run", store, on_publish=published)
    await again.start()
    assert again.current.is_panicking
    await again.set_panic(False)
    assert not published.setups[-1].is_panicking
    await again.close()


async def test_a_changed_file_is_taken_and_a_wrong_one_keeps_the_old_setup(
    book: SetupBook, published: Published, config_file: Path
) -> None:
    config_file.write_text("providers:\n  - {slug: other, base_url: 'http://127.0.0.1:9009', dialects: []}\n")
    await book.look()
    assert "other" in slugs(book.current) and "filed" not in slugs(book.current)
    version = book.current.version
    config_file.write_text("providers:\n  - {slug: other, base_url: 'nonsense at all', dialects: []}\n")
    await book.look()
    assert book.current.version == version
    assert len(book.problems) == 1 and f"{config_file}:2" in book.problems[0]
    config_file.write_text("providers: []\n")
    await book.look()
    assert book.problems == []
    assert "other" not in slugs(book.current)


async def test_a_file_that_did_not_change_is_not_published_again(book: SetupBook, published: Published) -> None:
    await book.look()
    assert len(published.setups) == 1


def names(setup: Setup) -> list[str]:
    return [one.name for one in setup.routes]


async def test_an_edited_route_is_published_kept_and_there_at_the_next_start(
    tmp_path: Path, book: SetupBook, published: Published, start: Start, store: Store
) -> None:
    saved = await book.save_route(ROUTE)
    assert saved.source == "edited"
    assert names(published.setups[-1]) == ["mine"]
    assert names(lasting(tmp_path)) == ["mine"]
    again = SetupBook(start, tmp_path / "run", store, on_publish=published)
    await again.start()
    assert again.route("mine") == saved
    await again.close()


async def test_edited_routes_keep_their_order_and_can_be_moved_and_renamed(book: SetupBook) -> None:
    for name in ("a", "b", "c"):
        await book.save_route(msgspec.structs.replace(ROUTE, name=name))
    await book.save_route(msgspec.structs.replace(ROUTE, name="b", model="x"))
    assert names(book.current) == ["a", "b", "c"]
    await book.save_route(msgspec.structs.replace(ROUTE, name="c"), position=0)
    await book.save_route(msgspec.structs.replace(ROUTE, name="d"), instead_of="a")
    assert names(book.current) == ["c", "d", "b"]
    assert book.position("b") == 2
    await book.delete_route("d")
    assert names(book.current) == ["c", "b"]


async def test_a_route_that_cannot_work_is_refused_with_its_field(book: SetupBook) -> None:
    for change, field in (
        ({"targets": [Target(provider="nobody")]}, "targets[0].provider"),
        ({"prefix": "/openai"}, "prefix"),
        ({"model": "a*b"}, "model"),
        ({"name": "No"}, "name"),
    ):
        with pytest.raises(BadRequest) as refused:
            await book.save_route(msgspec.structs.replace(ROUTE, **change))
        assert refused.value.field == field
    with pytest.raises(NotFound, match="known: none"):
        await book.delete_route("mine")


async def test_what_a_route_leans_on_cannot_be_taken_away(book: SetupBook) -> None:
    await book.save_provider(LOCAL)
    await book.save_route(msgspec.structs.replace(ROUTE, prefix="/word", targets=[Target(provider="local")]))
    with pytest.raises(BadRequest, match="target of the routes mine"):
        await book.delete_provider("local")
    with pytest.raises(BadRequest, match="prefix of the route mine"):
        await book.save_provider(Provider(slug="word", base_url="http://127.0.0.1:1"))


async def test_routes_of_a_file_win_are_read_only_and_follow_the_file(
    book: SetupBook, published: Published, config_file: Path
) -> None:
    await book.save_route(ROUTE)
    providers = config_file.read_text()
    config_file.write_text(providers + "routes:\n  - {name: mine, targets: [{provider: filed}]}\n")
    await book.look()
    assert book.route("mine").source == f"file:{config_file}:4"
    with pytest.raises(BadRequest, match="change it there"):
        await book.save_route(ROUTE)
    config_file.write_text(providers + "routes:\n  - {name: mine, targets: [{provider: gone}]}\n")
    await book.look()
    assert f"{config_file}:4: routes[0].targets[0].provider" in book.problems[0]
    assert book.route("mine").targets[0].provider == "filed"
    config_file.write_text(providers)
    await book.look()
    assert book.problems == []
    assert book.route("mine").source == "edited"


async def test_an_edited_route_that_lost_its_provider_is_left_out_and_named(book: SetupBook, config_file: Path) -> None:
    await book.save_route(msgspec.structs.replace(ROUTE, targets=[Target(provider="filed")]))
    text = config_file.read_text()
    config_file.write_text("providers: []\n")
    await book.look()
    assert not book.route("mine").is_active
    assert "route mine is left out: targets[0].provider" in book.problems[0]
    config_file.write_text(text)
    await book.look()
    assert book.route("mine").is_active


async def test_limits_are_taken_while_it_runs_and_what_is_not_is_named(
    tmp_path: Path, start: Start, store: Store, published: Published, config_file: Path
) -> None:
    reloaded: list[Start] = []
    book = SetupBook(start, tmp_path / "run", store, on_publish=published, on_reload=reloaded.append)
    await book.start()
    config_file.write_text(
        "limits: {body: 1MB}\njournal: {max_stall: 1s}\nretention: {bodies: 1d}\n"
        "server: {allowed_hosts: [a.example], port: 9, gateways: 3}\nlog: {level: debug}\n"
    )
    await book.look()
    setup = published.setups[-1]
    assert (setup.limits.body, setup.journal.max_stall, setup.allowed_hosts) == (1024**2, 1.0, ["a.example"])
    assert reloaded[-1].config.retention.bodies == 86400
    assert [one.split(" ")[0] for one in book.problems] == ["server.port", "server.gateways", "log.level"]
    assert all("started again" in one for one in book.problems)
    await book.close()


async def test_a_file_of_the_working_directory_does_not_redirect_what_was_edited_here(
    tmp_path: Path, store: Store, published: Published
) -> None:
    store.save_provider(LOCAL)
    text = "providers:\n  - {slug: local, base_url: 'http://elsewhere', dialects: [openai_chat]}\n"
    (tmp_path / "dragoman.yaml").write_text(text)
    (tmp_path / "run").mkdir()
    found = load(env={}, directory=tmp_path, user_directory=tmp_path / "none")
    book = SetupBook(found, tmp_path / "run", store, on_publish=published)
    await book.start()
    assert book.provider("local").base_url == LOCAL.base_url
    assert len(book.problems) == 1 and "dragoman.yaml:2" in book.problems[0] and "--config" in book.problems[0]
    await book.close()
    named = load(config_file=tmp_path / "dragoman.yaml", env={}, user_directory=tmp_path / "none")
    book = SetupBook(named, tmp_path / "run", store, on_publish=published)
    await book.start()
    assert (book.provider("local").base_url, book.problems) == ("http://elsewhere", [])
    await book.close()


async def test_a_file_that_is_being_written_is_waited_for(book: SetupBook, config_file: Path) -> None:
    whole = config_file.read_text() + "routes:\n  - {name: late, targets: [{provider: filed}]}\n"
    config_file.write_text("")
    looking = asyncio.create_task(book.look())
    await asyncio.sleep(0)
    config_file.write_text(whole)
    await looking
    assert names(book.current) == ["late"]
    assert book.problems == []
