"""What does not fit is told with what would."""

import msgspec
import pytest

from dragoman.api.misfit import misfit
from dragoman.api.route_schemas import ExplainBody, RouteBody


@pytest.mark.parametrize(
    ("kind", "text", "field", "words"),
    [
        (ExplainBody, '{"dialect": "klingon"}', "dialect", ["'klingon'", "openai_chat, ", "ollama_chat"]),
        (
            RouteBody,
            '{"name": "x", "targets": [{"provider": "p", "dialect": "chat"}]}',
            "targets[0].dialect",
            ["found 'chat'", "openai_chat"],
        ),
        (RouteBody, '{"name": "x", "modle": "m"}', None, ["`modle`", "known: ", "model"]),
        (
            RouteBody,
            '{"name": "x", "targets": [{"provider": "p", "url": "u"}]}',
            "targets[0]",
            ["`url`", "known: provider, dialect, model"],
        ),
        (RouteBody, '{"name": "x", "retry": {"on": ["never"]}}', "retry.on[0]", ["found 'never'", "connect, timeout"]),
        (RouteBody, '{"name": 5}', "name", ["Expected `str", "got `int`"]),
        (RouteBody, "[]", None, ["Expected `object`, got `array`"]),
    ],
)
def test_a_complaint_names_what_was_found_and_what_fits(
    kind: type, text: str, field: str | None, words: list[str]
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(text, type=kind)
    error = misfit(kind, str(caught.value))
    assert error.field == field
    for word in words:
        assert word in error.message
