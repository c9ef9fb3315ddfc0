"""Envoy's own service of limits, with Redis beside it, both in this workload."""

import os, socket, subprocess, tempfile

home = tempfile.mkdtemp()
log = open(f"{home}/log", "wb")
redis = subprocess.Popen(
    ["redis-server", "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", home],
    stdout=log,
    stderr=log,
)
settings = {
    "USE_STATSD": "false",
    "LOG_LEVEL": "debug",
    "REDIS_SOCKET_TYPE": "tcp",
    "REDIS_URL": "127.0.0.1:6379",
    "RUNTIME_ROOT": "HERE/runtime",
    "RUNTIME_SUBDIRECTORY": "shop",
    "RUNTIME_WATCH_ROOT": "false",
    "RUNTIME_IGNOREDOTFILES": "true",
    "BACKEND_TYPE": "redis",
    "GRPC_PORT": "8081",
    "PORT": "8090",
    "DEBUG_PORT": "6070",
}
service = None


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def up():
    global service
    if not listens(6379):
        return False
    if service is None or service.poll() is not None:
        service = subprocess.Popen(["HERE/ratelimit"], env={**os.environ, **settings}, stdout=log, stderr=log)
    return listens(8081)


def said():
    return open(f"{home}/log", errors="replace").read()[-4000:]
