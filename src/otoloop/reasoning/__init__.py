"""Chains of thought: written from measured facts, read claim by claim, held against the sound."""
