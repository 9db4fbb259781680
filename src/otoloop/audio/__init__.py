"""Sound in: decode safely, fingerprint, measure evidence, judge quality, protect speech."""
