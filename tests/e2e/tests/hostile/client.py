"""Sends what is hostile, byte by byte as it wants it, and tells how it ended."""

import re, socket, threading

# Longer than anything here takes.
LONG = 40
# Most frames of a flood: far more than any limit.
FRAMES = 200_000
# Whoever reads a second request in what should be one sends it on, and its server writes it down.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: %s\r\nx-reflect-log: 1\r\n\r\n"


def heard(address, port, text):
    """All that comes back to these bytes, until the end; nothing: it goes on."""
    with socket.create_connection((address, port), 10) as connection:
        connection.settimeout(LONG)
        answer = b""
        try:
            connection.sendall(text)
        except ConnectionError:
            # It may be answered, and ended, before all of it is there.
            pass
        try:
            while block := connection.recv(65536):
                answer += block
        except ConnectionError:
            # Closed with something unread it ends with a reset, behind the answer.
            pass
        except TimeoutError:
            return None
        return answer


def good(address, port, host):
    """The status of a request that nobody can read otherwise."""
    text = f"GET /fine HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nx-reflect-log: 1\r\n\r\n"
    return int((heard(address, port, text.encode()) or b"HTTP/1.1 0")[9:12])


def requests(host):
    """Requests of which each reader could make something else, or more than a head may have: what it is, its bytes, and
    what it has to be answered with."""
    host = host.encode()
    smuggled = SMUGGLED % host
    def post(fields, body=b""):
        return b"POST / HTTP/1.1\r\nHost: " + host + b"\r\n" + fields + b"\r\n\r\n" + body + smuggled
    end = b"0\r\n\r\n"
    length = b"%d" % len(smuggled)
    yield "both lengths", post(b"Content-Length: 5\r\nTransfer-Encoding: chunked", end), 400
    yield "lengths that differ", post(b"Content-Length: 0\r\nContent-Length: " + length), 400
    yield "a list of lengths", post(b"Content-Length: 0, " + length), 400
    yield "a length with a sign", post(b"Content-Length: +0"), 400
    yield "a space before the colon", post(b"Transfer-Encoding : chunked", end), 400
    yield "chunked twice", post(b"Transfer-Encoding: chunked, chunked", end), 400
    yield "chunked in disguise", post(b"Transfer-Encoding: \x0bchunked", end), 400
    yield "a folded line", post(b"Transfer-Encoding:\r\n chunked", end), 400
    yield "a bare line end", post(b"X-A: a\nTransfer-Encoding: chunked", end), 400
    yield "two hosts", b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nHost: other\r\n\r\n" + smuggled, 400
    yield "a large head", b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nX: " + b"x" * 70_000 + b"\r\n\r\n" + smuggled, 431
    many = b"".join(b"X-%d: a\r\n" % number for number in range(200))
    yield "many fields", b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n" + many + b"\r\n" + smuggled, 431


def crooked(address, port, host):
    """For each of them: what it is, the statuses of all that was answered, and the one that is right. No statuses: it
    goes on."""
    told = []
    for what, text, right in requests(host):
        answer = heard(address, port, text)
        statuses = None if answer is None else [int(one) for one in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]
        told.append([what, statuses, right])
    return told


# ---- HTTP/2

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def number(value):
    """An integer of HPACK with a prefix of seven bits."""
    if value < 127:
        return bytes([value])
    value, coded = value - 127, b"\x7f"
    while value >= 128:
        coded, value = coded + bytes([value % 128 | 128]), value // 128
    return coded + bytes([value])


def literal(name, value, first=0x00):
    """A field that is not indexed, or with 0x40 one that is."""
    return bytes([first]) + number(len(name)) + name + number(len(value)) + value


def head(host, method=b"\x82"):
    # GET / by http.
    return method + b"\x84\x86" + literal(b":authority", host.encode())


