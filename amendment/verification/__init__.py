"""Verify answers by code: checks, known answers, programs in their sandbox, tasks whose answers are known."""
