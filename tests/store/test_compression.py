"""What is packed unpacks to the same; what is broken says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.records.exchange import Frame
from dragoman.store.compression import Packer, bytes_to_frames, frames_to_bytes, unpack

frames = st.lists(st.builds(Frame, st.integers(0, 2**40), st.integers(-(2**40), 2**60)), max_size=50)


@given(st.lists(st.binary(max_size=2_000), max_size=4))
def test_bytes_come_back(pieces: list[bytes]) -> None:
    packer = Packer()
    assert [unpack(packer.pack(one)) for one in pieces] == pieces


@given(frames)
def test_frames_come_back_to_the_microsecond(given: list[Frame]) -> None:
    found = bytes_to_frames(frames_to_bytes(given))
    assert found == [Frame(one.offset, one.at_ns // 1000 * 1000) for one in given]


def test_traffic_packs_well_though_it_is_short() -> None:
    event = (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta"}}\n\n'
    )
    assert len(Packer().pack(event)) < len(event) / 3


@pytest.mark.parametrize("stored", [b"", b"\x07abc", b"\x01abc", b"\x01"])
def test_broken_bytes_are_a_value_error(stored: bytes) -> None:
    with pytest.raises(ValueError, match=r"broken|unknown way"):
        unpack(stored)
