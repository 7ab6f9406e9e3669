"""The query language of lists: `model:opus* status:>=400 -client:codex dur:>5s "connection reset"`.

A term is `field:value` or text. Terms side by side must all hold; `OR` (in capitals) and parentheses join them
otherwise; `-` in front turns one round. A comma within a value is any of; a field twice is all of. `*` stands for
any signs. Text is looked for in what was newly said in an exchange, word by word, `"in quotes"` as a phrase.
Errors name the column, what was found and what was expected. Pure: `now_ns` is given.
"""

import re
from collections.abc import Iterator
from typing import Literal, get_args

import msgspec

from dragoman.canonical import StopReason
from dragoman.errors import BadRequest
from dragoman.records.exchange import State

Kind = Literal["word", "number", "size", "duration", "yes", "time", "text"]

FLAGS = (
    "tools", "image", "audio", "document", "reasoning", "refusal", "retry", "tunnel", "compressed", "altered",
    "translated", "partial", "unparsed", "warning", "error", "cached",
)  # fmt: skip


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the language; what a completion and the help show."""

    name: str
    kind: Kind
    description: str
    examples: list[str]
    values: list[str] = []
    """All that can be asked for, when the set is closed."""


FIELDS: tuple[Field, ...] = (
    Field(name="model", kind="word", description="Model asked for or served", examples=["gpt-4o", "claude-opus*"]),
    Field(name="status", kind="number", description="HTTP status", examples=["200", "4xx", ">=400", "500..599"]),
    Field(name="state", kind="word", description="State", examples=["error"], values=list(get_args(State))),
    Field(name="dialect", kind="word", description="Wire format", examples=["anthropic_messages", "openai*"]),
    Field(name="provider", kind="word", description="Provider's slug", examples=["openai"]),
    Field(name="route", kind="word", description="Route that was taken", examples=["claude-for-openai", "*"]),
    Field(
        name="upstream", kind="word", description="Wire format spoken with the provider, when translated",
        examples=["openai_chat", "*"],
    ),
    Field(name="losses", kind="number", description="What could not cross between wire formats", examples=[">0"]),
    Field(name="client", kind="word", description="Calling application", examples=["claude-code"]),
    Field(name="endpoint", kind="word", description="What was asked for", examples=["messages", "embeddings"]),
    Field(name="stream", kind="yes", description="Whether a stream was asked for", examples=["yes", "no"]),
    Field(name="dur", kind="duration", description="Duration", examples=[">5s", "300ms..2s"]),
    Field(name="ttft", kind="duration", description="Time to the first token", examples=[">1s"]),
    Field(name="in", kind="size", description="Tokens in, cached ones included", examples=[">50k"]),
    Field(name="out", kind="size", description="Tokens out, reasoning included", examples=[">=1000"]),
    Field(name="cached", kind="size", description="Tokens read from the provider's cache", examples=[">0"]),
    Field(name="turns", kind="number", description="Messages in the request", examples=[">20"]),
    Field(name="tool", kind="word", description="Tool that the model called", examples=["bash", "mcp__*"]),
    Field(name="has", kind="word", description="What it has", examples=["image", "error,retry"], values=list(FLAGS)),
    Field(name="session", kind="word", description="Session named by the client", examples=["3f2a*"]),
    Field(name="conversation", kind="word", description="Conversation", examples=["01JD*"]),
    Field(name="run", kind="word", description="Run", examples=["nightly"]),
    Field(name="tag", kind="word", description="Tag", examples=["keep"]),
    Field(name="origin", kind="word", description="Who sent it", examples=["client", "workbench"]),
    Field(name="method", kind="word", description="HTTP method", examples=["POST"]),
    Field(name="path", kind="word", description="Path and query", examples=["/v1/chat*"]),
    Field(
        name="stop", kind="word", description="Why the model stopped", examples=["length"],
        values=list(get_args(StopReason)),
    ),
    Field(name="error", kind="word", description="Error code", examples=["rate_limit*"]),
    Field(name="id", kind="word", description="Exchange", examples=["01JD*"]),
    Field(name="since", kind="time", description="Began at or after", examples=["1h", "2026-11-20T08:30"]),
    Field(name="until", kind="time", description="Began before", examples=["30m", "2026-11-21"]),
    Field(name="body", kind="text", description="Text that was said", examples=['"connection reset"', "timeou*"]),
)  # fmt: skip

_BY_NAME = {field.name: field for field in FIELDS}


class Words(msgspec.Struct, frozen=True, tag=True):
    """The field is one of `values`; each may hold `*`."""

    field: str
    values: list[str]


class Between(msgspec.Struct, frozen=True, tag=True):
    """`low` ≤ field < `high`, in the field's unit (nanoseconds for durations and times); None is open."""

    field: str
    low: int | None = None
    high: int | None = None


