"""The pages, a module for each kind: what it shows, what its forms do. They call what commands and flows call."""
