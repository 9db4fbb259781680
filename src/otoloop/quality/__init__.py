"""Data checks with Great Expectations: which clips of a batch must not go on, and whether a release is fit to train on.

The library is imported inside functions only: its import alone takes seconds.
"""
