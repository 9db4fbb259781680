"""The catalogue: what arrived, what it is, what people said of it, and what was made from it.

One SQL database, SQLite or PostgreSQL. Open it with ``catalog.open(url)`` and call the functions of the modules
``machines, deliveries, clips, notes, items, reviews, releases, answers`` inside ``book.session()`` (writes) or
``book.reading()`` (reads). Every function takes the session first; none commits by itself.
"""

from otoloop.catalog.database import Catalog, default_url, open_catalog, open_workspace

open = open_catalog

__all__ = ["Catalog", "default_url", "open", "open_catalog", "open_workspace"]
