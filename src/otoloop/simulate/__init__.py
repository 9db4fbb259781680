"""A simulated site: machines and their faults, rooms, people's notes and bad files."""
