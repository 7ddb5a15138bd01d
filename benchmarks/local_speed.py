"""Speed of local models against plain transformers at the same batch, rounds in turn within one process.

    python benchmarks/local_speed.py [--model smollm2-135m-instruct] [--rounds 3] [--batch 32] [--threads 1]

Plain is `generate` for answers, and one forward pass over the padded batch (`model(...)`, with the logits of the last
positions alone) for verdicts and for scores. Both take the same prompts in the same order. Prompts of verdicts share
half of their tokens. Seconds are those of the clock and, in brackets, of the processor: on a machine that does other
work at the same time, compare the latter. Ratios are of the medians. The goals are 1.0 for answers, 1.6 for verdicts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from transformers import AutoModelForCausalLM

from amendment.llm.generation import BatchSettings, GenerationOptions, choose, sample, score
from amendment.llm.kv_cache import PrefixCache
from amendment.llm.local import LocalModel
from amendment.llm.opening import find_folder
from amendment.llm.weights import find_weights

PROMPTS = Path(__file__).parents[1] / "examples" / "prompts.jsonl"
RULES = "Compare the two answers. Say which of them keeps to the principle better, and judge nothing else about them. "
SCORED = "That depends on what you need it for, so begin with a small part of it and see how far you get in a day."

Batch = list[list[int]]


class Arm(NamedTuple):
    """One kind of work: what it counts, plain and ours; both give how many there were."""

    name: str
    plain: Callable[[], int]
    ours: Callable[[], int]


class Spent(NamedTuple):
    """One round of one side."""

    done: int
    clock: float
    processor: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="smollm2-135m-instruct")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--tokens", type=int, default=40, help="most tokens of an answer")
    options.add_argument("--shared", type=int, default=128, help="shared tokens of a verdict's prompt, half of it")
    options.add_argument("--only", choices=("answers", "verdicts", "scores"))
    given = options.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = find_folder(find_weights(given.model))
    local = cast(Any, LocalModel)(folder, device, "bfloat16" if device == "cuda" else "float32")
    torch.set_num_threads(given.threads)
    print(f"{given.model} on {device}, {given.threads} threads, batches of {given.batch}, {given.rounds} rounds\n")
    print("| | plain, a second | ours, a second | ratio by the clock | ratio by the processor |")
    print("|---|---|---|---|---|")
    plain = cast(Any, AutoModelForCausalLM).from_pretrained(folder, dtype=local.model.dtype)
    plain.to(device).eval()
    arms: dict[str, Callable[[], Arm]] = {
        "answers": lambda: answers(local, plain, given.batch, given.tokens),
        "verdicts": lambda: verdicts(local, plain, given.batch, given.shared),
        "scores": lambda: scores(local, plain, given.batch),
    }
    for name, make in arms.items():
        if given.only in (None, name):
            print(compared(make(), given.rounds), flush=True)


def compared(arm: Arm, rounds: int) -> str:
    """A row of the table. Who goes first alternates; the first round is one more, and does not count."""
    spent: dict[str, list[Spent]] = {"plain": [], "ours": []}
    for number in range(rounds + 1):
        sides = [("plain", arm.plain), ("ours", arm.ours)]
        for name, work in sides if number % 2 else sides[::-1]:
            clock, processor = time.perf_counter(), time.process_time()
            done = work()
            if number:
                spent[name].append(Spent(done, time.perf_counter() - clock, time.process_time() - processor))
    rates = {
        name: (
            statistics.median(row.done / row.clock for row in rows),
            statistics.median(row.done / row.processor for row in rows),
        )
        for name, rows in spent.items()
    }
    (plain, plain_cpu), (ours, ours_cpu) = rates["plain"], rates["ours"]
    shown = f"{plain:,.1f} ({plain_cpu:,.1f}) | {ours:,.1f} ({ours_cpu:,.1f})"
    return f"| {arm.name} | {shown} | {ours / plain:.2f} | {ours_cpu / plain_cpu:.2f} |"


def answers(local: LocalModel, stock: Any, batch: int, tokens: int) -> Arm:
    """Answers to everyday prompts at temperature 1, counted in tokens up to their end."""
    lines = PROMPTS.read_text(encoding="utf-8").splitlines()
    questions = [next(iter(json.loads(line).values())) for line in lines]
    prompts = [chat(local, questions[row % len(questions)]) for row in range(batch)]
    ids, mask = padded(local, prompts)
    ends = local.model.generation_config.eos_token_id

    def plain() -> int:
        made = stock.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=tokens,
            pad_token_id=local.tokenizer.pad_token_id,
        )[:, ids.shape[1] :]
        is_over = torch.isin(made, torch.tensor(ends, device=made.device)).long()
        return int((is_over.cumsum(1) - is_over == 0).sum())

    def ours() -> int:
        drawn = sample(
            local.model, local.tokenizer, prompts, range(batch), GenerationOptions(tokens), work=BatchSettings(batch)
        )
        return sum(len(answer.ids) for _, answer in drawn)

    return Arm(f"answers of at most {tokens} tokens, tokens", plain, ours)


def verdicts(local: LocalModel, stock: Any, batch: int, shared: int) -> Arm:
    """Label probabilities for prompts of which the first half is the same."""
    instructions = (tokens_of(local, RULES) * shared)[:shared]
    prompts = [[*instructions, *tails] for tails in words(local, batch, shared)]
    labels = [{label: {tokens_of(local, f" {label}")[0]} for label in "AB"}] * batch
    kept = PrefixCache()

    def ours() -> int:
        return len(dict(choose(local.model, local.tokenizer, prompts, labels, BatchSettings(batch, kept))))

    def plain() -> int:
        logprobs_BV = forward(local, stock, prompts, 1)[:, -1].float().log_softmax(-1)
        return len(logprobs_BV)

    return Arm(f"verdicts, {shared} of {2 * shared} tokens shared, calls", plain, ours)


def scores(local: LocalModel, stock: Any, batch: int) -> Arm:
    """The log-probability of answers, two to each conversation, as a likelihood judge asks for them."""
    conversations = words(local, batch // 2, 100)
    prompts = [prompt for prompt in conversations for _ in range(2)]
    given = [tokens_of(local, SCORED)[row % 2 :] for row in range(len(prompts))]
    kept = PrefixCache()

    def ours() -> int:
        return len(dict(score(local.model, local.tokenizer, prompts, given, BatchSettings(batch, kept))))

    def plain() -> int:
        wholes = [[*prompt, *answer] for prompt, answer in zip(prompts, given, strict=True)]
        longest = max(map(len, given))
        logits_BTV = forward(local, stock, wholes, longest + 1)[:, :-1].float()
        ids_BT = padded(local, wholes)[0][:, -longest:]
        return len(logits_BTV.gather(2, ids_BT[:, :, None]).squeeze(2) - logits_BTV.logsumexp(2))

    return Arm("scores of an answer of 24 tokens, 2 to each conversation of 100, calls", plain, ours)


def forward(local: LocalModel, stock: Any, rows: Batch, keep: int) -> torch.Tensor:
    """The logits of a padded batch in one pass."""
    ids, mask = padded(local, rows)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        out = stock(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=keep)
    logits: torch.Tensor = out.logits
    return logits


def padded(local: LocalModel, rows: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, filled up on the left."""
    width = max(map(len, rows))
    pad = local.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=local.model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=local.model.device)
    return ids, mask


def words(local: LocalModel, rows: int, tokens: int) -> Batch:
    """Different token ids for each row."""
    drawn: Any = torch.randint(100, 20_000, (rows, tokens), generator=torch.Generator().manual_seed(1))
    listed: Batch = drawn.tolist()
    return listed


def tokens_of(local: LocalModel, text: str) -> list[int]:
    """The ids of a text."""
    ids: list[int] = local.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def chat(local: LocalModel, question: str) -> list[int]:
    """The ids of a question up to where the model answers."""
    messages: Sequence[Any] = [{"role": "user", "content": question}]
    text = local.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokens_of(local, text)


if __name__ == "__main__":
    main()
