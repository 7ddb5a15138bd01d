"""What policies do on prompts that no training has seen."""
