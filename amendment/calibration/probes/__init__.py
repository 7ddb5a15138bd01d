"""What of a judge's verdicts moves when only the wrapping of an answer is changed: edits, pairing, figures, gates."""
