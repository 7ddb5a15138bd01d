"""One client, one load, one process: what `calls.py` measures from outside.

    python benchmarks/clients.py CLIENT BASE_URL '{"load": "independent", "calls": 2000, "in_flight": 256}'

Prints one line of JSON: seconds from the first send to the last reply on hand (and on disk, where the client has one),
CPU microseconds a call less start-up, peak memory, a hash over all answers in order.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

CHAIN = 8
PADDING = "Answer in one plain paragraph. Say what you know, say what you do not know, and keep to the question. " * 4

Ask = Callable[[str], Awaitable[str]]


def question(index: int) -> str:
    return f"Question {index}: why does the tide come twice a day, and what has the moon to do with it? {PADDING}"


def next_question(step: int, answer: str) -> str:
    """What a chain asks after the answer to its question of a step."""
    return f"{step} {answer[:400]} {PADDING}"


async def independent(ask: Ask, load: dict[str, Any]) -> list[str]:
    """Every call by itself."""
    slots = asyncio.Semaphore(load["in_flight"])

    async def one(index: int) -> str:
        async with slots:
            return await ask(question(index))

    return await asyncio.gather(*(one(index) for index in range(load["calls"])))


async def chains(ask: Ask, load: dict[str, Any]) -> list[str]:
    """Chains of eight calls, each made of the last answer; no barrier between chains."""
    slots = asyncio.Semaphore(load["in_flight"])

    async def one(index: int) -> str:
        text = question(load.get("first", 0) + index)
        for step in range(CHAIN):
            async with slots:
                text = next_question(step, await ask(text))
        return text

    return await asyncio.gather(*(one(index) for index in range(load["calls"] // CHAIN)))


def patient(url: str, load: dict[str, Any]) -> Ask:
    """Waits out each call's own Retry-After, and does nothing else about refusals."""
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def ask(text: str) -> str:
        body = {"model": "fast", "messages": [{"role": "user", "content": text}]}
        while True:
            async with session.post(url + "/v1/chat/completions", json=body) as reply:
                if reply.status == 200:
                    return str((await reply.json())["choices"][0]["message"]["content"])
                wait = float(reply.headers["retry-after-ms"]) / 1000
            await asyncio.sleep(wait)

    return ask


