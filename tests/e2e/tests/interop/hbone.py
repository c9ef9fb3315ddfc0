"""A mesh peer that shares no code with the mesh: HBONE by the documented wire facts alone.

HTTP/2 CONNECT over mutual TLS 1.3 on port 15008, ALPN h2, no SNI, one SPIFFE id as URI SAN at
both ends.

    hbone.py CREDENTIALS [TUNNEL-PORT ORDERS-PORT]

serves tunnels on port 15008 (each stream is greeted with the caller's identity, then echoed), and
takes orders on port 7000: one JSON object a line, answered by one. Prints both ports when it is
ready; a port 0 is any.
"""

import hashlib, json, os, socket, ssl, sys, threading, time

import h2.config, h2.connection, h2.errors, h2.events

TUNNEL, ORDERS = 15008, 7000


def contexts(directory):
    """TLS of both sides; without a directory neither side shows a certificate."""
    pair = []
    for purpose in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(purpose)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.set_alpn_protocols(["h2"])
        if directory:
            context.load_cert_chain(f"{directory}/cert-chain.pem", f"{directory}/key.pem")
            context.load_verify_locations(f"{directory}/root-cert.pem")
            context.verify_mode = ssl.CERT_REQUIRED
        else:
            context.verify_mode = ssl.CERT_NONE
        pair.append(context)
    return pair


def identity(stream):
    """The one SPIFFE id of the other end; its chain was verified by TLS."""
    names = [name for kind, name in (stream.getpeercert() or {}).get("subjectAltName", ()) if kind == "URI"]
    if len(names) != 1 or not names[0].startswith("spiffe://"):
        raise ssl.SSLError(f"not one SPIFFE id: {names}")
    return names[0]


class Stream:
    def __init__(self):
        self.out, self.ending, self.ended = bytearray(), False, False


class Tunnel:
    """One HTTP/2 connection, driven by what arrives."""

    def __init__(self, tls, client):
        # CONNECT has neither scheme nor path (RFC 9113, 8.5), which the library's own checks ask for.
        config = h2.config.H2Configuration(
            client_side=client, header_encoding="utf-8", validate_outbound_headers=False, validate_inbound_headers=False
        )
        self.tls, self.h2, self.streams = tls, h2.connection.H2Connection(config), {}
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        """Sends as much of every stream as the other end has room for."""
        for number, stream in list(self.streams.items()):
            while stream.out and (room := self.h2.local_flow_control_window(number)):
                block = bytes(stream.out[: min(room, self.h2.max_outbound_frame_size)])
                del stream.out[: len(block)]
                self.h2.send_data(number, block)
            if stream.ending and not stream.out and not stream.ended:
                stream.ended = True
                self.h2.end_stream(number)
        self.tls.sendall(self.h2.data_to_send())

    def events(self):
        """What arrives, until the other end closes the connection. PINGs are answered on the way."""
        while block := self.tls.recv(65536):
            for event in self.h2.receive_data(block):
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                yield event
            self.flush()


# ---- the serving side


class Server:
    def __init__(self, directory, port):
        self.directory = directory
        self.listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
        self.seen = []

    def run(self):
        while True:
            threading.Thread(target=self.converse, args=self.listener.accept(), daemon=True).start()

    def converse(self, stream, address):
        try:
            with contexts(self.directory)[0].wrap_socket(stream, server_side=True) as tls:
                self.serve(tls)
        except (OSError, ssl.SSLError) as error:
            self.seen.append({"from": address[0], "error": str(error)})

    def serve(self, tls):
        peer = identity(tls)
        tunnel = Tunnel(tls, client=False)
        for event in tunnel.events():
            if isinstance(event, h2.events.RequestReceived):
                headers = dict(event.headers)
                self.seen.append({"peer": peer, **headers})
                if headers.get(":method") != "CONNECT":
                    tunnel.h2.send_headers(event.stream_id, [(":status", "400")], end_stream=True)
                    continue
                tunnel.h2.send_headers(event.stream_id, [(":status", "200")])
                tunnel.streams[event.stream_id] = stream = Stream()
                stream.out += f"{peer} asks for {headers[':authority']}\n".encode()
            elif isinstance(event, h2.events.DataReceived):
                tunnel.streams[event.stream_id].out += event.data
            elif isinstance(event, h2.events.StreamEnded) and event.stream_id in tunnel.streams:
                tunnel.streams[event.stream_id].ending = True
            elif isinstance(event, h2.events.StreamReset):
                tunnel.streams.pop(event.stream_id, None)


