"""The labelling page as an application: a page without data, and an API for what annotators need.

Covered: a session for each annotator's link, items as that annotator sees them, labels acknowledged
after they are on the disk, undo, an annotator's own answers to open again. Nothing that could sway anyone is sent: no
verdicts, probabilities, strata, models or seals, nothing of other annotators, and no id by which an item could be
recognised when it comes a second time. The lead's page has its token and no session.
`Guard` takes requests of the page itself alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import jinja2
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amendment.errors import AmendmentError, DataError
from amendment.people.lead import Standing, excerpt, lead_view
from amendment.people.queue import Queue, ShownItem
from amendment.people.samples import ADJUDICATOR, LONGEST_COMMENT, SOMETHING_ELSE, Choice, Label, PrincipleText
from amendment.people.store import Labels
from amendment.statistics import Estimate

PAGE = Path(__file__).parent / "page"
_Uuid = Annotated[str, Field(min_length=8, max_length=64)]
_MOST_REMEMBERED = 500
"""Answers in an annotator's history, the latest."""
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Of the page's files: what a machine takes endings for may be something that browsers refuse to run."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Token(_Body):
    token: str


class _Own(_Body):
    """A request about an annotator's own work."""

    annotator: str | None = None
    """Whose it is. A session belongs to the browser: somebody else may have opened their link there since."""


class _Verdict(_Own):
    uuid: _Uuid
    item: str
    """The id that the page was given; another seed or another order of the answers gives another one."""
    choice: Choice
    confidence: int | None = Field(default=None, ge=1, le=3)
    principle_id: str | None = None
    comment: str | None = Field(default=None, max_length=LONGEST_COMMENT)
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class _Decision(_Token):
    """What the lead decides where people disagree."""

    uuid: _Uuid
    item: str
    choice: Literal["A", "B", "tie", "skip"]
    comment: str = Field(min_length=1, max_length=LONGEST_COMMENT)


class _UndoRequest(_Own):
    uuid: _Uuid


B = TypeVar("B", bound=_Body)


class Guide(NamedTuple):
    """What annotators see whatever the item is."""

    constitution: Sequence[PrincipleText] = ()
    """Every principle, of which any may have decided."""
    guidelines: str = ""
    """How to label, in Markdown; the page's own text where there is none."""


def create_app(
    queue: Queue,
    labels: Labels,
    *,
    links: Mapping[str, str],
    hosts: Collection[str],
    lead: str = "",
    guide: Guide = Guide(),  # noqa: B008 - a tuple
    standing: Callable[[Estimate], Standing] = lambda _: Standing(),
) -> ASGIApp:
    """Build the application over one queue and its open labels.

    `links` are the tokens of annotators by name: a token identifies its annotator. `lead` is the token
    of the lead's page; without one there is none. It also shows `standing`: what labels say so far, by how often two
    people agree. `hosts` are the values of `Host` that are taken, `name:port`.
    """
    desk = _LabelDesk(queue, labels, links, lead, guide, standing=standing)
    routes = [
        Route("/", desk.page, methods=["GET"]),
        Route("/static/{name:path}", desk.static, methods=["GET"]),
        Route("/session", desk.session, methods=["POST"]),
        Route("/session", desk.who, methods=["GET"]),
        Route("/next", desk.next, methods=["GET"]),
        Route("/labels", desk.label, methods=["POST"]),
        Route("/undo", desk.undo, methods=["POST"]),
        Route("/history", desk.history, methods=["GET"]),
        Route("/items/{name}", desk.item, methods=["GET"]),
        Route("/lead", desk.page, methods=["GET"]),
        Route("/lead", desk.lead, methods=["POST"]),
        Route("/decisions", desk.decide, methods=["POST"]),
    ]
    handlers: Any = {HTTPException: _refusal, AmendmentError: _failed, ClientDisconnect: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, hosts)


