"""A conversation put into the order that Anthropic and Amazon demand: user and assistant by turns, each round's tool
results in one user turn, right after the calls.

Other dialects let results stand apart, come late, or be missing; ids may be of any form, used twice, or absent.
Promise: every call gets one result, in its place; ids fit the target, stay as they are where they fit, and two that
differ stay different. Nothing that says something is left out without a Loss. Knows no wire format.
"""

import re
from collections.abc import Iterator
from hashlib import blake2s
from typing import Literal, NamedTuple

import msgspec

from dragoman.canonical import AnyPart, Loss, Message, Text, ToolCall, ToolResult
from dragoman.dialects.losses import message_path

NO_RESULT = "(no result)"
FILLER = "."
"""What a user says where a turn of his must stand and none came."""

_CLEAN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DIRTY = re.compile(r"[^A-Za-z0-9_-]")


class Piece(NamedTuple):
    """A part, and where it stood in the prompt."""

    part: AnyPart
    message: int
    position: int


class Turn(msgspec.Struct):
    role: Literal["system", "user", "assistant"]
    pieces: list[Piece]

    @property
    def calls(self) -> list[Piece]:
        return [piece for piece in self.pieces if is_clients_call(piece.part)]


class Conversation(msgspec.Struct):
    system: list[Piece]
    """What stood before the first turn."""
    turns: list[Turn]
    losses: list[Loss]


def arrange(messages: list[Message], *, takes_late_system: bool) -> Conversation:
    """Put messages into turns; `takes_late_system` says that a system turn may follow a user's."""
    losses: list[Loss] = []
    system, turns = _turns(_with_fitting_ids(messages), losses, takes_late_system=takes_late_system)
    turns = _with_results_in_place(turns, losses)
    for turn in turns:
        turn.pieces = [piece for piece in turn.pieces if not is_blank(piece.part)]
    turns = _joined([turn for turn in turns if turn.pieces])
    if not turns or turns[0].role != "user":
        turns.insert(0, Turn("user", [Piece(Text(text=FILLER), 0, 0)]))
    return Conversation([piece for piece in system if not is_blank(piece.part)], turns, losses)


def called_names(conversation: Conversation) -> list[str]:
    """Name the tools that a conversation calls, in order; a request with calls must declare them."""
    parts = [piece.part for turn in conversation.turns for piece in turn.calls]
    return list(dict.fromkeys(part.name for part in parts if isinstance(part, ToolCall) and part.name))


def is_blank(part: AnyPart) -> bool:
    """Say whether a part is a text that says nothing; Anthropic and Amazon refuse such blocks."""
    return isinstance(part, Text) and not part.text.strip()


def is_clients_call(part: AnyPart) -> bool:
    """Say whether a part is a call that the client answers."""
    return isinstance(part, ToolCall) and part.kind != "server"


