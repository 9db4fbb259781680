"""Alembic migrations of the catalogue; they travel inside the wheel.

New one: ``alembic -c src/otoloop/catalog/alembic.ini revision --autogenerate -m "what changes"``, then set HEAD.
"""

HEAD = "0004"
"""The newest revision; a test holds it equal to the newest file in ``versions``."""
