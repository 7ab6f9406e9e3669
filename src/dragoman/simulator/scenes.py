"""The words of the demo's traffic: prompts, tools, tool results and a picture. Made up."""

import struct
import zlib
from typing import Any

HOUSE_MODEL = "house-model"
"""What one of the demo's routes leads to a model of another dialect."""
TEAM_PREFIX = "/team"
"""Under it another route asks a model that is always overloaded, and then one that answers."""

CLAUDE_CODE = "claude-cli/2.1.329 (external, cli)"

ASSISTANT = (
    "You are the assistant of a small museum of navigation. Answer briefly and kindly, in the language of the guest. "
    "When a question is about opening hours or tickets, look them up with the tools."
)
CODER = (
    "You are a coding agent that works in a terminal. Read before you write. Make the smallest change that solves "
    "the task, run the tests, and say in the end what you did and what you left alone.\n\n"
    + "\n".join(
        f"- {rule}"
        for rule in (
            "Prefer editing a file over making a new one.",
            "Never touch files outside the working directory.",
            "Quote the line that made you decide.",
            "Ask when two readings of the task lead to different code.",
        )
    )
    + "\n\nThe project is a tide calculator: Python 3.13, pytest, no dependencies at run time."
)
REVIEWER = (
    "You review changes. Look at the diff and at what calls the changed code. Report at most three findings, the "
    "gravest first, each with file, line and a remedy."
)
LOOKED_UP = "Sunday 10 to 17; adults 9, children 4, families 20"
SUMMARIZE = (
    "Summarize in three sentences: the harbour board met on Tuesday, heard the report on the dredging of the eastern "
    "channel, put off the vote on the new pilot station until the tide tables are corrected, and thanked the keeper."
)

QUESTIONS = (
    ("What did a dragoman do at the Sublime Porte?", "And who paid him?", "Could he refuse to translate?"),
    ("When is the museum open on Sunday?", "Is there a ticket for families?"),
    ("Why are there two tides a day?", "Why is the second one lower here?"),
    ("Explain to a ten-year-old how a sextant works.", "What if it is cloudy?"),
    ("Übersetze bitte: The fog lifts before noon.", "Und auf Türkisch?"),
    ("My sourdough does not rise. What do I check first?",),
    ("潮汐为什么每天晚五十分钟？",),
)

TASKS = (
    "The tide table is an hour off after the clocks change. Find out why and fix it.",
    "Add a --json flag to the `tides` command; keep the text output as it is.",
    "test_spring_tide fails on some machines only. Make it independent of the time zone.",
    "The harmonics are read from disk for each request. Read them once.",
    "Rename Station.datum to Station.chart_datum everywhere, and leave a note in the changelog.",
)

MISHAPS = (
    "sim-chat", "sim-chat", "sim-limit", "sim-error-429", "sim-error-500", "sim-error-401", "sim-error-529",
    "sim-refuse", "sim-cut", "sim-error-mid",
)  # fmt: skip


def _schema(**properties: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": description} for name, description in properties.items()
        },
        "required": list(properties)[:1],
        "additionalProperties": False,
    }


_CHAT_TOOLS = (
    ("opening_hours", "Look up when the museum is open.", _schema(day="Day of the week")),
    ("ticket_price", "Look up what a ticket costs.", _schema(kind="adult, child or family")),
)
_CODER_TOOLS = (
    ("Bash", "Run a command in the shell.", _schema(command="The command", description="What it does")),
    ("Read", "Read a file.", _schema(file_path="Absolute path", offset="First line")),
    ("Edit", "Replace text in a file.", _schema(file_path="Absolute path", old_string="Text", new_string="Its heir")),
    ("Grep", "Search in files.", _schema(pattern="Regular expression", path="Where")),
)

CHAT_TOOLS = [
    {"type": "function", "function": {"name": name, "description": words, "parameters": schema}}
    for name, words, schema in _CHAT_TOOLS
]
CODER_TOOLS = [{"name": name, "description": words, "input_schema": schema} for name, words, schema in _CODER_TOOLS]
REVIEWER_TOOLS = [
    {"type": "function", "name": name.lower(), "description": words, "parameters": schema, "strict": False}
    for name, words, schema in (_CODER_TOOLS[0], _CODER_TOOLS[3])
]

_OUTPUTS = (
    "tides/clock.py:41:    local = stamp.replace(tzinfo=zone)\n"
    "tides/clock.py:58:    return local - zone.utcoffset(local)\n",
    "============ test session starts ============\ncollected 48 items\n\ntests/test_clock.py ....F...\n"
    "E   assert 1440 == 1500\n1 failed, 47 passed in 0.92s\n",
    '     1\t"""When the water is high."""\n     2\t\n     3\tfrom datetime import UTC, datetime\n     4\t\n'
    "     5\tdef high_water(station, day):\n     6\t    return [one for one in station.extremes(day) if one.is_high]\n",
    "The file tides/clock.py has been updated.",
    "============ 48 passed in 0.88s ============\n",
)


def output(number: int) -> str:
    """Give the result of the tool call at this place of a conversation; each is a new text."""
    return f"{_OUTPUTS[number % len(_OUTPUTS)]}\n# step {number}"


def _picture(size: int) -> bytes:
    """Draw a small PNG: a disc of light over dark water."""
    rows = bytearray()
    for y in range(size):
        rows.append(0)
        for x in range(size):
            is_sun = (x - size // 2) ** 2 + (y - size // 3) ** 2 < (size // 5) ** 2
            is_water = y > size * 2 // 3 and (x + y) % 4
            rows += b"\xff\xd2\x78" if is_sun else b"\x1e\x5a\x8c" if is_water else b"\x2a\x24\x3c"
    parts = [(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(rows)))]
    parts.append((b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


PICTURE = _picture(96)
