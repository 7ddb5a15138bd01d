"""From files and datasets of the user's to prompts, candidates and verdicts, each bad row named."""
