"""Whole replies told again as streams, as each dialect's servers would have sent them. Made up, from recorded ones."""

import json
from collections.abc import Iterator
from typing import Any

Wire = dict[str, Any]


def sse(event: str | None, value: Wire) -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()


def pieces(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def chat_stream(reply: Wire) -> bytes:
    """Chat: chunks, then a chunk of usage alone, then `[DONE]`."""
    common = {key: value for key, value in reply.items() if key not in ("choices", "usage", "object")}
    chunks: list[Wire] = []
    for choice in reply["choices"]:
        begun = {"index": choice["index"], "finish_reason": None}
        chunks += [{**common, "choices": [{**begun, "delta": one}]} for one in _chat_deltas(choice["message"])]
        left = {key: value for key, value in choice.items() if key != "message"}
        chunks.append({**common, "choices": [{**left, "delta": {}}]})
    if reply.get("usage"):
        chunks.append({**common, "choices": [], "usage": reply["usage"]})
    return b"".join(sse(None, chunk) for chunk in chunks) + b"data: [DONE]\n\n"


def _chat_deltas(message: Wire) -> Iterator[Wire]:
    yield {"role": "assistant", "content": ""}
    if message.get("reasoning_details"):
        yield {"reasoning_details": message["reasoning_details"], "reasoning": message.get("reasoning")}
        message = {**message, "reasoning": None}
    for key in ("reasoning_content", "reasoning", "content", "refusal"):
        if isinstance(message.get(key), str):
            yield from ({key: piece} for piece in pieces(message[key]))
    if isinstance(message.get("content"), list):
        yield {"content": message["content"]}
    known = ("role", "content", "refusal", "tool_calls", "reasoning_content", "reasoning", "reasoning_details")
    for key, value in message.items():
        if key not in known and value is not None:
            yield {key: value}
    for index, call in enumerate(message.get("tool_calls") or []):
        kind, field = ("function", "arguments") if "function" in call else ("custom", "input")
        yield {"tool_calls": [{**call, "index": index, kind: {**call[kind], field: ""}}]}
        for piece in pieces(call[kind][field]):
            yield {"tool_calls": [{"index": index, kind: {field: piece}}]}


def messages_stream(reply: Wire) -> bytes:
    """Messages: message_start, blocks, message_delta with the cumulative usage, message_stop; a ping between."""
    usage = {**reply["usage"], "output_tokens": 1}
    start = {**reply, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    out = sse("message_start", {"type": "message_start", "message": start}) + sse("ping", {"type": "ping"})
    for index, block in enumerate(reply["content"]):
        first, deltas = _block_deltas(block)
        out += sse(
            "content_block_start", {"type": "content_block_start", "index": index, "content_block": {**block, **first}}
        )
        for delta in deltas:
            out += sse("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})
        out += sse("content_block_stop", {"type": "content_block_stop", "index": index})
    delta = {key: reply.get(key) for key in ("stop_reason", "stop_sequence")}
    out += sse("message_delta", {"type": "message_delta", "delta": delta, "usage": reply["usage"]})
    return out + sse("message_stop", {"type": "message_stop"})


def _block_deltas(block: Wire) -> tuple[Wire, list[Wire]]:
    match block["type"]:
        case "text":
            cited = [{"type": "citations_delta", "citation": one} for one in block.get("citations") or []]
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
            return {"text": "", **({"citations": []} if "citations" in block else {})}, cited + deltas
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
            sealed = {"type": "signature_delta", "signature": block["signature"]}
            return {"thinking": "", "signature": ""}, [*deltas, sealed]
        case "tool_use" | "server_tool_use":
            text = json.dumps(block["input"]) if block["input"] else ""
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(text)]]
            return {"input": {}}, deltas
        case _:
            return {}, []


def responses_stream(reply: Wire, *, is_told_at_the_end: bool) -> bytes:
    """Responses: items added, grown and done; the last event repeats them, or (some servers) does not."""
    number = 0

    def event(kind: str, **fields: Any) -> bytes:
        nonlocal number
        number += 1
        return sse(kind, {"type": kind, "sequence_number": number, **fields})

    started = {**reply, "status": "in_progress", "output": [], "usage": None}
    out = event("response.created", response=started) + event("response.in_progress", response=started)
    for index, item in enumerate(reply["output"]):
        place = {"output_index": index, "item_id": f"changing-{number}"}
        out += event("response.output_item.added", output_index=index, item={**item, **_item_start(item)})
        for kind, fields in _item_events(item):
            out += event(kind, **place, **fields)
        out += event("response.output_item.done", output_index=index, item=item)
    final = reply if is_told_at_the_end else {**reply, "output": []}
    return out + event(f"response.{reply['status']}", response=final)


def _item_start(item: Wire) -> Wire:
    match item["type"]:
        case "message":
            return {"content": []}
        case "reasoning":
            return {"summary": []}
        case "function_call":
            return {"arguments": ""}
        case _:
            return {}


def _item_events(item: Wire) -> Iterator[tuple[str, Wire]]:
    match item["type"]:
        case "message":
            for number, piece in enumerate(item["content"]):
                yield "response.content_part.added", {"content_index": number, "part": {**piece, "text": ""}}
                for text in pieces(piece.get("text", "")):
                    yield "response.output_text.delta", {"content_index": number, "delta": text}
                yield "response.content_part.done", {"content_index": number, "part": piece}
        case "reasoning":
            for number, piece in enumerate(item.get("summary") or []):
                yield "response.reasoning_summary_part.added", {"summary_index": number, "part": {"text": ""}}
                for text in pieces(piece["text"]):
                    yield "response.reasoning_summary_text.delta", {"summary_index": number, "delta": text}
        case "function_call":
            for text in pieces(item["arguments"]):
                yield "response.function_call_arguments.delta", {"delta": text}
            yield "response.function_call_arguments.done", {"arguments": item["arguments"]}
        case _:
            pass


def ollama_stream(reply: Wire) -> bytes:
    """Ollama: lines; calls come whole, on a line before the last."""
    known = ("message", "response", "done", "done_reason", "context")
    facts = {key: value for key, value in reply.items() if key not in known}
    lines: list[Wire] = []
    if "message" in reply:
        for key in ("thinking", "content"):
            texts = pieces(reply["message"].get(key) or "")
            lines += [{"message": {"role": "assistant", "content": "", key: text}} for text in texts]
        if reply["message"].get("tool_calls"):
            lines.append({"message": {**reply["message"], "content": "", "thinking": ""}})
        last: Wire = {"message": {"role": "assistant", "content": ""}}
    else:
        lines += [{"response": piece} for piece in pieces(reply["response"])]
        last = {"response": ""}
    common = {"model": reply["model"], "created_at": reply["created_at"]}
    left = {key: reply[key] for key in ("done_reason", "context") if key in reply}
    body = [{**common, **line, "done": False} for line in lines] + [{**facts, **last, **left, "done": True}]
    return b"".join(json.dumps(line).encode() + b"\n" for line in body)
