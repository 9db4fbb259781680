"""Pages for people, on this machine only: listen, compare each claim with the sound, decide."""
