"""Where the pieces of a JSON request body lie, as exact byte ranges.

A body is cut into parts in byte order: head, slices of the system prompt, of the tools and of the messages
(in the order in which the body has them), stretches between them, tail. Joined, they are the body again.
Separators belong to the front of the later slice. Knows JSON, but no dialect: a dialect says which keys.
"""

from typing import Literal

import msgspec

SliceKind = Literal["head", "system", "tools", "messages", "mark", "between", "tail"]


class Slice(msgspec.Struct, frozen=True, array_like=True):
    """Bytes `start` up to `end` of the body. `kind` names the chain it belongs to.

    A `mark` is a `cache_control` stretch inside a message, tool or system slice: stored, but kept out of the
    chain, so that a moving mark does not renew the message around it.
    """

    kind: SliceKind
    start: int
    end: int
    item: int = -1
    """Index of the message, tool or system block; -1 for the rest."""


Slices = list[Slice]
