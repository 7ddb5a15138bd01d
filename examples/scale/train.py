"""Train on the `export/` folder of a run, in as many processes as `accelerate launch` starts.

    accelerate launch --num_processes 8 train.py dpo org/base runs/mine/export policy '{"batch_size": 64}'

A training that is killed resumes from its last checkpoint when the same command runs again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from datasets import load_dataset

from amendment.dpo import DpoSettings, SftSettings, train_dpo, train_sft
from amendment.errors import AmendmentError
from amendment.reward_model import RewardSettings, train_reward

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("method", choices=["sft", "reward", "dpo"])
parser.add_argument("base", help="a model on the Hub or in a folder")
parser.add_argument("export", type=Path, help="the `export` folder of a run")
parser.add_argument("out", type=Path, help="a folder for the trained model, on a disk that all nodes share")
parser.add_argument("settings", type=json.loads, nargs="?", default={}, help="the trainer's settings, as JSON")
given = parser.parse_args()


def progress(step: int, steps: int, metrics: dict[str, float]) -> None:
    sys.stderr.write(f"{step}/{steps} {metrics}\n")


try:
    rows = load_dataset("parquet", data_files=str(given.export / "train.parquet"), split="train").to_list()
    match given.method:
        case "sft":
            answers = [{**row, "completion": row["chosen"]} for row in rows]
            result = train_sft(given.base, answers, given.out, SftSettings(**given.settings), progress=progress)
        case "reward":
            result = train_reward(given.base, rows, given.out, RewardSettings(**given.settings), progress=progress)
        case _:
            result = train_dpo(
                given.base, rows, given.out, DpoSettings(**given.settings), guards=None, progress=progress
            )
except (AmendmentError, ValueError, OSError) as fault:
    sys.exit(f"{given.method}: {fault}")
sys.stderr.writelines(f"{note}\n" for note in result.notes)
