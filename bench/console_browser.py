"""An operator's browser before the console, over one kept connection."""

import http.client
import re
import time
from typing import Self
from urllib.parse import urlencode

# Of a console that lives for one run.
USERNAME, PASSWORD = "bench", "bench"


class Browser:
    """An operator's browser, as far as a server can tell."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookies: dict[str, str] = {}

    def log_in(self) -> Self:
        """Open the console."""
        _, page = self._asked("GET", "/console/login")
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        if token is None:
            raise RuntimeError("the login has no form")
        fields = {"csrf_token": token[1], "username": USERNAME, "password": PASSWORD}
        status, _ = self._asked("POST", "/console/login", urlencode(fields))
        if status != 303:
            raise RuntimeError(f"the login was answered with {status}")
        return self

    def look(self, path: str) -> tuple[float, str]:
        """Seconds that a page took, and the page."""
        began = time.perf_counter()
        status, page = self._asked("GET", path)
        took = time.perf_counter() - began
        if status != 200:
            raise RuntimeError(f"{path} was answered with {status}")
        return took, page

    def _asked(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {
            "Accept": "text/html",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
        }
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer.status, answer.read().decode()
