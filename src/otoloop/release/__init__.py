"""Releases: approved items frozen with their audio, divided into train, valid and test, kept in DVC under a git tag."""
