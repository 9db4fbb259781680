"""What may go live, who said so, and what is live: a chain of events on S3, decisions signed by people, signed bundles.

events       one event, its canonical bytes and its hash
registry     the chain on S3: create-only writes, one winner a number; versions and pointers
ledger       what a chain means: requests with their states, and what each channel serves
approvers    who may decide, and their keys
pack         the evidence that a decision is bound to
requests     register a finished cycle's adapter and ask for a decision
decisions    approve, reject, single-use codes
bundle       sign and verify what servers load
promotion    carry decisions out; roll back
audit        find what was changed, cut or rewritten

Nobody has to trust a writer: each reader derives what is live from the chain and the signatures in it.
"""
