"""Reads the user's files and datasets as prompts, candidates and verdicts, and names each bad row."""
