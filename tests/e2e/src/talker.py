"""A workload that a story talks to: one command a line, one answer in JSON a line.

Answers are {"ok": value} or {"error": class, "text": text}. Connections have names, and their
far end is an echo that greets with the address it sees (`bookinfo echo --greet`).
"""

import http.client as http_client
import json, os, random, socket, struct, sys, threading, time


class Connection:
    def __init__(self, host, port, greeted=True):
        self.socket = socket.create_connection((host, int(port)), 10)
        self.socket.settimeout(20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.greeting = self.line() if greeted else ""
        self.pump = None

    def line(self):
        while b"\n" not in self.buffer:
            block = self.socket.recv(65536)
            if not block:
                raise EOFError("closed by the far end")
            self.buffer += block
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def say(self, text):
        self.socket.sendall(text.encode() + b"\n")
        back = self.line()
        if back != text:
            raise ValueError(f"sent {text!r}, got {back!r}")
        return back


class Pump(threading.Thread):
    """Exchanges numbered lines all the time."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection, self.count, self.failure, self.stop = connection, 0, None, threading.Event()

    def run(self):
        try:
            while not self.stop.wait(0.005):
                self.connection.say(f"line {self.count} " + "x" * (self.count % 3000))
                self.count += 1
        except Exception as error:
            self.failure = error


connections = {}
listeners = {}


def me():
    return {"name": os.environ["POD_NAME"], "ip": os.environ["POD_IP"], "pid": os.getpid()}


def dial(name, host, port):
    connections[name] = Connection(host, port)
    return connections[name].greeting


def request(host, port, *words):
    """Sends one line, and gives the one that comes back."""
    connection = Connection(host, port, greeted=False)
    with connection.socket:
        connection.socket.settimeout(40)
        connection.socket.sendall(" ".join(words).encode() + b"\n")
        return connection.line()


def http(host, port, path):
    """Gets a page; gives its status."""
    connection = http_client.HTTPConnection(host, int(port), timeout=20)
    connection.request("GET", path)
    return connection.getresponse().status


def say(name, *words):
    return connections[name].say(" ".join(words))


def pump(name):
    connection = connections[name]
    connection.pump = Pump(connection)
    connection.pump.start()
    return True


def pumped(name):
    """Lines so far."""
    pump = connections[name].pump
    if pump.failure:
        raise pump.failure
    return pump.count


def ended(name, seconds):
    """Waits until the far end ends the connection, and says how."""
    connection = connections[name]
    if connection.pump:
        connection.pump.join(float(seconds))
        if connection.pump.is_alive():
            return "open"
        failure = connection.pump.failure
        return "end" if isinstance(failure, EOFError) else type(failure).__name__
    connection.socket.settimeout(float(seconds))
    try:
        return "end" if not connection.socket.recv(1) else "data"
    except TimeoutError:
        return "open"
    except OSError as error:
        return type(error).__name__


def close(name):
    """Ends it in order, and gives the lines that were pumped."""
    connection = connections.pop(name)
    count = 0
    if connection.pump:
        connection.pump.stop.set()
        connection.pump.join(20)
        if connection.pump.failure:
            raise connection.pump.failure
        count = connection.pump.count
    connection.socket.shutdown(socket.SHUT_WR)
    while block := connection.socket.recv(65536):
        raise ValueError(f"{block!r} after the end")
    connection.socket.close()
    return count


def listen(port):
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    listeners[port] = listener
    return os.getpid()


def unlisten(port):
    listeners.pop(port).close()
    return True


def serve(port):
    """Greets and echoes on `port`, in threads, from now on."""
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)

    def echo(peer, address):
        with peer:
            peer.sendall(f"{os.environ['POD_NAME']} sees {address[0]}\n".encode())
            while block := peer.recv(65536):
                peer.sendall(block)

    def accept():
        while True:
            threading.Thread(target=echo, args=listener.accept(), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return True


def resolve(host):
    """What programs do: getaddrinfo for both families."""
    started = time.monotonic()
    try:
        found = sorted({entry[4][0] for entry in socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)})
    except socket.gaierror as error:
        found = [error.strerror]
    return {"found": found, "ms": round((time.monotonic() - started) * 1000)}


def query(kind, name, transport="udp"):
    """One query to the resolver, without search list: rcode, answers, milliseconds."""
    types = {"A": 1, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
    server = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
    identifier = random.randrange(1 << 16)
    message = struct.pack("!6H", identifier, 0x0100, 1, 0, 0, 0)
    for label in name.rstrip(".").split("."):
        message += bytes([len(label)]) + label.encode()
    message += b"\0" + struct.pack("!2H", types[kind], 1)
    started = time.monotonic()
    if transport == "tcp":
        with socket.create_connection((server, 53), 5) as stream:
            stream.sendall(struct.pack("!H", len(message)) + message)
            file = stream.makefile("rb")
            reply = file.read(struct.unpack("!H", file.read(2))[0])
    else:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(5)
            datagrams.connect((server, 53))
            datagrams.send(message)
            reply = datagrams.recv(65535)
    ms = round((time.monotonic() - started) * 1000)
    got, flags, _, count, _, _ = struct.unpack("!6H", reply[:12])
    if got != identifier:
        raise ValueError("an answer to something else")

    def skip(at):
        while length := reply[at]:
            if length >= 0xC0:
                return at + 2
            at += 1 + length
        return at + 1

    at = skip(12) + 4
    answers = []
    for _ in range(count):
        at = skip(at)
        found, _, ttl, length = struct.unpack("!2HIH", reply[at : at + 10])
        data = reply[at + 10 : at + 10 + length]
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(found)
        answers.append(socket.inet_ntop(family, data) if family else f"type {found}")
        at += 10 + length
    codes = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
    return {"code": codes.get(flags & 15, flags & 15), "answers": sorted(answers), "ms": ms}


COMMANDS = [me, dial, request, http, say, pump, pumped, ended, close, listen, unlisten, serve, resolve, query]
commands = {command.__name__: command for command in COMMANDS}
for line in sys.stdin:
    name, *arguments = line.split()
    try:
        answer = {"ok": commands[name](*arguments)}
    except Exception as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    print(json.dumps(answer), flush=True)
