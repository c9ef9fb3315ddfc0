"""What a story finds outside of the mesh: web servers with and without TLS, echoes with TLS, and a DNS server.

A web server answers with JSON: its own name, and what it was asked, by which name of TLS and by whom.
"""

import http.client, http.server, json, socket, socketserver, ssl, struct, threading, time

names = {}
asked = []


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        connection = self.connection
        tls = isinstance(connection, ssl.SSLSocket)
        subject = tls and connection.getpeercert() or {}
        told = {
            "name": self.server.label,
            "at": connection.getsockname()[0],
            "path": self.path,
            "headers": {name.lower(): [value] for name, value in self.headers.items()},
            "sni": getattr(connection, "asked_name", None),
            "client": [value for part in subject.get("subject", ()) for _, value in part],
            "cipher": tls and connection.cipher()[0],
        }
        body = (json.dumps(told) + "\n").encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class WebServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, label, context=None):
        super().__init__(("", port), Web)
        self.label, self.context = label, context

    def finish_request(self, request, client):
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client)

    def handle_error(self, *_):
        """A handshake that failed is what the story is about."""


def remember(connection, name, _):
    connection.asked_name = name


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()


def web(port, label):
    serve(WebServer(port, label))


knocks, failures = [], []


def knock(port, host):
    """Asks a server of this machine again and again, each time on a connection of its own."""

    def ask():
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.request("GET", "/", headers={"Host": host})
                answer = connection.getresponse()
                body = answer.read()
                (knocks if answer.status == 200 else failures).append(f"{answer.status} {body[:200]}")
            except Exception as error:
                failures.append(repr(error))
            connection.close()
            time.sleep(0.002)

    threading.Thread(target=ask, daemon=True).start()


def tls_context(certificate, key, clients=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = remember
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


def web_with_tls(port, label, certificate, key, clients=None):
    serve(WebServer(port, label, tls_context(certificate, key, clients)))


def web_with_old_tls(port, label, certificate, key, curve):
    """TLS 1.2 alone, with keys agreed on by that curve alone."""
    context = tls_context(certificate, key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ecdh_curve(curve)
    serve(WebServer(port, label, context))


def answer(query):
    """An answer to a question for an IPv4 address: one that is known, or that there is none."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    name = ".".join(labels).lower()
    asked.append(name)
    question, kind = query[12 : at + 5], struct.unpack_from(">H", query, at + 1)[0]
    known = names.get(name)
    data = socket.inet_aton(known) if known and kind == 1 else b""
    records = struct.pack(">HHHIH", 0xC00C, 1, 1, 60, len(data)) + data if data else b""
    flags = 0x8180 if known else 0x8183
    return query[:2] + struct.pack(">HHHHH", flags, 1, bool(data), 0, 0) + question + records


class Dns(socketserver.BaseRequestHandler):
    def handle(self):
        query, server = self.request
        server.sendto(answer(query), self.client_address)


def dns(address, known):
    names.update(known)
    serve(socketserver.UDPServer((address, 53), Dns))


class Echo(socketserver.BaseRequestHandler):
    """Says first what is known of the caller, then sends back what comes, and ends after it."""

    def handle(self):
        with self.server.context.wrap_socket(self.request, server_side=True) as connection:
            subject = connection.getpeercert() or {}
            told = {
                "sni": getattr(connection, "asked_name", None),
                "alpn": connection.selected_alpn_protocol(),
                "client": [value for part in subject.get("subject", ()) for _, value in part],
            }
            connection.sendall((json.dumps(told) + "\n").encode())
            while data := connection.recv(65536):
                connection.sendall(data)
            connection.unwrap()


class Rude(socketserver.BaseRequestHandler):
    """Says much and ends without a goodbye of TLS."""

    def handle(self):
        with self.server.context.wrap_socket(self.request, server_side=True) as connection:
            connection.sendall(bytes(range(256)) * 40000)


class TlsServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, port, context, handler):
        super().__init__(("", port), handler)
        self.context = context

    def handle_error(self, *_):
        """A handshake that failed is what the story is about."""


def echo_with_tls(port, certificate, key, clients=None):
    context = tls_context(certificate, key, clients)
    context.set_alpn_protocols(["http/1.1", "h2"])
    serve(TlsServer(port, context, Echo))


def rude_with_tls(port, certificate, key):
    serve(TlsServer(port, tls_context(certificate, key), Rude))
