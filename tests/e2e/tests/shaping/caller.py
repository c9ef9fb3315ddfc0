"""A caller that keeps its connections."""

import http.client, json, socket, threading, time
import h2.config, h2.connection, h2.events

kept, begun, finished = {}, {}, {}


def ask(host, name="", path="/"):
    """What the server answers on the connection of that name."""
    connection = kept.setdefault((host, name), http.client.HTTPConnection(host, 80, timeout=60))
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    return json.loads(body) if answer.status == 200 else answer.status


def names(host, count, path="/"):
    """Who answers so many, one after the other."""
    return [ask(host, path=path)[2] for _ in range(count)]


def fates(host, count):
    """Who answers so many, one after the other, or with which status."""
    return [answer if isinstance(answer, int) else answer[2] for answer in (ask(host) for _ in range(count))]


def timed(host, method):
    """How long a request takes."""
    began, connection = time.monotonic(), http.client.HTTPConnection(host, 80, timeout=60)
    connection.request(method, "/", body=b"")
    connection.getresponse().read()
    return time.monotonic() - began


def begin(host, name):
    """Asks for what has to be waited for."""
    begun[name] = threading.Thread(target=lambda: finished.update({name: ask(host, name, "/wait")}), daemon=True)
    begun[name].start()


def finish(name):
    begun[name].join(50)
    return finished[name]


class Http2:
    """One connection of HTTP/2."""

    def __init__(self, host):
        self.host, self.bodies = host, {}
        self.stream = socket.create_connection((host, 80), 30)
        self.stream.settimeout(50)
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.state.initiate_connection()

    def start(self, count, path):
        """Sends so many requests at once."""
        for _ in range(count):
            fields = [(":method", "GET"), (":scheme", "http"), (":authority", self.host), (":path", path)]
            self.state.send_headers(self.state.get_next_available_stream_id(), fields, end_stream=True)
        self.stream.sendall(self.state.data_to_send())

    def answers(self, count):
        """What the server answers to so many."""
        answers = []
        while len(answers) < count:
            data = self.stream.recv(65536)
            if not data:
                raise EOFError(f"closed after {answers}")
            for event in self.state.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                if isinstance(event, h2.events.StreamEnded):
                    answers.append(json.loads(self.bodies.pop(event.stream_id)))
            self.stream.sendall(self.state.data_to_send())
        return answers


def ask_by_http2(host, count=1):
    """One after the other, on a connection that stays."""
    connection = kept.setdefault((host, "HTTP/2"), None) or Http2(host)
    kept[host, "HTTP/2"] = connection
    answers = []
    for _ in range(count):
        connection.start(1, "/")
        answers += connection.answers(1)
    return answers


def at_once(host, count):
    """Begins so many requests that have to be waited for, on one connection."""
    kept[host, "at once"] = Http2(host)
    kept[host, "at once"].start(count, "/wait")


def answered(host, count):
    return kept[host, "at once"].answers(count)


def open_tcp(host):
    """A connection of which nobody knows what it carries; one exchange by it."""
    kept[host, "tcp"] = socket.create_connection((host, 80), 30)
    kept[host, "tcp"].settimeout(40)
    return exchange(host)


def exchange(host):
    connection = kept[host, "tcp"]
    connection.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"]\n"):
        answer += connection.recv(65536) or b"]\n"
    return answer.decode().split("\r\n")[0]


def end_of(host):
    """How the far side ends it."""
    try:
        return kept[host, "tcp"].recv(1).decode() or "end"
    except ConnectionResetError:
        return "reset"
