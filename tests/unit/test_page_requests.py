"""What a browser sends is cut into requests: nothing is lost or changed, and what has two meanings is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.page.requests import LONGEST_HEAD, BadRequest, Head, Requests, read

HOST = b"Host: 127.0.0.1:18700\r\n"
PLAIN = b"GET /a?b HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /y HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"3;note=1\r\nGET\r\n1c\r\nGET / HTTP/1.1\r\nHost: evil\r\n\r\n0\r\nTrailer: t\r\n\r\n"
)
SOCKET = b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"


def heads(stream: bytes, *cuts: int) -> tuple[list[Head], bytes]:
    """Feed a stream cut at places; return the heads, and every byte that would be passed on."""
    requests, found, passed = Requests(), list[Head](), b""
    for begin, end in zip((0, *sorted(cuts)), (*sorted(cuts), len(stream)), strict=True):
        for piece in requests.feed(stream[begin:end]):
            found += [piece] if isinstance(piece, Head) else []
            passed += piece.raw if isinstance(piece, Head) else piece
    return found, passed


@given(st.lists(st.sampled_from([PLAIN, POST, CHUNKED]), min_size=1, max_size=6), st.data())
def test_every_request_of_a_connection_is_seen_and_every_byte_is_passed_on(
    parts: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(parts) + SOCKET + b"\x81\x05GET /\r\n\r\n"
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    found, passed = heads(stream, *cuts)
    assert passed == stream
    assert [head.host for head in found] == ["127.0.0.1:18700"] * (len(parts) + 1)
    assert found[-1].upgrade


@pytest.mark.parametrize(
    "raw",
    [
        b"GET http://evil/ HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"\x16\x03\x01 a\r\n\r\n",
    ],
)
def test_a_head_that_browsers_do_not_send_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        read(raw)


@pytest.mark.parametrize("size", [b"-1", b"0x1", b"", b"g", b"1" * 16])
def test_a_chunk_whose_size_is_none_is_refused(size: bytes) -> None:
    with pytest.raises(BadRequest):
        heads(b"POST /y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")


def test_a_head_without_end_is_refused_before_it_fills_the_memory() -> None:
    requests = Requests()
    assert list(requests.feed(b"GET / HTTP/1.1\r\nX: " + b"x" * (LONGEST_HEAD - 20))) == []
    with pytest.raises(BadRequest):
        list(requests.feed(b"x" * 20))