class Yes(msgspec.Struct, frozen=True, tag=True):
    field: str
    value: bool


class Text(msgspec.Struct, frozen=True, tag=True):
    """A phrase; a `*` at its end stands for any continuation of its last word."""

    text: str


class All(msgspec.Struct, frozen=True, tag=True):
    items: "list[Condition]"


class Any(msgspec.Struct, frozen=True, tag=True):
    items: "list[Condition]"


class Not(msgspec.Struct, frozen=True, tag=True):
    item: "Condition"


Condition = Words | Between | Yes | Text | All | Any | Not


class Query(msgspec.Struct, frozen=True):
    """What a list is asked for; `root` None is everything."""

    root: Condition | None = None

    def fields(self) -> set[str]:
        """Return the names of all fields in use; text counts as `body`."""
        return set() if self.root is None else set(_fields(self.root))


def parse(text: str, *, now_ns: int) -> Query:
    """Read a query. Raises BadRequest that says where and why."""
    return Query(_Parser(text, now_ns).parse())


def _fields(node: Condition) -> Iterator[str]:
    match node:
        case All() | Any():
            for item in node.items:
                yield from _fields(item)
        case Not():
            yield from _fields(node.item)
        case Text():
            yield "body"
        case Words() | Between() | Yes():
            yield node.field


_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<open>\() | (?P<close>\)) | (?P<not>-(?=[^\s)]))
      | (?P<field>[A-Za-z_]+): | (?P<quoted>"(?:[^"\\]|\\.)*") | (?P<word>[^\s()"]+) | (?P<broken>")""",
    re.VERBOSE | re.DOTALL,
)
_ITEM = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s()",]+')
_MAX_DEPTH = 40


