"""An application that speaks TLS."""

import base64, socket, ssl, tempfile, threading


def serve(port, pair):
    """Answers requests; certificate and key are in PEM, in base64."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(base64.b64decode(pair))
        file.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file.name)
    listener = socket.create_server(("", port))

    def each():
        while True:
            client, _ = listener.accept()
            try:
                with context.wrap_socket(client, server_side=True) as secured:
                    secured.recv(10000)
                    secured.sendall(b"HTTP/1.0 200 OK\r\n\r\nsafe\n")
            except OSError:
                pass

    threading.Thread(target=each, daemon=True).start()
