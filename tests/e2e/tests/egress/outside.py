"""What a story finds outside of the mesh: a TCP echo that greets, and a DNS server.

`greeted()` gives the addresses that called the echo, `asked()` the names that were looked up.
"""

import socket, socketserver, struct, threading

callers, names = [], []


class Echo(socketserver.BaseRequestHandler):
    """Says who called, and sends back what comes until that ends; then it ends, too."""

    def handle(self):
        address = self.client_address[0].removeprefix("::ffff:")
        callers.append(address)
        self.request.sendall(f"{address}:{self.client_address[1]}\n".encode())
        while data := self.request.recv(65536):
            self.request.sendall(data)


class TcpServer(socketserver.ThreadingTCPServer):
    """On all addresses of both families."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


def stuck(port):
    """Listens there with a full queue of connections, so that nobody more is answered in any way."""
    global kept
    listener = socket.socket()
    listener.bind(("0.0.0.0", port))
    listener.listen(0)
    kept = [listener, socket.create_connection(("127.0.0.1", port), 10)]
    try: socket.create_connection(("127.0.0.1", port), 0.2).close()
    except TimeoutError: return True


def answer(query):
    """An answer to a question for an IPv4 address: one that is known, or that there is none."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    name = ".".join(labels)
    names.append(name)
    question, kind = query[12 : at + 5], struct.unpack_from(">H", query, at + 1)[0]
    known = name.lower() == "www.example.org"
    data = socket.inet_aton("198.51.100.2") if known and kind == 1 else b""
    records = struct.pack(">HHHIH", 0xC00C, 1, 1, 60, len(data)) + data if data else b""
    flags = 0x8180 if known else 0x8183
    return query[:2] + struct.pack(">HHHHH", flags, 1, bool(data), 0, 0) + question + records


class DnsOverUdp(socketserver.BaseRequestHandler):
    def handle(self):
        query, server = self.request
        server.sendto(answer(query), self.client_address)


class DnsOverTcp(socketserver.StreamRequestHandler):
    def handle(self):
        length = struct.unpack(">H", self.rfile.read(2))[0]
        reply = answer(self.rfile.read(length))
        self.wfile.write(struct.pack(">H", len(reply)) + reply)


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()


def serve_dns(address):
    serve(socketserver.UDPServer((address, 53), DnsOverUdp))
    serve(socketserver.ThreadingTCPServer((address, 53), DnsOverTcp))


def greeted():
    return list(callers)


def asked():
    return list(names)


serve(TcpServer(("::", 9000), Echo))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("0.0.0.0", 9001))
datagrams.setblocking(False)


def received():
    """Whether any datagram came."""
    try:
        return datagrams.recv(100).decode()
    except BlockingIOError:
        return None
