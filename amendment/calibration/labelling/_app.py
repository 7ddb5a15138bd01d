"""The labelling page as an application: a page without data, and an API that tells and takes what annotators need.

Covered: a session for who has the token, items as they stand before one annotator, labels acknowledged after they are
on the disk, undo. Nothing that could sway anyone is sent: no verdicts, probabilities, strata, models, sealing.
Not covered: whose requests are taken at all; see `_guard`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import jinja2
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from amendment.calibration.labelling._guard import Guard
from amendment.calibration.labelling.labels import (
    LONGEST_COMMENT,
    LONGEST_NAME,
    Choice,
    Label,
    is_kept_name,
    tidy_name,
)
from amendment.calibration.labelling.queue import Queue, Shown
from amendment.calibration.labelling.store import Labels
from amendment.errors import AmendmentError, DataError

__all__ = ["PAGE", "create_app"]

PAGE = Path(__file__).parent / "page"
_Uuid = Annotated[str, Field(min_length=8, max_length=64)]
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Of the page's files: what a machine takes endings for may be something that browsers refuse to run."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Session(_Body):
    token: str
    annotator: str


class _Own(_Body):
    """What an annotator sends of their work."""

    annotator: str | None = None
    """Whose it is. A session belongs to the browser: somebody else may have signed in there since."""


class _Said(_Own):
    uuid: _Uuid
    comparison_id: str
    showing: int = Field(ge=0, le=1)
    choice: Choice
    confidence: int | None = Field(default=None, ge=1, le=3)
    principle_id: str | None = None
    comment: str | None = Field(default=None, max_length=LONGEST_COMMENT)
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    first: str | None = None
    """The id of the answer that stood first. Another seed, or another annotator, has another order."""


class _Undo(_Own):
    uuid: _Uuid


B = TypeVar("B", bound=_Body)


def create_app(
    queue: Queue, labels: Labels, *, token: str, hosts: Collection[str], takes_kept_names: bool = False
) -> ASGIApp:
    """The application over one queue and its open labels.

    `token` is what a browser exchanges for its cookie; `hosts` are the values of `Host` that are taken, `name:port`.
    `takes_kept_names`: simulated people, whose names nobody else has, may come in.
    """
    desk = _Desk(queue, labels, token, takes_kept_names=takes_kept_names)
    routes = [
        Route("/", desk.page, methods=["GET"]),
        Route("/static/{name:path}", desk.static, methods=["GET"]),
        Route("/session", desk.session, methods=["POST"]),
        Route("/next", desk.next, methods=["GET"]),
        Route("/labels", desk.label, methods=["POST"]),
        Route("/undo", desk.undo, methods=["POST"]),
    ]
    told: Any = {HTTPException: _told, AmendmentError: _failed}
    app = Starlette(routes=routes, exception_handlers=told)
    app.router.redirect_slashes = False
    return Guard(app, hosts)


class _Desk:
    """What each route does."""

    def __init__(self, queue: Queue, labels: Labels, token: str, *, takes_kept_names: bool) -> None:
        self._takes_kept_names = takes_kept_names
        self._queue = queue
        self._labels = labels
        self._token = token
        self._key = hmac.digest(token.encode(), b"session", hashlib.sha256)
        environment = jinja2.Environment(loader=jinja2.FileSystemLoader(PAGE), autoescape=True)
        self._templates = environment
        self._files = {
            file.relative_to(PAGE / "static").as_posix(): file
            for file in (PAGE / "static").rglob("*")
            if file.is_file() and not file.is_symlink() and file.suffix in _KINDS
        }
        """All that can be asked for, by name: a path of another form finds nothing."""

    async def page(self, request: Request) -> Response:
        return HTMLResponse(self._templates.get_template("index.html").render())

    async def static(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404, "no such file")
        return Response(file.read_bytes(), media_type=_KINDS[file.suffix])

    async def session(self, request: Request) -> Response:
        asked = await _read(request, _Session)
        if not hmac.compare_digest(asked.token.encode(), self._token.encode()):
            raise HTTPException(403, "the token is not this page's: open the address that was printed last")
        annotator = tidy_name(asked.annotator)
        if not 0 < len(annotator) <= LONGEST_NAME:
            raise HTTPException(400, f"annotator: expected a name of 1 to {LONGEST_NAME} characters")
        if is_kept_name(annotator) and not self._takes_kept_names:
            raise HTTPException(400, f"annotator: {annotator!r} is a name kept for simulated people; take another")
        response = Response(status_code=204)
        name, value = _cookie_name(request), self._signed(annotator)
        response.set_cookie(name, value, path="/", httponly=True, samesite="strict")
        return response

    async def next(self, request: Request) -> Response:
        annotator = self._annotator(request)
        shown = self._queue.next(annotator)
        progress = self._queue.progress(annotator)._asdict()
        if shown is None:
            return JSONResponse({"done": True, "progress": progress})
        return JSONResponse({"done": False, "item": _item(shown), "progress": progress})

    async def label(self, request: Request) -> Response:
        annotator = self._annotator(request)
        said = await _read(request, _Said)
        _refuse_somebody_else(said, annotator)
        label = self._label(annotator, said)
        if self._labels.add(label):
            self._queue.add(label)
        return JSONResponse({"stored": True})

    async def undo(self, request: Request) -> Response:
        annotator = self._annotator(request)
        asked = await _read(request, _Undo)
        _refuse_somebody_else(asked, annotator)
        is_new = not self._labels.knows(asked.uuid)
        undone = self._labels.undo(annotator, asked.uuid, among=self._queue.questions)
        if undone is None or undone.comparison_id not in self._queue.questions:
            return JSONResponse({"undone": None})
        if is_new:
            self._queue.take_back(undone)
        shown = self._queue.shown(annotator, undone.comparison_id, undone.showing)
        return JSONResponse({"undone": _item(shown), "progress": self._queue.progress(annotator)._asdict()})

    def _label(self, annotator: str, said: _Said) -> Label:
        question = self._queue.questions.get(said.comparison_id)
        if question is None:
            raise HTTPException(404, "comparison_id: no such item in this spot check")
        if said.principle_id is not None and said.principle_id not in {one.id for one in question.principles}:
            raise HTTPException(400, "principle_id: none of this item's principles")
        if said.showing == 1 and not question.is_repeated:
            raise HTTPException(400, "showing: this item is shown once")
        shown = self._queue.shown(annotator, said.comparison_id, said.showing).ids
        if said.first not in (None, shown[0]):
            raise HTTPException(409, "the two answers stand the other way round now: look at the item again")
        return Label(
            **said.model_dump(exclude={"annotator", "first"}),
            prompt_id=question.prompt_id,
            shown=shown,
            annotator=annotator,
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
        )

    def _signed(self, annotator: str) -> str:
        name = base64.urlsafe_b64encode(annotator.encode()).decode().rstrip("=")
        return f"{name}.{hmac.digest(self._key, annotator.encode(), hashlib.sha256).hex()}"

    def _annotator(self, request: Request) -> str:
        """Whose session it is. Raises HTTPException 401 where it is nobody's."""
        name, _, _ = (value := request.cookies.get(_cookie_name(request), "")).partition(".")
        try:
            annotator = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
            is_ours = hmac.compare_digest(value.encode(), self._signed(annotator).encode())
        except ValueError:
            is_ours = False
        if not is_ours:
            raise HTTPException(401, "no session: open the address that was printed")
        return annotator