def openai_plain(url: str, load: dict[str, Any]) -> Ask:
    """AsyncOpenAI as it comes."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="none", base_url=url + "/v1")

    async def ask(text: str) -> str:
        reply = await client.chat.completions.create(model="fast", messages=[{"role": "user", "content": text}], seed=0)
        return reply.choices[0].message.content or ""

    return ask


def openai_best(url: str, load: dict[str, Any]) -> Ask:
    """The same client at its cheapest: aiohttp below, the typed layers left out."""
    import httpx2
    import orjson
    from openai import AsyncOpenAI, DefaultAioHttpClient

    client = AsyncOpenAI(
        api_key="none",
        base_url=url + "/v1",
        http_client=DefaultAioHttpClient(limits=httpx2.Limits(max_connections=1024, max_keepalive_connections=1024)),
    )

    async def ask(text: str) -> str:
        body = {"model": "fast", "messages": [{"role": "user", "content": text}], "seed": 0}
        response = await client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        return str(orjson.loads(response.content)["choices"][0]["message"]["content"])

    return ask


def anthropic_plain(url: str, load: dict[str, Any]) -> Ask:
    """AsyncAnthropic as it comes."""
    from anthropic import AsyncAnthropic

    client = AsyncAnthropic(api_key="none", base_url=url)

    async def ask(text: str) -> str:
        reply = await client.messages.create(model="fast", max_tokens=512, messages=[{"role": "user", "content": text}])
        return str(getattr(reply.content[0], "text", ""))

    return ask


def anthropic_best(url: str, load: dict[str, Any]) -> Ask:
    """The same client at its cheapest."""
    import httpx2
    import orjson
    from anthropic import AsyncAnthropic, DefaultAioHttpClient

    client = AsyncAnthropic(
        api_key="none",
        base_url=url,
        http_client=DefaultAioHttpClient(limits=httpx2.Limits(max_connections=1024, max_keepalive_connections=1024)),
    )

    async def ask(text: str) -> str:
        body = {"model": "fast", "max_tokens": 512, "messages": [{"role": "user", "content": text}]}
        response = await client.post("/v1/messages", body=body, cast_to=httpx2.Response)
        return str(orjson.loads(response.content)["content"][0]["text"])

    return ask


CLIENTS = {
    "patient": patient,
    "openai as it comes": openai_plain,
    "openai at its cheapest": openai_best,
    "anthropic as it comes": anthropic_plain,
    "anthropic at its cheapest": anthropic_best,
}


async def vendor(name: str, url: str, load: dict[str, Any]) -> dict[str, Any]:
    ask = CLIENTS[name](url, load)
    await ask("warm up")
    start, cpu = time.perf_counter(), time.process_time()
    answers = await (chains if load["load"] == "chains" else independent)(ask, load)
    return told(load, answers, time.perf_counter() - start, time.process_time() - cpu)


def told(load: dict[str, Any], answers: list[str], seconds: float, cpu: float) -> dict[str, Any]:
    digest = hashlib.sha256("\n".join(answers).encode()).hexdigest()[:16]
    return {"seconds": seconds, "cpu_us": cpu / load["calls"] * 1e6, "answers": digest, "rss": peak()}


def peak() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def ours(kind: str, url: str, load: dict[str, Any]) -> dict[str, Any]:
    """This toolkit: ledger on disk, governors, records."""
    from amendment.llm.client import Calls
    from amendment.llm.concurrency import flow
    from amendment.llm.ledger import Ledger
    from amendment.llm.limits import Limits
    from amendment.llm.model import Model
    from amendment.llm.opening import open_model
    from amendment.llm.specs import AnthropicSpec, OpenAISpec
    from amendment.records import last_text, user

    at_once = load["in_flight"]  # None: the toolkit finds it out
    spec: Any = (
        OpenAISpec(provider="openai", model="fast", base_url=url + "/v1", concurrency=at_once)
        if kind == "openai"
        else AnthropicSpec(provider="anthropic", model="fast", base_url=url, concurrency=at_once, max_tokens=512)
    )
    with Ledger(Path(load["folder"]) / "ledger.sqlite") as ledger:
        calls = Calls(ledger)
        calls.endpoint(
            spec.host, "fast", Limits(at_once)
        )  # loopback stands for a vendor, not for a server of one's own
        model: Model = open_model("m", spec, calls, seed=0)

        async def ask(text: str) -> str:
            return last_text((await model.ask(user(text))).reply.messages)

        async def single(index: int) -> str:
            return await ask(question(index))

        async def chain(index: int) -> str:
            text = question(load.get("first", 0) + index)
            for step in range(CHAIN):
                text = next_question(step, await ask(text))
            return text

        if not load.get("cold"):
            await ask("warm up")
        start, cpu = time.perf_counter(), time.process_time()
        work, count = (chain, load["calls"] // CHAIN) if load["load"] == "chains" else (single, load["calls"])
        texts = await flow(range(count), work, window=4 * (at_once or 256))
        result = told(load, texts, time.perf_counter() - start, time.process_time() - cpu)
        await calls.drain()
        await model.provider.close()
        return {**result, "sent": calls.sent, "cached": calls.cached}


def main() -> None:
    import uvloop

    gc.set_threshold(100_000, 20, 100)  # as `amendment run` does, for all clients alike
    name, url, load = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if name.startswith("amendment"):
        result = uvloop.run(ours(name.split()[1], url, load))
    elif name.endswith("cheapest"):
        result = uvloop.run(vendor(name, url, load))
    else:
        result = asyncio.run(vendor(name, url, load))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
