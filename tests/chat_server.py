"""A server on loopback that speaks OpenAI's protocol: a test says what it answers, and sees what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Body = dict[str, Any]
Answer = Callable[[Body], tuple[int, Body]]
"""Status and message for a request; `finish_reason` and `logprobs` in the message become those of its choice."""


def saying(text: str) -> Answer:
    """The same answer to everything."""
    return lambda _: (200, {"content": text})


class Loopback(ThreadingHTTPServer):
    """Serves in a thread of its own, in a `with` block."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class ChatServer(Loopback):
    def __init__(self, answer: Answer | None = None) -> None:
        super().__init__(_Handler)
        self.asked: list[Body] = []
        self.keys: list[str | None] = []
        """The Authorization header of each request."""
        self.hosts: list[str] = []
        """Where clients that take this server for their proxy wanted to go over https."""
        self.usage: Body | None = None
        self.answer = answer or (lambda _: (200, {"content": f"about {len(self.asked)} things"}))

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_CONNECT(self) -> None:
        self.server.hosts.append(self.path)
        self.send_error(502)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers.get("authorization"))
        status, message = self.server.answer(body)
        reply: Body = {"error": {"message": "not now"}}
        if status == 200:
            more: Body = {name: message.pop(name) for name in ("finish_reason", "logprobs") if name in message}
            more.setdefault("finish_reason", "tool_calls" if message.get("tool_calls") else "stop")
            choice = {"index": 0, "message": {"role": "assistant", **message}, **more}
            reply = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
            reply |= {"usage": self.server.usage} if self.server.usage else {}
        raw = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # the parent's name
        """Say nothing."""
