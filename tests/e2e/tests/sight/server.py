import http.server, socket, threading
import h2.config, h2.connection, h2.events


class Http1(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = int(self.headers.get("content-length", 0))
        self.rfile.read(length)
        body = b"hello\n"
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def http2(connection):
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    state.initiate_connection()
    connection.sendall(state.data_to_send())
    while data := connection.recv(65536):
        for event in state.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if isinstance(event, h2.events.StreamEnded):
                state.send_headers(event.stream_id, [(":status", "200")])
                state.send_data(event.stream_id, b"hello\n", end_stream=True)
        connection.sendall(state.data_to_send())


def serve(connection, peer):
    with connection:
        start = connection.recv(4, socket.MSG_PEEK | socket.MSG_WAITALL)
        if start == b"PRI ":
            http2(connection)
        else:
            Http1(connection, peer, None)


def accept(listener):
    while True:
        threading.Thread(target=serve, args=listener.accept(), daemon=True).start()


listener = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
threading.Thread(target=accept, args=(listener,), daemon=True).start()
