"""Where the messages and parts of a prompt stood in the Chat body that it was read from."""

from dragoman.canonical import AnyPart, Media, Message, Prompt, Reasoning, Refusal, ToolCall, ToolResult
from dragoman.dialects.openai_chat.content import NAME
from dragoman.dialects.spelling import form_of


def locate(prompt: Prompt, message: int, part: int | None = None) -> str:
    """Give the JSON path of a message, or of one of its parts."""
    key = form_of(prompt.extra, NAME).get("own", "messages")
    if key != "messages":
        return f"$.{key}" if part is None or len(prompt.messages[message].parts) < 2 else f"$.{key}[{part}]"
    place = f"$.messages[{message}]"
    if part is None or not 0 <= message < len(prompt.messages):
        return place
    said = prompt.messages[message]
    return place + _below(said, part) if 0 <= part < len(said.parts) else place


def _below(message: Message, number: int) -> str:
    notes = form_of(message.extra, NAME)
    parts = message.parts
    part = parts[number]
    match part:
        case ToolCall():
            if part.extra.get(NAME, {}).get("function_call"):
                return ".function_call"
            return f".tool_calls[{sum(isinstance(one, ToolCall) for one in parts[:number])}]"
        case ToolResult():
            return ""
        case Reasoning() if notes.get("reasoning"):
            return "." + notes["reasoning"]
        case Refusal() if not notes.get("list"):
            return ".refusal"
        case Media(kind="audio", file_id=str()):
            return ".audio"
        case _ if notes.get("list"):
            return f".content[{sum(_is_in_content(one, notes) for one in parts[:number])}]"
        case _:
            return ".content"


def _is_in_content(part: AnyPart, notes: dict[str, object]) -> bool:
    if isinstance(part, Reasoning):
        return not notes.get("reasoning")
    return not isinstance(part, ToolCall)
