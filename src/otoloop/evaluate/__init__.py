"""Answers, scorers and measures of reasoning."""
