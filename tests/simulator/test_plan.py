"""Every behaviour is documented, deterministic, and makes arguments that fit the tool's schema."""

import json

import pytest

from dragoman.simulator.ask import Ask, Block, Tool, Turn, pieces_of
from dragoman.simulator.plan import BEHAVIOURS, MODELS, SHELL_COMMAND, UnknownModel, example, plan


def ask(model: str, **more: object) -> Ask:
    values: dict[str, object] = {
        "model": model,
        "turns": [Turn("user", "Hello")],
        "tools": [],
        "seed": "0123456789abcdef",
        "blocks": [Block(10), Block(5)],
        "earlier": 0,
    }
    return Ask(**{**values, **more})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_each_behaviour_says_what_it_does(name: str) -> None:
    assert BEHAVIOURS[name].__doc__


@pytest.mark.parametrize("model", MODELS)
def test_each_listed_model_can_be_asked(model: str) -> None:
    assert plan(ask(model)) == plan(ask(model))


def test_an_unknown_name_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(UnknownModel, match=r"sim-ecco.*sim-echo"):
        plan(ask("sim-ecco"))
    with pytest.raises(UnknownModel, match="999"):
        plan(ask("sim-error-999"))


def test_an_agent_works_until_it_has_its_results() -> None:
    tools = [Tool("read", {}), Tool("write", {})]
    turns = [Turn("user", "Do it")]
    names = []
    while (made := plan(ask("sim-agent-3", turns=turns, tools=tools))).calls:
        names.append(made.calls[0].name)
        turns += [Turn("assistant"), Turn("tool", results=["ok"])]
    assert names == ["read", "write", "read"]
    assert made.stop == "end"


def test_a_shell_is_found_among_the_tools_and_its_result_is_told() -> None:
    other = Tool("read", {"properties": {"path": {"type": "string"}}})
    as_text = Tool("Bash", {"properties": {"command": {"type": "string"}}, "required": ["command"]})
    as_list = Tool("shell", {"properties": {"cmd": {"type": "array", "items": {"type": "string"}}}})
    asked: list[object] = [
        json.loads(plan(ask("sim-shell", tools=[other, one])).calls[0].arguments) for one in (as_text, as_list)
    ]
    assert asked == [{"command": SHELL_COMMAND}, {"cmd": ["sh", "-c", SHELL_COMMAND]}]
    turns = [Turn("user", "Do it"), Turn("assistant"), Turn("tool", results=["tide-42"]), Turn("user", "A note.")]
    assert plan(ask("sim-shell", turns=turns, tools=[as_text])).text == "The shell said: tide-42"
    assert "no shell" in plan(ask("sim-shell", tools=[other])).text


def test_the_token_limit_of_the_request_is_kept() -> None:
    made = plan(ask("sim-long", max_tokens=10))
    assert made.stop == "length"
    assert made.usage.output <= 10


def test_the_cache_holds_what_an_earlier_prompt_held() -> None:
    usage = plan(ask("sim-echo", blocks=[Block(10), Block(20), Block(5)], earlier=2)).usage
    assert (usage.fresh, usage.cache_read) == (5, 30)


def test_an_explicit_cache_ends_at_the_last_mark() -> None:
    blocks = [Block(10, "1h"), Block(20), Block(5, "5m"), Block(7)]
    usage = plan(ask("sim-echo", blocks=blocks, earlier=1, is_cache_explicit=True)).usage
    assert (usage.fresh, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h) == (7, 10, 25, 0)
    unmarked = plan(ask("sim-echo", blocks=[Block(10), Block(5)], earlier=1, is_cache_explicit=True)).usage
    assert (unmarked.fresh, unmarked.cache_read) == (15, 0)


def test_examples_fit_their_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "count": {"type": ["null", "integer"]},
            "kind": {"enum": ["a", "b"]},
            "items": {"type": "array", "items": {"type": "boolean"}},
            "extra": {"type": "string"},
        },
        "required": ["name", "count", "kind", "items"],
    }
    assert example(schema, "word") == {"name": "word", "count": 3, "kind": "a", "items": [True]}
    assert example({"type": "object", "properties": {"q": {"type": "string"}}}, "word") == {"q": "word"}


def test_pieces_join_to_the_text() -> None:
    text = "Türkçe: su.\n\n  潮汐为什么每天晚五十分钟？ and a-very-long-word-without-any-space  "
    assert "".join(pieces_of(text)) == text