class _LabelDesk:
    """The handlers of all routes."""

    def __init__(
        self,
        queue: Queue,
        labels: Labels,
        links: Mapping[str, str],
        lead: str,
        guide: Guide,
        *,
        standing: Callable[[Estimate], Standing],
    ) -> None:
        self._queue = queue
        self._labels = labels
        self._links = links
        self._lead = lead
        self._standing = standing
        self._guide = {
            "constitution": [principle.to_json() for principle in guide.constitution],
            "guidelines": guide.guidelines,
        }
        self._principles = {SOMETHING_ELSE, *(principle.id for principle in guide.constitution)}
        self._items: dict[str, dict[str, ShownItem]] = {}
        """By annotator, everything that may be shown to them, by the id that their page is given."""
        self._files = {
            file.relative_to(PAGE / "static").as_posix(): file
            for file in (PAGE / "static").rglob("*")
            if file.is_file() and not file.is_symlink() and file.suffix in _KINDS
        }
        """All that can be asked for, by name: a path of another form finds nothing."""

    async def page(self, request: Request) -> Response:
        return HTMLResponse(page_html("lead.html" if request.url.path == "/lead" else "index.html"))

    async def static(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404, "no such file")
        return Response(file.read_bytes(), media_type=_KINDS[file.suffix])

    async def session(self, request: Request) -> Response:
        asked = await _read(request, _Token)
        annotator = self._whose(asked.token)
        if annotator is None:
            raise HTTPException(403, "this link is not valid: open the one that was printed for you")
        response = JSONResponse({"annotator": annotator, **self._guide})
        response.set_cookie(_cookie_name(request), asked.token, path="/", httponly=True, samesite="strict")
        return response

    async def who(self, request: Request) -> Response:
        return JSONResponse({"annotator": self._annotator(request), **self._guide})

    async def next(self, request: Request) -> Response:
        annotator = self._annotator(request)
        shown = self._queue.next(annotator)
        progress = self._queue.progress(annotator)._asdict()
        if shown is None:
            return JSONResponse({"done": True, "progress": progress})
        return JSONResponse({"done": False, "item": self._item(annotator, shown), "progress": progress})

    async def label(self, request: Request) -> Response:
        annotator = self._annotator(request)
        verdict = await _read(request, _Verdict)
        _refuse_somebody_else(verdict, annotator)
        label = self._label(annotator, verdict)
        if self._labels.add(label):
            self._queue.add(label)
        return JSONResponse({"stored": True})

    async def undo(self, request: Request) -> Response:
        annotator = self._annotator(request)
        asked = await _read(request, _UndoRequest)
        _refuse_somebody_else(asked, annotator)
        is_new = not self._labels.knows(asked.uuid)
        undone = self._labels.undo(annotator, asked.uuid, among=self._queue.questions)
        if undone is None or undone.comparison_id not in self._queue.questions:
            return JSONResponse({"undone": None})
        if is_new:
            self._queue.take_back(undone)
        shown = self._queue.shown(annotator, undone.comparison_id, undone.showing)
        item = self._item(annotator, shown)
        return JSONResponse({"undone": item, "progress": self._queue.progress(annotator)._asdict()})

    async def history(self, request: Request) -> Response:
        annotator = self._annotator(request)
        entries = [
            {
                "item": self._name(annotator, shown),
                "choice": label.choice,
                "prompt": excerpt(shown.question.prompt),
            }
            for label, shown in self._answered(annotator)[:_MOST_REMEMBERED]
        ]
        return JSONResponse({"history": entries})

    async def item(self, request: Request) -> Response:
        annotator = self._annotator(request)
        for label, shown in self._answered(annotator):
            if self._name(annotator, shown) == request.path_params["name"]:
                return JSONResponse({"item": self._item(annotator, shown, label)})
        raise HTTPException(404, "item: not among your answers; reload the page")

    async def lead(self, request: Request) -> Response:
        self._refuse_others(await _read(request, _Token))
        return JSONResponse(lead_view(self._queue, self._labels, self._links, self._standing))

    async def decide(self, request: Request) -> Response:
        """Keep the lead's decision of a comparison on which people disagree."""
        decision = await _read(request, _Decision)
        self._refuse_others(decision)
        view = lead_view(self._queue, self._labels, self._links, self._standing)
        if decision.item not in {dispute["item"] for dispute in view["disputes"]}:
            raise HTTPException(404, "item: people do not disagree on it; reload the page")
        shown = ShownItem(self._queue.questions[decision.item], 0, is_turned=False)
        said = decision.model_dump(include={"uuid", "choice", "comment"})
        self._labels.adjudicate(shown.label(ADJUDICATOR, **said))
        return JSONResponse(lead_view(self._queue, self._labels, self._links, self._standing))

    def _refuse_others(self, asked: _Token) -> None:
        """Refuse everybody but the lead. Raises HTTPException 403."""
        if not self._lead or not _is_token(asked.token, self._lead):
            raise HTTPException(403, "this link is not valid: open the one that was printed for the lead")

    def _answered(self, annotator: str) -> list[tuple[Label, ShownItem]]:
        """Return the annotator's answers, latest first, without those of the current item. It may be a hidden repeat,
        and they would copy their first answer."""
        current = self._queue.next(annotator)
        mine = [
            label
            for label in self._labels.current()
            if label.annotator == annotator
            and label.comparison_id in self._queue.questions
            and (current is None or label.comparison_id != current.question.comparison_id)
        ]
        mine.sort(key=lambda label: label.instant, reverse=True)
        return [_as_shown(label, self._queue.shown(annotator, label.comparison_id, label.showing)) for label in mine]

    def _label(self, annotator: str, verdict: _Verdict) -> Label:
        shown = self._shown(annotator).get(verdict.item)
        if shown is None:
            raise HTTPException(404, "item: not in the current sample; reload the page")
        question = shown.question
        known = {None, *(rule.id for rule in question.principles), *self._principles}
        if verdict.principle_id not in known:
            raise HTTPException(400, "principle_id: not a principle of the constitution")
        return shown.label(annotator, **verdict.model_dump(exclude={"annotator", "item"}))

    def _item(self, annotator: str, shown: ShownItem, answer: Label | None = None) -> dict[str, Any]:
        """Return all that an annotator sees of an item, with their own answer: in `answer`, which they open again, or
        in a verdict that they took back."""
        question = shown.question
        first, second = shown.answers
        label = answer or self._labels.taken_back(annotator, question.comparison_id, shown.showing)
        fields = {"confidence", "principle_id", "comment", *(["choice"] if answer else [])}
        own = label.model_dump(include=fields, exclude_none=True) if label else {}
        return {
            "id": self._name(annotator, shown),
            "question": question.question,
            "prompt": [message.to_json() for message in question.prompt],
            "first": [message.to_json() for message in first],
            "second": [message.to_json() for message in second],
            "principles": [principle.to_json() for principle in question.principles],
            "said": own,
        }

    def _name(self, annotator: str, shown: ShownItem) -> str:
        """Name each showing and each order of the answers differently, and equally after a restart, since a verdict may
        wait in a browser. The name means nothing without the link."""
        showing = "\x1f".join((shown.question.comparison_id, str(shown.showing), shown.ids[0]))
        return hmac.digest(self._links[annotator].encode(), showing.encode(), hashlib.sha256).hex()[:32]

    def _shown(self, annotator: str) -> dict[str, ShownItem]:
        if annotator not in self._items:
            every = (
                self._queue.shown(annotator, name, showing)
                for name, question in self._queue.questions.items()
                for showing in range(2 if question.is_repeated else 1)
            )
            self._items[annotator] = {self._name(annotator, shown): shown for shown in every}
        return self._items[annotator]

    def _whose(self, token: str) -> str | None:
        """Find the annotator of a token. Every link is compared, so that the time taken says nothing."""
        fitting = [name for name, own in self._links.items() if _is_token(token, own)]
        return fitting[0] if fitting else None

    def _annotator(self, request: Request) -> str:
        """Return the annotator of the session. Raises HTTPException 401 if there is none."""
        annotator = self._whose(request.cookies.get(_cookie_name(request), ""))
        if annotator is None:
            raise HTTPException(401, "no session: open the link that was printed for you")
        return annotator