def crooked_heads(host):
    """Heads that would be something else in HTTP/1.1, behind one that is what it seems."""
    yield "nothing", head(host), b""
    smuggled = b"a\r\n\r\n" + SMUGGLED % host.encode()
    post = head(host, b"\x83")
    yield "line ends in a value", head(host) + literal(b"x-a", smuggled), b""
    yield "a line end in a path", b"\x82\x86" + literal(b":path", b"/ HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled), b""
    yield "a colon in a name", head(host) + literal(b"x-a: b", b"c"), b""
    yield "an upper-case name", head(host) + literal(b"X-A", b"a"), b""
    yield "a field of the connection", head(host) + literal(b"connection", b"x-a"), b""
    yield "chunked", post + literal(b"transfer-encoding", b"chunked"), b"0\r\n\r\n" + smuggled
    yield "a length that lies", post + literal(b"content-length", b"1"), smuggled
    yield "two authorities", head(host) + literal(b"host", b"other.shop"), b""


def of_stream(answer, stream):
    """What became of a stream: the first of its frames that says so, or of the connection."""
    at = 0
    while len(answer) >= at + 9:
        length, kind = int.from_bytes(answer[at : at + 3], "big"), answer[at + 3]
        own, payload = int.from_bytes(answer[at + 5 : at + 9], "big"), answer[at + 9 : at + 9 + length]
        if own == stream and kind == HEADERS:
            # 200 is known by its index.
            return "passed" if payload[:1] == b"\x88" else "refused"
        if own == stream and kind == RESET or kind == GOAWAY and int.from_bytes(payload[4:8], "big"):
            return "reset"
        at += 9 + length
    return None


def crooked_by_http2(address, port, host):
    """For each of them: what it is, and what became of it."""
    told = []
    for what, block, body in crooked_heads(host):
        with socket.create_connection((address, port), 10) as connection:
            connection.settimeout(LONG)
            flags = END_HEADERS | (0 if body else END_STREAM)
            sent = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, flags, 1, block)
            connection.sendall(sent + (frame(DATA, END_STREAM, 1, body) if body else b""))
            answer, ended = b"", None
            try:
                while not ended and (block := connection.recv(65536)):
                    answer += block
                    ended = of_stream(answer, 1)
                told.append([what, ended or "reset"])
            except ConnectionError:
                told.append([what, "reset"])
            except TimeoutError:
                told.append([what, "goes on"])
    return told


def floods(host):
    """Frames without end that cost their reader and bring nothing: what they are, what begins, and what goes on."""
    own = head(host)
    empty = b""
    yield "resets", empty, lambda n: frame(HEADERS, 5, 2 * n + 1, own) + frame(RESET, 0, 2 * n + 1, b"\0\0\0\x08")
    # A window cannot grow by nothing: whoever is sent that has to reset the stream itself.
    yield "provoked resets", empty, lambda n: frame(HEADERS, 4, 2 * n + 1, own) + frame(WINDOW, 0, 2 * n + 1, bytes(4))
    yield "pings", empty, lambda n: frame(PING, 0, 0, bytes(8))
    yield "settings", empty, lambda n: frame(SETTINGS, 0, 0)
    yield "continuations", frame(HEADERS, END_STREAM, 1, own), lambda n: frame(CONTINUATION, 0, 1)
    fields = b"".join(literal(b"x-%d" % one, b"x" * 1000) for one in range(16))
    yield "fields", frame(HEADERS, END_STREAM, 1, own), lambda n: frame(CONTINUATION, 0, 1, fields)
    yield "empty data", frame(HEADERS, END_HEADERS, 1, head(host, b"\x83")), lambda n: frame(DATA, 0, 1)
    yield "priorities", empty, lambda n: frame(PRIORITY, 0, 2 * n + 1, bytes(5))
    # One field of 4 KB, of which every further byte makes another one.
    bomb = literal(b"x-a", b"x" * 3900, 0x40)
    yield "references", frame(HEADERS, END_STREAM, 1, own + bomb), lambda n: frame(CONTINUATION, 0, 1, b"\xbe" * 1000)


def flood(what, address, port, host):
    """Sends it until the peer ends the connection: whether it did, and how many frames it took until then."""
    (begin, more), = ((begin, more) for name, begin, more in floods(host) if name == what)
    with socket.create_connection((address, port), 10) as connection:
        connection.settimeout(LONG)
        ended = threading.Event()

        def read():
            try:
                while connection.recv(65536):
                    pass
            except ConnectionError:
                pass
            except TimeoutError:
                return
            ended.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        sent = 0
        try:
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + begin)
            while sent < FRAMES and not ended.is_set():
                connection.sendall(more(sent))
                sent += 1
        except ConnectionError:
            pass
        except TimeoutError:
            return [False, sent]
        reader.join(LONG + 1)
        return [ended.is_set(), sent]


def names(host):
    return [name for name, *_ in floods(host)]