def fitting_id(given: str) -> str:
    """Return an id of letters, digits, `_` and `-`, at most 64; one that fits stays, others get a mark of their own."""
    if _CLEAN.fullmatch(given):
        return given
    mark = blake2s(given.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{_DIRTY.sub('_', given)[:50]}_{mark}"


class _Ids:
    """Gives calls their ids, and results the id of the call that they answer."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._open: list[tuple[str | None, str, str]] = []
        """Calls without a result: the id that came, the name, the id that is written."""

    def of_call(self, call: ToolCall) -> str:
        wanted = fitting_id(call.id) if call.id else f"call_{len(self._used) + 1}"
        written, number = wanted, 1
        while written in self._used:
            number += 1
            written = f"{wanted[:58]}_{number}"
        self._used.add(written)
        self._open.append((call.id, call.name, written))
        return written

    def of_result(self, result: ToolResult) -> str | None:
        """Return the id of the call that is answered; None when there is none."""
        if result.call_id:
            fits = [one for one in self._open if one[0] == result.call_id]
        else:
            fits = [one for one in self._open if one[1] == result.name] or self._open
        if not fits:
            return None
        found = fits[0]
        self._open.remove(found)
        return found[2]


def _with_fitting_ids(messages: list[Message]) -> Iterator[tuple[str, list[Piece]]]:
    """Give each message's role and pieces; a result that answers nothing has no `call_id` any more."""
    ids = _Ids()
    for number, message in enumerate(messages):
        pieces: list[Piece] = []
        for position, part in enumerate(message.parts):
            if isinstance(part, ToolCall) and part.kind != "server":
                part = msgspec.structs.replace(part, id=ids.of_call(part))
            elif isinstance(part, ToolResult) and part.kind != "server":
                part = msgspec.structs.replace(part, call_id=ids.of_result(part))
            pieces.append(Piece(part, number, position))
        yield message.role, pieces


def _turns(
    messages: Iterator[tuple[str, list[Piece]]], losses: list[Loss], *, takes_late_system: bool
) -> tuple[list[Piece], list[Turn]]:
    """Split off what stands before the first turn, and join neighbours of one role."""
    system: list[Piece] = []
    turns: list[Turn] = []
    given = list(messages)
    for number, (role, pieces) in enumerate(given):
        if role not in ("system", "developer"):
            turns.append(Turn("assistant" if role == "assistant" else "user", pieces))
        elif not turns:
            system += pieces
        elif takes_late_system and turns[-1].role in ("user", "system") and _is_answered(given, number):
            turns.append(Turn("system", pieces))
        elif pieces:
            losses.append(Loss(path=message_path(number), reason=_DEMOTED))
            turns.append(Turn("user", pieces))
    return system, _joined(turns)


_DEMOTED = "there is no such turn in the middle of a conversation here; it was sent as a user's"


def _is_answered(messages: list[tuple[str, list[Piece]]], number: int) -> bool:
    """Say whether the next turn after this system message is the model's."""
    following = [role for role, _ in messages[number + 1 :] if role not in ("system", "developer")]
    return not following or following[0] == "assistant"


def _joined(turns: list[Turn]) -> list[Turn]:
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role != "system":
            joined[-1].pieces += turn.pieces
        else:
            joined.append(Turn(turn.role, list(turn.pieces)))
    return joined


def _with_results_in_place(turns: list[Turn], losses: list[Loss]) -> list[Turn]:
    """Put each round's results first into the user turn after its calls, in the order of the calls."""
    results = _take_results(turns, losses)
    placed: list[Turn] = []
    for number, turn in enumerate(turns):
        placed.append(turn)
        if turn.role != "assistant" or not turn.calls:
            continue
        answers = [_answer(call, results, losses) for call in turn.calls]
        if number + 1 < len(turns) and turns[number + 1].role == "user":
            turns[number + 1].pieces[:0] = answers
        else:
            placed.append(Turn("user", answers))
    return placed


def _take_results(turns: list[Turn], losses: list[Loss]) -> dict[str, Piece]:
    """Take the results out of their turns; one that answers no call becomes a text where it stood."""
    results: dict[str, Piece] = {}
    for turn in turns:
        left: list[Piece] = []
        for piece in turn.pieces:
            part = piece.part
            if not isinstance(part, ToolResult) or part.kind == "server":
                left.append(piece)
            elif part.call_id is not None:
                results[part.call_id] = piece
            else:
                reason = "the result answers no call in this conversation; it was sent as text"
                losses.append(Loss(path=message_path(piece.message, piece.position), reason=reason))
                left += [piece._replace(part=inner) for inner in part.parts]
        turn.pieces = left
    return results


def _answer(call: Piece, results: dict[str, Piece], losses: list[Loss]) -> Piece:
    part = call.part
    assert isinstance(part, ToolCall)
    found = results.get(part.id or "")
    if found is not None:
        return found
    reason = "the call has no result; an error stands in its place, since none may be missing"
    losses.append(Loss(path=message_path(call.message, call.position), reason=reason))
    return call._replace(part=ToolResult(call_id=part.id, parts=[Text(text=NO_RESULT)], is_error=True))
