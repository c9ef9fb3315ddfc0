"""A server of HTTP/1.1 and HTTP/2 that counts the connections it gets.

Each answer tells the protocol, which connection of its host it came by, and the server's name. Requests for /wait wait
for `release()`, and those for /fail fail; all others are answered after `delay` seconds, or fail if it is `failing`.
"""

import json, os, socket, threading, time
import h2.config, h2.connection, h2.events

connections = []
changed = threading.Condition()
released = False
delay, failing = 0, False


class Connection:
    def __init__(self):
        self.host, self.protocol, self.number = None, None, 0
        self.requests, self.active, self.most, self.is_open = 0, 0, 0, True

    def begin(self, host, protocol):
        with changed:
            if self.host is None:
                self.host, self.protocol = host, protocol
                self.number = 1 + sum(other.host == host for other in connections)
                connections.append(self)
            self.requests += 1
            self.active += 1
            self.most = max(self.most, self.active)
            changed.notify_all()

    def answer(self, path):
        """The body of an answer, when it is time for it."""
        time.sleep(delay)
        with changed:
            if path == "/wait":
                changed.wait_for(lambda: released)
            self.active -= 1
        return json.dumps([self.protocol, self.number, os.environ["POD_NAME"]]).encode() + b"\n"

    def end(self):
        with changed:
            self.is_open = False
            changed.notify_all()


def http1(connection, stream):
    with stream.makefile("rb") as lines:
        while line := lines.readline():
            path, host = line.decode().split()[1], ""
            while field := lines.readline().strip():
                name, value = field.decode().split(":", 1)
                if name.lower() == "host":
                    host = value.strip()
            connection.begin(host, "HTTP/1.1")
            body = connection.answer(path)
            status = b"500 Failed" if path == "/fail" or failing else b"200 OK"
            stream.sendall(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))


def http2(connection, stream):
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    lock = threading.Lock()

    def answer(number, path):
        body = connection.answer(path)
        with lock:
            state.send_headers(number, [(":status", "500" if path == "/fail" or failing else "200")])
            state.send_data(number, body, end_stream=True)
            stream.sendall(state.data_to_send())

    with lock:
        state.initiate_connection()
        stream.sendall(state.data_to_send())
    asked = {}
    while data := stream.recv(65536):
        with lock:
            events = state.receive_data(data)
            stream.sendall(state.data_to_send())
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                asked[event.stream_id] = {name: value for name, value in event.headers}
            if isinstance(event, h2.events.StreamEnded):
                fields = {as_text(name): as_text(value) for name, value in asked.pop(event.stream_id).items()}
                connection.begin(fields[":authority"], "HTTP/2")
                threading.Thread(target=answer, args=(event.stream_id, fields[":path"]), daemon=True).start()


def as_text(word):
    return word.decode() if isinstance(word, bytes) else word


def serve(stream):
    connection = Connection()
    try:
        with stream:
            start = stream.recv(4, socket.MSG_PEEK | socket.MSG_WAITALL)
            (http2 if start == b"PRI " else http1)(connection, stream)
    except OSError:
        pass
    finally:
        connection.end()


def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def told(host):
    """Of each connection of a host: how many requests it brought, how many at once, and whether it is open."""
    with changed:
        return [[one.requests, one.most, one.is_open] for one in connections if one.host == host]


def become(seconds, fails):
    """Answers after so long from now on, and fails or not."""
    global delay, failing
    delay, failing = seconds, fails


def waiting(count):
    """Waits until so many requests wait."""
    with changed:
        return changed.wait_for(lambda: sum(one.active for one in connections) == count, 40)


def ended(host, number):
    """Waits until that connection of a host has ended."""
    with changed:
        at = lambda: [one.is_open for one in connections if one.host == host]
        return changed.wait_for(lambda: len(at()) >= number and not at()[number - 1], 40)


def release():
    global released
    with changed:
        released = True
        changed.notify_all()


def hold():
    global released
    with changed:
        released = False


listener = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
threading.Thread(target=accept, args=(listener,), daemon=True).start()
