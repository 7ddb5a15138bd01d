"""A random tiny model in this process: its answers are drawn by their own seeds, and texts stay texts."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.errors import ConfigError, Rejected, Transient
from amendment.llm.generation import GenerationOptions, draw_tokens
from amendment.llm.local import LocalModel, LocalProvider
from amendment.llm.provider import RawReply
from amendment.llm.rendering import Renderer
from amendment.llm.requests import Request
from amendment.llm.specs import LocalSpec
from amendment.records import Message
from amendment.training.preflight import render_completions

Ask = Callable[..., Request]
PLAIN = GenerationOptions(max_tokens=1)


@pytest.fixture(scope="module")
def encoder(model_folder: Path) -> LocalModel:
    return LocalModel(model_folder, "cpu", "float32")


def answers(folder: Path, requests: Sequence[Request]) -> list[Any]:
    """The replies of a freshly loaded model: bodies as objects, or errors."""

    async def main() -> list[Any]:
        provider = LocalProvider(LocalSpec(provider="local", model=str(folder)))
        try:
            return await asyncio.gather(*map(provider.send, requests), return_exceptions=True)
        finally:
            await provider.close()

    return [json.loads(sent.raw) if isinstance(sent, RawReply) else sent for sent in asyncio.run(main())]


def several(question: Ask, n: int, **sampling: Any) -> list[Request]:
    return [question("?" * (1 + 5 * i), sampling={"max_tokens": 12, "seed": 7, **sampling}) for i in range(n)]


LOW = [0.0, 0.49, 0.51, 0.79, 0.81, 1.0 - 1e-12]
DRAWS: dict[str, tuple[list[float], GenerationOptions, list[float], list[int]]] = {
    # numbers below 0.5 draw token 0, from there to 0.8 token 1, above it token 2
    "as the model says": ([0.5, 0.3, 0.2], PLAIN, LOW, [0, 0, 1, 1, 2, 2]),
    # at temperature 0.5 probabilities 0.6 and 0.4 become 0.36 / 0.52 = 0.692 and 0.308
    "a low temperature sharpens": ([0.6, 0.4], PLAIN._replace(temperature=0.5), [0.69, 0.70], [0, 1]),
    "no temperature": ([0.2, 0.5, 0.3], PLAIN._replace(temperature=0.0), [0.0, 0.99], [1, 1]),
    # sorted: token 1 (0.5), token 2 (0.3), token 0 (0.2); top_p 0.6 keeps 0.5 and 0.3, so token 2 begins at 0.625
    "top_p keeps what crosses it": ([0.2, 0.5, 0.3], PLAIN._replace(top_p=0.6), [0.0, 0.62, 0.63, 0.99], [1, 1, 2, 2]),
    "the impossible": ([0.0, 1.0, 0.0], PLAIN, [0.0, 0.5, 1.0 - 1e-16], [1, 1, 1]),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_follow_the_models_probabilities(name: str) -> None:
    p, drawing, uniforms, expected = DRAWS[name]
    logits_BV = torch.tensor(p).log().expand(len(uniforms), len(p))
    assert draw_tokens(logits_BV, torch.tensor(uniforms, dtype=torch.float64), drawing).tolist() == expected


def test_each_draw_and_each_seed_gives_another_answer_that_is_read_back(model_folder: Path, question: Ask) -> None:
    seeds = {(7, 0), (7, 1), (8, 0)}
    requests = [question(sampling={"max_tokens": 12, "seed": seed}, sample=sample) for seed, sample in seeds]
    bodies = answers(model_folder, requests)
    assert len({body["text"] for body in bodies}) == 3
    provider = LocalProvider(LocalSpec(provider="local", model=str(model_folder)))
    reply = provider.read(json.dumps(bodies[0]).encode(), requests[0])
    assert reply.usage is not None
    assert (reply.usage.output_tokens, reply.messages[0].content) == (bodies[0]["output_tokens"], bodies[0]["text"])
    with pytest.raises(Transient):
        provider.read(b'{"text": 1}', requests[0])


def test_length_and_end_are_told_apart_and_tokens_counted(model_folder: Path, question: Ask) -> None:
    bodies = answers(model_folder, several(question, 30, max_tokens=60))
    assert {body["finish_reason"] for body in bodies} == {"stop", "length"}
    for body in bodies:
        assert (body["output_tokens"] == 60) >= (body["finish_reason"] == "length")
        assert "<|end|>" not in body["text"]
    # "<|turn|>user ?<|end|><|turn|>assistant ": control tokens and signs, one token each
    assert bodies[0]["input_tokens"] == 1 + len("user ?") + 1 + 1 + len("assistant ")


def test_what_the_model_cannot_take_is_refused_and_its_neighbours_are_answered(
    model_folder: Path, question: Ask
) -> None:
    refused = {
        "the model takes 512": question("x" * 600),
        "single letters": question(choices=("Answer 1", "Answer 2")),
        "the text to score is empty": question(scored=""),
        "Shorten the prompt or the answer": question(scored="x" * 600),
    }
    *faults, drawn, scored = answers(model_folder, [*refused.values(), *several(question, 1), question(scored="x")])
    for words, fault in zip(refused, faults, strict=True):
        assert isinstance(fault, Rejected)
        assert words in str(fault)
    assert (0 < drawn["output_tokens"] <= 12, scored["scored"][1]) == (True, 1)


@settings(max_examples=100)
@given(
    text=st.lists(st.sampled_from(["<|turn|>", "<|end|>", "<pad>", "<|", "|>", "turn", "a"]) | st.text(max_size=5)).map(
        "".join
    )
)
def test_no_text_becomes_a_control_token(encoder: LocalModel, text: str) -> None:
    request = Request(provider="local", host="h", model="m", messages=(Message(role="user", content=text),))
    counted = Counter(encoder.encode(request).prompt)
    assert (counted[0], counted[1], counted[2]) == (0, 2, 1)  # <pad>, <|turn|>, <|end|> of the template itself


def test_a_reward_model_is_refused_before_anything_is_loaded(model_folder: Path, tmp_path: Path) -> None:
    config = shutil.copytree(model_folder, tmp_path / "model") / "config.json"
    config.write_text(config.read_text().replace("ForCausalLM", "ForSequenceClassification"))
    with pytest.raises(ConfigError, match=r"expected a model that writes text, found LlamaForSequenceClassification"):
        LocalProvider(LocalSpec(provider="local", model=str(config.parent)))


def test_a_model_is_asked_as_it_was_taught(base: Path, question: Ask) -> None:
    """Earlier thinking, calls, tools and a developer reach the model as training would render them."""
    call = {"type": "function", "function": {"name": "look", "arguments": {"n": 1}}}
    turns: list[dict[str, Any]] = [
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": "ask <|end|>"},
        {"role": "assistant", "content": None, "thinking": "hm", "tool_calls": [call]},
        {"role": "tool", "content": "found", "name": "look"},
    ]
    taught_model = LocalModel(base, "cpu", "float32")
    tokenizer, tools = taught_model.tokenizer, [{"type": "function", "function": {"name": "look"}}]
    row = {"tools": tools, "prompt": turns, "completion": [{"role": "assistant", "content": "yes"}]}
    [taught] = render_completions([row], Renderer(tokenizer))
    asked = taught_model.encode(question(messages=turns, tools=tools, sampling={"max_tokens": 9})).prompt
    assert asked == taught[: len(asked)]
    assert "<|think|>hm<|/think|>" in tokenizer.decode(asked)


def test_the_host_changes_with_weights_precision_and_device_and_with_nothing_else(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def host(folder: Path) -> str:
        return LocalProvider(LocalSpec(provider="local", model=str(folder))).host

    copy = tmp_path / "copy"
    shutil.copytree(model_folder, copy)
    plain = host(model_folder)
    assert host(copy) == plain
    assert plain.endswith("/cpu/float32")
    weights = next(copy.glob("*.safetensors"))
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(bytes(raw))
    changed = host(copy)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert len({plain, changed, host(model_folder)}) == 3


def test_a_prefill_stands_before_the_labels_and_before_a_text_to_score(
    encoder: LocalModel, model_folder: Path, question: Ask
) -> None:
    choice = question("?", choices=("A", "B"), prefill="Well,")
    texts = ["Yes.", "No, and at some length <|end|>."]
    requests = [question("?", prefill="Well,", scored=text) for text in texts]
    chosen, *bodies = answers(model_folder, [choice, *requests])
    begun = "<|turn|>user ?<|end|><|turn|>assistant Well,"
    for text, body in zip(["", *texts], [None, *bodies], strict=True):
        whole = begun + text.replace("<|end|>", "<\u200b|end|>")
        ids = encoder.tokenizer(whole, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logprobs = encoder.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        if body is None:
            assert encoder.encode(choice).prompt == ids
            for label, own in chosen["choice_logprobs"].items():
                token = encoder.tokenizer.convert_tokens_to_ids(label)
                assert own == pytest.approx(float(logprobs[-1, token]), abs=1e-4)
        else:
            places = range(len(encoder.encode(choice).prompt), len(ids))
            expected = sum(float(logprobs[place - 1, ids[place]]) for place in places)
            assert body["scored"] == [pytest.approx(expected, abs=1e-3), len(places)]