# ---- the calling side


def call(credentials, address, authority, expected=None, method="CONNECT", size=6, port=TUNNEL):
    """Opens a tunnel to `address`, one stream to `authority`, sends `size` bytes and its end, and
    tells what came back."""
    answer = {"status": None, "peer": None, "received": 0, "after_end": 0}
    with socket.create_connection((address, port), 10) as plain:
        plain.settimeout(15)
        with contexts(credentials)[1].wrap_socket(plain) as tls:
            if credentials:
                answer["peer"] = identity(tls)
            if expected and answer["peer"] != expected:
                raise ssl.SSLError(f"expected {expected}, found {answer['peer']}")
            answer["alpn"], answer["tls"] = tls.selected_alpn_protocol(), tls.version()
            tunnel = Tunnel(tls, client=True)
            number = tunnel.h2.get_next_available_stream_id()
            headers = [(":method", method), (":authority", authority)]
            if method == "CONNECT":
                headers += [("forwarded", f'for="{tls.getsockname()[0]}"'), ("baggage", "service.name=native")]
            else:
                headers += [(":scheme", "https"), (":path", "/")]
            tunnel.h2.send_headers(number, headers, end_stream=method != "CONNECT")
            tunnel.flush()
            payload, received = os.urandom(size), bytearray()
            for event in tunnel.events():
                if isinstance(event, h2.events.ResponseReceived):
                    answer["status"] = dict(event.headers)[":status"]
                    answer["headers"] = dict(event.headers)
                    if answer["status"] != "200":
                        return answer
                    stream = tunnel.streams[number] = Stream()
                    stream.out += payload
                    stream.ending = True
                elif isinstance(event, h2.events.DataReceived):
                    received += event.data
                    if stream.ended:
                        answer["after_end"] += len(event.data)
                elif isinstance(event, h2.events.StreamEnded):
                    greeting, _, echo = bytes(received).partition(b"\n")
                    answer["greeting"], answer["received"] = greeting.decode(), len(echo)
                    answer["intact"] = hashlib.sha256(echo).digest() == hashlib.sha256(payload).digest()
                    return answer
                elif isinstance(event, h2.events.StreamReset):
                    answer["reset"] = int(event.error_code)
                    return answer
    answer["error"] = "closed"
    return answer


# ---- orders


def obey(server, order):
    match order.pop("do"):
        case "call":
            order.setdefault("credentials", server.directory)
            return call(**order)
        case "serve-with":
            server.directory = order["credentials"]
            return {}
        case "seen":
            seen, server.seen = server.seen, []
            return {"seen": seen}


def main():
    directory, *ports = sys.argv[1:]
    tunnel, orders = map(int, ports) if ports else (TUNNEL, ORDERS)
    # Issued after this program was declared.
    while not all(os.path.exists(f"{directory}/{name}.pem") for name in ("cert-chain", "key", "root-cert")):
        time.sleep(0.05)
    server = Server(directory, tunnel)
    threading.Thread(target=server.run, daemon=True).start()
    orders = socket.create_server(("::", orders), family=socket.AF_INET6, dualstack_ipv6=True)
    print(server.listener.getsockname()[1], orders.getsockname()[1], flush=True)
    while True:
        stream, _ = orders.accept()
        with stream, stream.makefile("rw") as lines:
            for line in lines:
                try:
                    answer = obey(server, json.loads(line))
                except Exception as error:
                    answer = {"error": f"{type(error).__name__}: {error}"}
                print(json.dumps(answer), file=lines, flush=True)


main()
