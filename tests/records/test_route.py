"""Which route wins, and why."""

import pytest

from dragoman.records.route import Retry, Route, RouteTable, Target, matches, route_fault, target_dialect, unspoken

TO = [Target(provider="openai")]


def route(name: str, model: str | None = None, *, prefix: str | None = None, priority: int = 50, **more) -> Route:
    return Route(name=name, model=model, prefix=prefix, priority=priority, targets=TO, **more)


@pytest.mark.parametrize(
    ("pattern", "model", "is_covered"),
    [
        (None, None, True),
        (None, "gpt-5", True),
        ("*", "gpt-5", True),
        ("*", None, False),
        ("gpt-*", "gpt-5", True),
        ("gpt-*", "claude", False),
        ("gpt-5", "gpt-5", True),
        ("gpt-5", "gpt-5-mini", False),
        ("gpt-*", None, False),
    ],
)
def test_a_pattern_covers_models(pattern: str | None, model: str | None, is_covered: bool) -> None:
    assert matches(pattern, model) is is_covered


def test_priority_then_exact_then_longer_then_order_decide() -> None:
    table = RouteTable(
        [
            route("any"),
            route("short", "claude-*"),
            route("long", "claude-sonnet-*"),
            route("exact", "claude-sonnet-4-5"),
            route("first", "gpt-*", priority=10),
            route("twin", "claude-*"),
        ]
    )
    assert [one.name for one in table.routes] == ["first", "exact", "long", "short", "twin", "any"]
    found = {model: table.find(None, model) for model in ("claude-sonnet-4-5", "claude-sonnet-5", "claude-x", None)}
    assert {model: one and one.name for model, one in found.items()} == {
        "claude-sonnet-4-5": "exact",
        "claude-sonnet-5": "long",
        "claude-x": "short",
        None: "any",
    }


def test_a_prefix_keeps_its_requests_apart_and_explain_says_why() -> None:
    table = RouteTable(
        [
            route("inside", prefix="/lab"),
            route("outside"),
            route("asleep", "gpt-5", is_active=False),
            route("b", "gpt-5"),
        ]
    )
    assert table.prefixes == {"lab"}
    assert (table.find("/lab", "gpt-5") or route("none")).name == "inside"
    assert table.find("/elsewhere", "gpt-5") is None
    outcomes = {one.route: one.outcome for one in table.explain(None, "gpt-5")}
    assert outcomes == {"inside": "other_prefix", "outside": "matches", "asleep": "off", "b": "wins"}
    assert "b comes first" in next(one.why for one in table.explain(None, "gpt-5") if one.route == "outside")


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"name": "No Slug"}, "name"),
        ({"prefix": "lab"}, "prefix"),
        ({"prefix": "/api"}, "prefix"),
        ({"prefix": "/openai"}, "prefix"),
        ({"model": "a*b"}, "model"),
        ({"targets": []}, "targets"),
        ({"targets": [Target(provider="nobody")]}, "targets[0].provider"),
        ({"retry": Retry(attempts=0)}, "retry.attempts"),
        ({"retry": Retry(on=(200,))}, "retry.on"),
    ],
)
def test_a_wrong_route_is_named_with_its_field(fault: dict, field: str) -> None:
    found = route_fault(Route(**{"name": "good", "targets": TO, **fault}), ["openai"])
    assert found is not None
    assert found[0] == field


def test_a_good_route_has_no_fault() -> None:
    assert route_fault(route("good", "gpt-*", prefix="/lab"), ["openai"]) is None


@pytest.mark.parametrize(
    ("named", "spoken", "asked", "spoken_there"),
    [
        (None, ["openai_chat", "anthropic_messages"], "anthropic_messages", "anthropic_messages"),
        (None, ["openai_chat", "anthropic_messages"], "ollama_chat", "openai_chat"),
        (None, [], "ollama_chat", "ollama_chat"),
        ("openai_chat", ["openai_chat", "anthropic_messages"], "anthropic_messages", "openai_chat"),
        ("openai_chat", ["openai_chat"], None, None),
    ],
)
def test_a_target_is_asked_in_the_dialect_of_the_client_where_it_speaks_that(
    named, spoken, asked, spoken_there
) -> None:  # type: ignore[no-untyped-def]
    assert target_dialect(Target(provider="openai", dialect=named), spoken, asked) == spoken_there


def test_a_target_is_asked_in_a_dialect_that_its_provider_speaks() -> None:
    spoken = {"openai": ["openai_chat"], "any": []}
    to = [Target(provider="any", dialect="ollama_chat"), Target(provider="openai", dialect="ollama_chat")]
    found = unspoken(Route(name="x", targets=to), spoken)
    assert found is not None
    assert found[0] == "targets[1].dialect"
    assert "openai speaks openai_chat, not ollama_chat" in found[1]
    assert unspoken(Route(name="x", targets=[Target(provider="openai", dialect="openai_chat")]), spoken) is None
    assert unspoken(Route(name="x", targets=TO), spoken) is None
