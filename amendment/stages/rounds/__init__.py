"""Rounds on the policy's own answers: what each is made of, what it trains on, and the table of them all."""
