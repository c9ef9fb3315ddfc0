"""A caller: each request has a connection of its own unless it says otherwise."""

import http.client, json, threading, time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

begun = None


def told(connection, path, method, body, fields):
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in fields.items()})
        answer = connection.getresponse()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return {"status": answer.status, "fields": fields, "body": answer.read().decode()}
    except (OSError, http.client.HTTPException) as error:
        # There is no such status.
        return {"status": 0, "fields": {}, "body": f"{type(error).__name__}: {error}"}


def opened(url):
    place = urlsplit(url)
    path = (place.path or "/") + ("?" + place.query if place.query else "")
    return http.client.HTTPConnection(place.hostname, place.port or 80, timeout=60), path


def ask(url, method="GET", body=None, **fields):
    """What a request gets; names of fields have `_` in place of `-`."""
    connection, path = opened(url)
    began = time.monotonic()
    answer = told(connection, path, method, body, fields)
    connection.close()
    return answer | {"seconds": time.monotonic() - began}


def asked(count, url, at_once=1, **more):
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda _: ask(url, **more), range(count)))


def kept(count, url, **fields):
    """As `asked`, all on one connection."""
    connection, path = opened(url)
    answers = [told(connection, path, "GET", None, fields) for _ in range(count)]
    connection.close()
    return answers


def begin(count, url, **more):
    """As `asked`, in the background."""
    global begun
    pool = ThreadPoolExecutor(1)
    begun = pool.submit(asked, count, url, **more)
    pool.shutdown(wait=False)


def end():
    """The answers to what was begun."""
    return begun.result()


def hold(url, **fields):
    """Sends a request whose answer nobody waits for."""
    threading.Thread(target=ask, args=[url], kwargs=fields, daemon=True).start()
