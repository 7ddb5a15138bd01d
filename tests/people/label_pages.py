"""Questions and labels for tests of the labelling page, and a caller of its application that sends what it is told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from starlette.types import ASGIApp, Message

from amendment.constitutions import Constitution, Principle
from amendment.data.store import Workspace
from amendment.people.labelling import SPOT_CHECK
from amendment.people.samples import Choice, Label, LabelQuestion, PrincipleText
from amendment.records import Comparison, user
from amendment.records import Message as Turn


def question(i: int, *, overlap: bool = False, repeated: bool = False) -> LabelQuestion:
    a, b = f"a{i}", f"b{i}"
    asked = Comparison(f"p{i}", a, b)
    return LabelQuestion(
        comparison_id=asked.id,
        prompt_id=asked.prompt_id,
        prompt=user(f"ask {i}"),
        a_id=a,
        b_id=b,
        a=(Turn(role="assistant", content=f"answer a of {i}"),),
        b=(Turn(role="assistant", content=f"answer b of {i}"),),
        principles=(PrincipleText(id="law/kind", statement="Be kind."),),
        in_overlap=overlap,
        is_repeated=repeated,
    )


def questions(n: int, *, overlap: int = 0, repeated: Iterable[int] = ()) -> list[LabelQuestion]:
    again = set(repeated)
    return [question(i, overlap=i < overlap, repeated=i in again) for i in range(n)]


def label(
    one: LabelQuestion,
    annotator: str,
    choice: Choice = "A",
    *,
    uuid: str | None = None,
    showing: int = 0,
    at: int = 0,
    **more: Any,
) -> Label:
    return Label(
        uuid=uuid or f"{annotator}-{one.prompt_id}-{showing}-{choice}",
        comparison_id=one.comparison_id,
        prompt_id=one.prompt_id,
        shown=(one.a_id, one.b_id),
        annotator=annotator,
        showing=showing,
        choice=choice,
        at=f"2026-01-01T00:00:00.{at:06}+00:00",
        **more,
    )


LAW = Constitution(
    id="law",
    version="1.0.0",
    title="The law",
    license="CC0-1.0",
    principles=(Principle(id="kind", statement="Be kind."), Principle(id="brief", statement="Be brief.")),
)


def make_run(folder: Path, asked: Sequence[LabelQuestion], *, annotators: int = 2) -> Path:
    """A run's folder that waits for people, with these questions."""
    folder.mkdir(parents=True)
    plan = {"annotators": annotators, "guidelines": "Take your **time**."}
    config = {"name": "tried", "seed": 4, "spot_check": plan}
    (folder / "run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "constitutions").mkdir()
    (folder / "constitutions" / "law.json").write_text(LAW.model_dump_json(), encoding="utf-8")
    Workspace(folder).write(SPOT_CHECK.questions, LabelQuestion, asked)
    return folder


class Reply(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


async def ask(
    app: ASGIApp, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> Reply:
    """One request exactly as told: no header is added, no path is tidied. The body comes in two pieces."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    half = len(body) // 2
    parts = [
        {"type": "http.request", "body": body[:half], "more_body": True},
        {"type": "http.request", "body": body[half:], "more_body": False},
    ]
    said: list[Message] = []

    async def receive() -> Message:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    found = [(name.decode(), value.decode()) for name, value in said[0]["headers"]]
    return Reply(said[0]["status"], found, b"".join(message.get("body", b"") for message in said[1:]))
