"""Whoever is told by a header whom a connection is for: HAProxy, and one who shows that header. And a forward proxy."""

import ctypes, signal, socket, subprocess, tempfile, threading, time

PDEATHSIG = 1

configurations = []

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
    configuration = DEFAULTS + "".join(FRONTEND.format(port=port, more=more) for port, more in frontends)
    run(["/usr/sbin/haproxy", "-db", "-f"], configuration, [port for port, _ in frontends])


def tinyproxy(port, *targets):
    """Runs it; it leads to those ports only."""
    configuration = f"Port {port}\nMaxClients 100\nTimeout 60\nLogLevel Connect\n"
    run(["/usr/bin/tinyproxy", "-d", "-c"], configuration + "".join(f"ConnectPort {port}\n" for port in targets), [port])


def run(command, text, ports):
    """Runs a server with that configuration, as long as this runs, and waits until it listens."""
    configuration = tempfile.NamedTemporaryFile("w", suffix=".conf")
    configurations.append(configuration)
    configuration.write(text)
    configuration.flush()
    ends_with_this = lambda: ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)
    null = subprocess.DEVNULL
    process = subprocess.Popen([*command, configuration.name], stdin=null, stdout=null, preexec_fn=ends_with_this)
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended, {process.returncode}: scripts/prepare installs it")
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