def _as_shown(label: Label, shown: ShownItem) -> tuple[Label, ShownItem]:
    """Turn a label to the order of sides in which its item is shown now; an imported one may have had the other."""
    if label.shown == shown.ids:
        return label, shown
    turned: dict[Choice, Choice] = {"A": "B", "B": "A"}
    return label.model_copy(update={"shown": shown.ids, "choice": turned.get(label.choice, label.choice)}), shown


def page_html(name: str, texts: Mapping[str, str] | None = None) -> str:
    """Return a page without data, with the texts of en.json or others of the same names."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return templates.get_template(name).render(t=texts or json.loads((PAGE / "en.json").read_bytes()))


def _is_token(given: str, own: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), own.encode())


def _refuse_somebody_else(body: _Own, annotator: str) -> None:
    """Refuse the work of another annotator than the session's. Raises HTTPException 401."""
    if body.annotator is not None and body.annotator != annotator:
        raise HTTPException(401, "somebody else has opened their link in this browser")


def _cookie_name(request: Request) -> str:
    """Return a name with the port in it, since browsers share cookies between ports: two pages on one machine are two
    sessions."""
    return f"amendment-label-{request.headers['host'].rpartition(':')[2]}"


async def _read(request: Request, kind: type[B]) -> B:
    """Read the body. Raises HTTPException 400 naming what is wrong in it, and 413 if it is too long, whatever length
    was announced."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise HTTPException(413, TOO_LONG)
    try:
        return kind.model_validate_json(bytes(body))
    except ValidationError as fault:
        problems = [
            f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in fault.errors(include_input=False)
        ]
        raise HTTPException(400, "; ".join(problems)) from fault


async def _refusal(request: Request, fault: HTTPException) -> Response:
    return JSONResponse({"error": fault.detail}, fault.status_code, headers=fault.headers)


async def _failed(request: Request, fault: AmendmentError | ClientDisconnect) -> Response:
    """Answer that the work was not acknowledged, so that the browser keeps it: a uuid was used twice, the disk refused
    it, or the connection is gone."""
    return JSONResponse({"error": str(fault)}, 409 if isinstance(fault, DataError) else 503)


LONGEST_BODY = 64 * 1024
"""Bytes of a request's body."""
TOO_LONG = f"the body is longer than {LONGEST_BODY} bytes"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_READS = ("GET", "HEAD")
_OPEN_PATHS = ("/", "/lead")
"""May be reached by a link on another site: they hold nothing."""


class Guard:
    """An ASGI application around another one. `hosts` are the values of `Host` that are taken, with their port."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no websockets here

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, answer)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _refused(421, "this page is not served under that name; use the address that was printed")
        if scope["method"] in _READS:
            site = headers.get("sec-fetch-site", "none")
            is_ours = site in ("same-origin", "none") or scope["path"] in _OPEN_PATHS
            return None if is_ours else _refused(403, "asked for by a page of another site")
        if headers.getlist("origin") != [f"http://{hosts[0]}"]:
            return _refused(403, "Origin is absent or another site's; only the page itself may write")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(415, "expected Content-Type: application/json")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > LONGEST_BODY:
            return _refused(413, TOO_LONG)
        return None


def _refused(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)
