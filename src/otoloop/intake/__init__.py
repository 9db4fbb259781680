"""Intake: what arrives in the bucket becomes clips with notes and sensors, or goes to quarantine with a reason.

Exactly once, whatever happens: bytes first (read back), then the row, then the acknowledgement.
"""
