"""Gather the journal's records of one exchange into a Recording.

Promise: pure; no record makes it fail. Bodies come out with the transfer coding removed and the content coding
kept, each piece of the reply with the time at which it came. What is missing is said, never made up: an
exchange that broke off keeps all that came.
Of a call that was rewritten or translated, the client's view comes first: the request as it came, the reply as it
was sent to the client. What passed with the provider is the upstream side.
Does not know dialects; `understand` reads the bodies.
"""

from collections.abc import Sequence

from dragoman.journal.format import ResponseHead
from dragoman.keeper.gathered import Gathered, TimeBase
from dragoman.keeper.heads import body_facts, facts_of, head_of, sent_head_of, text_headers
from dragoman.keeper.pieces import Pieces
from dragoman.records.exchange import (
    BodyFacts,
    Capture,
    Detail,
    Head,
    Mark,
    Recording,
    Row,
    UpstreamSide,
    state_of,
)

__all__ = ["Assembly", "TimeBase"]


class Assembly(Gathered):
    """What is known of one exchange so far; `take` its records in order, then make a `recording`."""

    def row(self) -> Row:
        """Make the row of the exchange as far as it has come; `understand` adds what the bodies say."""
        opened, head, closed, last = self.opened, self.head or self.sent_head, self.closed, self.attempts.last
        status = closed.status or None if closed else self._status()
        ending = closed.ending if closed else "interrupted" if self.is_interrupted else None
        route = last.route if last else closed.route if closed else None
        return Row(
            id=opened.id,
            state=state_of(ending, status),
            ending=ending,
            started_ns=self.started_ns,
            duration_ns=self.since_start(closed.mono_ns) if closed else None,
            first_byte_ns=self.since_start(head.mono_ns) if head else None,
            method=opened.method,
            path=opened.target.decode("latin-1"),
            status=status,
            error_code=closed.error_code if closed else None,
            error_message=closed.error_message if closed else None,
            provider=last.provider if last else None if route else opened.provider,
            dialect=opened.dialect,
            endpoint=opened.endpoint,
            route=route,
            upstream_dialect=last.dialect if last else None,
            upstream_model=last.model if last else None,
            losses=len(self.attempts.losses),
            peer=opened.peer,
            origin=opened.origin,
            run=opened.run,
            flags=self._flags(),
            attempts=len(self.attempts.all),
            request_bytes=self.request_ended.length if self.request_ended else self.request.size,
            response_bytes=self._response_bytes(),
            capture=self._capture(),
            is_untouched=self._is_untouched(),
        )

    def recording(self) -> Recording:
        """Make the whole record of an exchange that is over."""
        row, closed, client = self.row(), self.closed, self._client
        upstream_request = self.attempts.upstream_body
        request_body, upstream_reply = self.request.join(), self.reply.join()
        reply_body = client.join() or (closed.body if closed else b"")
        detail = Detail(
            row=row,
            request=self.request_head(),
            response=self._response_head(row),
            informational=[head_of(head) for head in self.informational],
            request_body=self._request_facts(request_body),
            response_body=self._reply_facts(reply_body),
            attempts=self.attempts.settle(self.head, closed, row.duration_ns or 0),
            alterations=self.marks,
            verdicts=list(self.verdicts),
            warnings=self.warnings,
            request_end_ns=self.since_start(self.request_ended.mono_ns) if self.request_ended else None,
            paused_ns=closed.paused_ns if closed else 0,
            sent_bytes=closed.sent_bytes if closed else 0,
            losses=self.attempts.losses,
            upstream=self._upstream_side(upstream_request, upstream_reply),
            setup_version=self.opened.setup_version,
        )
        return Recording(
            detail=detail,
            request_body=request_body,
            response_body=reply_body,
            frames=client.frames,
            tunnel_sent=self.tunnel_sent.join(),
            tunnel_frames=self.tunnel_sent.frames,
            upstream_request=upstream_request or b"",
            upstream_response=upstream_reply if self.is_translated else b"",
            upstream_frames=self.reply.frames if self.is_translated else [],
        )

    def request_head(self) -> Head:
        opened = self.opened
        return Head(
            line=f"{opened.method} {opened.target.decode('latin-1')}",
            http_version=opened.http_version,
            headers=text_headers(opened.headers),
            trailers=text_headers(self.request_ended.trailers) if self.request_ended else [],
            framing=opened.request_framing,
        )

    # The parts of the record.

    def _capture(self) -> Capture:
        if self.opened.capture == "none":
            return "none"
        return "partial" if self.missing else "full"

    def _flags(self) -> list[str]:
        flags = []
        if self.is_tunnel:
            flags.append("tunnel")
        if len(self.attempts.all) > 1:
            flags.append("retry")
        if self.missing and self.opened.capture != "none":
            flags.append("partial")
        if self.attempts.is_translated:
            flags.append("translated")
        if self._is_untouched() is False:
            flags.append("altered")
        return flags

    def _is_untouched(self) -> bool | None:
        """Say whether all that counts went on as it came; None when nothing was asked of anybody."""
        if not self.attempts.all:
            return None
        return not self.is_translated and self.attempts.upstream_body is None and is_untouched(self.marks)

    @property
    def _client(self) -> Pieces:
        """The reply as the client gets it."""
        return self.sent if self.is_translated else self.reply

    def _status(self) -> int | None:
        """Give what the client is answered, as far as the record has come."""
        if self.is_translated:
            return self.sent_head.status if self.sent_head else None
        return self.head.status if self.head else None

    def _response_bytes(self) -> int | None:
        """Give the size of the reply's body; of one that was not captured whole, what the client was sent."""
        size = self._client.size
        if self.closed is not None and "response" in self.missing and self.closed.sent_bytes:
            return max(size, self.closed.sent_bytes)
        if size:
            return size
        if self.closed is not None:
            return len(self.closed.body)
        return 0 if self._status() is not None else None

    def _response_head(self, row: Row) -> Head | None:
        if self.is_translated:
            if self.sent_head is not None:
                return sent_head_of(self.sent_head)
        elif self.head is not None:
            return self._provider_head(self.head)
        trailers = text_headers(self.closed.response_trailers) if self.closed else []
        return Head(line=str(row.status), trailers=trailers) if row.status else None

    def _provider_head(self, given: ResponseHead) -> Head:
        head = head_of(given)
        head.trailers = text_headers(self.closed.response_trailers) if self.closed else []
        return head

    def _upstream_side(self, request: bytes | None, reply: bytes) -> UpstreamSide | None:
        if request is None and not self.is_translated:
            return None
        side = UpstreamSide()
        if request is not None and self.attempts.last is not None:
            side.request_body = facts_of(request, self.attempts.last.headers)
        if self.is_translated and self.head is not None:
            side.response = self._provider_head(self.head)
            side.response_body = body_facts(reply, self.head.headers)
            side.response_body.is_whole = self._is_reply_whole()
            side.response_body.true_hash = self.closed.response_true_hash if self.closed is not None else None
        return side

    def _request_facts(self, body: bytes) -> BodyFacts:
        facts = body_facts(body, self.opened.headers)
        facts.is_whole = self.is_request_whole and "request" not in self.missing
        facts.true_hash = self.request_ended.true_hash if self.request_ended else None
        return facts

    def _reply_facts(self, body: bytes) -> BodyFacts:
        head = self.sent_head if self.is_translated else self.head
        facts = body_facts(body, head.headers if head else [])
        facts.is_whole = self._is_reply_whole()
        if not self.is_translated and self.closed is not None:
            facts.true_hash = self.closed.response_true_hash
        return facts

    def _is_reply_whole(self) -> bool:
        is_ended = self.closed is not None and self.closed.ending in ("complete", "answered", "refused")
        return is_ended and "response" not in self.missing


def is_untouched(marks: Sequence[Mark]) -> bool:
    """Say whether only credentials were replaced: all else that counts went on as it came."""
    return all(mark.what.startswith("credential") for mark in marks)
