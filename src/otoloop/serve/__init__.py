"""Serving: a gateway that speaks the OpenAI chat API with sound, and an engine that answers many questions a pass.

Only versions that were approved and signed are loaded; the pointer of a channel says which one is live.
"""
