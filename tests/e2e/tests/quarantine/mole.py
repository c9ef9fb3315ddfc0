"""A workload that calls others all the time, and tells its log how that goes; on port 9000 it echoes what it hears."""

import socket, threading, time, urllib.request, urllib.error


def dial(host):
    connection = socket.create_connection((host, 9000), 5)
    connection.settimeout(5)
    lines = connection.makefile("rb")
    if not lines.readline().endswith(b"\n"):
        raise EOFError("closed before the greeting")
    return connection, lines


def exchange(connection, lines):
    connection.sendall(b"again\n")
    if lines.readline() != b"again\n":
        raise EOFError("closed")


def tell(what, outcome):
    print(f"{what}: {outcome}", flush=True)


def tried(what):
    try:
        return what() or "served"
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode().strip()}"
    except Exception as error:
        return type(error).__name__


def once(host):
    connection, lines = dial(host)
    with connection:
        exchange(connection, lines)


def hold():
    """One connection for as long as it lasts, then the next."""
    connection, lines = dial("far.shop")
    tell("held", "opened")
    while True:
        exchange(connection, lines)
        time.sleep(0.05)


def again_and_again(name, what, pause):
    while True:
        tell(name, tried(what))
        time.sleep(pause)


def get():
    with urllib.request.urlopen("http://web.shop/", timeout=5) as answer:
        return str(answer.status)


def serve(connection, address):
    with connection:
        connection.sendall(f"hello {address[0]}:{address[1]}\n".encode())
        while block := connection.recv(65536):
            connection.sendall(block)


for name, what in [
    ("far", lambda: once("far.shop")),
    ("debug", lambda: once("debug.ops")),
    ("web", get),
    ("held", hold),
]:
    threading.Thread(target=again_and_again, args=(name, what, 0.2), daemon=True).start()

listener = socket.create_server(("::", 9000), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
while True:
    connection, address = listener.accept()
    threading.Thread(target=tried, args=(lambda c=connection, a=address: serve(c, a),), daemon=True).start()
