"""Servers that speak OpenAI's protocol in their own way: Azure, vLLM, Ollama, OpenRouter, each over a real socket."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from amendment.constitutions import load_constitution
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.opening import open_model
from amendment.llm.specs import OpenAISpec
from amendment.preference import Compared, Judge, JudgeSettings

KEY = "canary0123456789abcdef"


def entry(server: Any, path: str, **fields: Any) -> OpenAISpec:
    whole = {"provider": "openai", "model": "m", "base_url": server.url + path, "api_key_env": "OUR_KEY", **fields}
    return OpenAISpec.model_validate(whole)


def compared(spec: OpenAISpec, folder: str = "label-tokens") -> tuple[Compared, dict[str, int]]:
    async def main() -> tuple[Compared, dict[str, int]]:
        with Ledger() as ledger:
            calls = Calls(ledger, attempts=2, longest_wait=0.01)
            model: Model = open_model("judge", spec, calls, 7, {"OUR_KEY": KEY})
            constitution = load_constitution("helpful-honest")
            settings = JudgeSettings(orders="both")
            judge = Judge.from_folder(folder, model=model, constitution=constitution, settings=settings)
            try:
                made = await judge.compare_async(prompt="Hi", a="one", b="two")
            finally:
                await model.provider.close()
            return made, dict(calls.notices)

    return asyncio.run(main())


def said(text: str, **choice: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}


@pytest.mark.parametrize("decoded", [True, False], ids=["as the vendor", "as token ids"])
def test_vllm_shows_probabilities_in_several_shapes(decoded: bool, server: Any) -> None:
    # p(A) = 0.6 and p(" A") = 0.2 make 0.8; p(B) = 0.2
    names = ["A", " A", "B"] if decoded else ["A", "\u0120A", "B"]
    shares = zip(names, (0.6, 0.2, 0.2), strict=True)
    tokens = [{"token": name, "logprob": math.log(share), "bytes": None} for name, share in shares]
    first = {**tokens[0], "top_logprobs": [*tokens, {"token": "x", "logprob": -9999.0}]}
    for _ in range(2):
        server.will_say(said("A", logprobs={"content": [first]}, stop_reason=None))
    made, notices = compared(entry(server, "/v1"))
    p_first = 0.8 if decoded else 0.75  # a byte-level spelling is no label: 0.6 / (0.6 + 0.2)
    assert [verdict.p_first() for verdict in made.verdicts] == [pytest.approx(p_first)] * 2
    assert notices == {}


def test_ollama_leaves_probabilities_out_and_its_letters_are_votes(server: Any) -> None:
    for text in ("A", " A\n"):
        server.will_say(said(text))
    made, notices = compared(entry(server, "/v1", api_key_env=None))
    assert [(verdict.value, verdict.distribution) for verdict in made.verdicts] == [("A", None)] * 2
    assert made.p_a == pytest.approx(0.5)  # the first place in both orders
    assert [call["body"]["seed"] for call in server.asked] == [7, 7]
    assert "authorization" not in server.asked[0]["headers"]
    (notice,) = notices
    assert "one vote" in notice
