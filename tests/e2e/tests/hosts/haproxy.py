"""Whoever is told by a header whom a connection is for: HAProxy, and one who shows that header."""

import ctypes, signal, socket, subprocess, tempfile, threading, time

PDEATHSIG = 1

# Each answer tells whom it is for, and where that wanted to go.
FRONTEND = """
frontend in{port}
    bind :{port} accept-proxy {more}
    http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst]:%[dst_port]"
"""

DEFAULTS = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""


def haproxy(*frontends):
    """Runs it; frontends are ports, and what else is bound there."""
    global configuration
    configuration = tempfile.NamedTemporaryFile("w", suffix=".cfg")
    configuration.write(DEFAULTS + "".join(FRONTEND.format(port=port, more=more) for port, more in frontends))
    configuration.flush()
    ends_with_this = lambda: ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)
    command = ["/usr/sbin/haproxy", "-db", "-f", configuration.name]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=ends_with_this)
    for port, _ in frontends:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None:
                    raise RuntimeError(f"HAProxy ended, {process.returncode}: scripts/prepare installs it")
                time.sleep(0.01)


def show(connection):
    """Answers a request with all that came before it."""
    heard = b""
    while not (b"GET /" in heard and heard.endswith(b"\r\n\r\n")):
        more = connection.recv(4096)
        if not more:
            return
        heard += more
    body = heard[:heard.index(b"GET /")].hex().encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body))
    connection.close()


def shows(port):
    listener = socket.create_server(("", port))

    def serve():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=show, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