def _refuse_somebody_else(said: _Own, annotator: str) -> None:
    """Raises HTTPException 401 for the work of another annotator than the session's: a page may open one anew."""
    if said.annotator is not None and tidy_name(said.annotator) != annotator:
        raise HTTPException(401, "somebody else has signed in in this browser")


def _cookie_name(request: Request) -> str:
    """With the port, which browsers do not keep cookies apart by: two pages on one machine are two sessions."""
    return f"amendment-label-{request.headers['host'].rpartition(':')[2]}"


def _item(shown: Shown) -> dict[str, Any]:
    """All that an annotator is told of an item."""
    question = shown.question
    sides = [(question.a_id, question.a), (question.b_id, question.b)]
    first, second = (
        {"id": one, "messages": [message.to_json() for message in messages]}
        for one, messages in (reversed(sides) if shown.is_turned else sides)
    )
    return {
        "comparison_id": question.comparison_id,
        "showing": shown.showing,
        "prompt": [message.to_json() for message in question.prompt],
        "first": first,
        "second": second,
        "principles": [principle.to_json() for principle in question.principles],
    }


async def _read(request: Request, kind: type[B]) -> B:
    """The body. Raises HTTPException 400 naming what is wrong in it."""
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as fault:
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in fault.errors(include_input=False)
        ]
        raise HTTPException(400, "; ".join(problems)) from fault


async def _told(request: Request, fault: HTTPException) -> Response:
    return JSONResponse({"error": fault.detail}, fault.status_code, headers=fault.headers)


async def _failed(request: Request, fault: AmendmentError) -> Response:
    """A uuid used twice, or a disk that takes nothing: not acknowledged, so the browser keeps it."""
    return JSONResponse({"error": str(fault)}, 409 if isinstance(fault, DataError) else 503)
