"""The routes: one file for each group of URLs, with a router called ``routes`` that ``server.api.app`` includes."""
