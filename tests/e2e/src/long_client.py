import socket, ssl

held = {}


def dial(name, address, port=80, host=None, ca=None, version="1.1"):
    """Keeps a connection under that name, by TLS if it has an authority."""
    connection = socket.create_connection((address, port), 20)
    connection.settimeout(30)
    if ca:
        connection = ssl.create_default_context(cafile=ca).wrap_socket(connection, server_hostname=host)
    held[name] = (connection, host or address, version)


def send(name, path):
    connection, host, version = held[name]
    connection.sendall(f"GET {path} HTTP/{version}\r\nHost: {host}\r\n\r\n".encode())


def hear(name, words):
    """Reads until the words have come; gives what was read."""
    got = b""
    while words.encode() not in got:
        block = held[name][0].recv(65536)
        if not block: raise EOFError(got.decode())
        got += block
    return got.decode()


def rest(name):
    """Reads until the end: what came, and how it ended."""
    got = b""
    try:
        while True:
            block = held[name][0].recv(65536)
            if not block: return [got.decode(), "end"]
            got += block
    except (ConnectionResetError, ssl.SSLError):
        return [got.decode(), "reset"]