class _Parser:
    def __init__(self, text: str, now_ns: int) -> None:
        self._text = text
        self._now_ns = now_ns
        self._at = 0
        self._depth = 0

    def parse(self) -> Condition | None:
        self._skip()
        if self._at == len(self._text):
            return None
        made = self._any()
        if self._at < len(self._text):
            raise _wrong(self._at, "found `)` without its `(`; expected a term")
        return made

    def _any(self) -> Condition:
        items = [self._all()]
        while self._take_word("OR"):
            items.append(self._all())
        return items[0] if len(items) == 1 else Any(items)

    def _all(self) -> Condition:
        items: list[Condition] = []
        self._skip()
        while self._at < len(self._text) and not self._ahead(")") and not self._sees_word("OR"):
            if not self._take_word("AND"):
                items.append(self._one())
            self._skip()
        if not items:
            raise _wrong(self._at, f"found {self._rest()}; expected a term such as `model:gpt*`")
        return items[0] if len(items) == 1 else All(items)

    def _one(self) -> Condition:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise _wrong(self._at, f"found {self._rest()}; expected a term")
        start, self._at = self._at, found.end()
        match found.lastgroup:
            case "not":
                return Not(self._one())
            case "open":
                return self._group(start)
            case "field":
                return self._field(found["field"], start)
            case "quoted":
                return _phrase(_unquote(found["quoted"]), start)
            case "word":
                return _phrase(found["word"], start)
            case _:
                raise _wrong(start, 'found a quote that is never closed; expected another `"`')

    def _group(self, start: int) -> Condition:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _wrong(start, f"found more than {_MAX_DEPTH} parentheses within each other")
        made = self._any()
        if not self._ahead(")"):
            raise _wrong(start, "found `(` without its `)`")
        self._at += 1
        self._depth -= 1
        return made

    def _field(self, name: str, start: int) -> Condition:
        field = _BY_NAME.get(name.lower())
        if field is None:
            known = ", ".join(one.name for one in FIELDS)
            raise _wrong(
                start,
                f"found the field `{name}`, which does not exist; known: {known}. Put text with a colon in quotes",
            )
        items: list[tuple[str, int]] = []
        while found := _ITEM.match(self._text, self._at):
            raw = found.group()
            items.append((_unquote(raw) if raw.startswith('"') else raw, self._at))
            self._at = found.end()
            if not self._ahead(","):
                break
            self._at += 1
        if not items:
            raise _wrong(self._at, f"found no value for `{field.name}`; expected such as {_examples(field)}")
        return _condition(field, items, self._now_ns)

    def _skip(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _ahead(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _sees_word(self, word: str) -> bool:
        end = self._at + len(word)
        return self._ahead(word) and (end == len(self._text) or self._text[end] in " \t\r\n()")

    def _take_word(self, word: str) -> bool:
        self._skip()
        if not self._sees_word(word):
            return False
        self._at += len(word)
        return True

    def _rest(self) -> str:
        return f"`{self._text[self._at : self._at + 20]}`" if self._at < len(self._text) else "the end"


def _condition(field: Field, items: list[tuple[str, int]], now_ns: int) -> Condition:
    if field.kind == "word":
        return Words(field.name, [_word(field, *item) for item in items])
    made = [_single(field, text, at, now_ns) for text, at in items]
    return made[0] if len(made) == 1 else Any(made)


def _single(field: Field, text: str, at: int, now_ns: int) -> Condition:
    match field.kind:
        case "text":
            return _phrase(text, at)
        case "yes":
            return Yes(field.name, _yes(field, text, at))
        case "time":
            ns = _time(field, text, at, now_ns)
            return Between(field.name, low=ns) if field.name == "since" else Between(field.name, high=ns)
        case _:
            return _range(field, text, at)


def _word(field: Field, text: str, at: int) -> str:
    if field.values and "*" not in text and text.lower() not in field.values:
        raise _wrong(at, f"found `{field.name}:{text}`; expected one of {', '.join(field.values)}")
    return text.lower() if field.values else text


def _phrase(text: str, at: int) -> Text:
    if not re.search(r"\w", text):
        raise _wrong(at, f"found the text `{text}`, which has no letter or digit to look for")
    return Text(text)


def _yes(field: Field, text: str, at: int) -> bool:
    if text.lower() in ("yes", "true", "1"):
        return True
    if text.lower() in ("no", "false", "0"):
        return False
    raise _wrong(at, f"found `{field.name}:{text}`; expected yes or no")


_CLASS = re.compile(r"([1-9])xx", re.IGNORECASE)


def _range(field: Field, text: str, at: int) -> Between:
    if field.name == "status" and (found := _CLASS.fullmatch(text)):
        return Between(field.name, int(found[1]) * 100, int(found[1]) * 100 + 100)
    for sign in (">=", "<=", ">", "<", "="):
        if text.startswith(sign):
            amount = _amount(field, text[len(sign) :], at)
            return _compare(field.name, sign, amount)
    if ".." in text:
        low, high = text.split("..", 1)
        return Between(field.name, _amount(field, low, at), _amount(field, high, at) + 1)
    return _compare(field.name, "=", _amount(field, text, at))


def _compare(name: str, sign: str, amount: int) -> Between:
    match sign:
        case ">=":
            return Between(name, low=amount)
        case ">":
            return Between(name, low=amount + 1)
        case "<=":
            return Between(name, high=amount + 1)
        case "<":
            return Between(name, high=amount)
        case _:
            return Between(name, amount, amount + 1)


_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)([a-zA-Z]*)")
_UNITS: dict[str, dict[str, int]] = {
    "number": {"": 1},
    "size": {"": 1, "k": 1_000, "m": 1_000_000},
    "duration": {
        "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
        "d": 86_400_000_000_000,
    },
}  # fmt: skip
_MAX = 2**62


def _amount(field: Field, text: str, at: int) -> int:
    units = _UNITS[field.kind]
    found = _AMOUNT.fullmatch(text)
    if found is None or found[2].lower() not in units:
        raise _wrong(at, f"found `{field.name}:{text}`; expected such as {_examples(field)}")
    whole, _, part = found[1].partition(".")
    unit = units[found[2].lower()]
    return min(int(whole) * unit + (int(part) * unit // 10 ** len(part) if part else 0), _MAX)


_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?", re.IGNORECASE
)


def _time(field: Field, text: str, at: int, now_ns: int) -> int:
    """Read a moment: so long ago (`1h`), or a date with or without time (UTC unless it says otherwise)."""
    found = _AMOUNT.fullmatch(text)
    if found and found[2].lower() in _UNITS["duration"]:
        return now_ns - _amount(msgspec.structs.replace(field, kind="duration"), text, at)
    date = _DATE.fullmatch(text)
    if date is None:
        raise _wrong(at, f"found `{field.name}:{text}`; expected such as {_examples(field)}")
    year, month, day, hour, minute, second = (int(one or 0) for one in date.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute < 60 and second <= 60):
        raise _wrong(at, f"found `{field.name}:{text}`, which is no date")
    seconds = _days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - _offset(date[8])
    return seconds * 1_000_000_000 + int((date[7] or "0").ljust(9, "0"))


def _offset(zone: str | None) -> int:
    if zone is None or zone in "zZ":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _days(year: int, month: int, day: int) -> int:
    """Count the days from 1970-01-01; years begin in March, so that leap days come last."""
    year -= month <= 2
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719_468


def _unquote(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)


def _examples(field: Field) -> str:
    return ", ".join(f"`{field.name}:{one}`" for one in field.examples)


def _wrong(at: int, message: str) -> BadRequest:
    return BadRequest(f"column {at + 1}: {message}", code="bad_query", field="q")
