"""The HTTP interface: routes, the middleware around them, and the forms and answers that they read and write.

``create_app(settings, engine)`` is the only public name; everything else is private to this package. A request comes in
through ``edge`` (middleware and connections), is read by ``input``, answered by one of ``routes``, and written by
``output``. The state that several of them share is at this level: the table of errors (``errors``), the progress of
requests (``in_flight``), the metrics (``prometheus``), FastAPI dependencies, and the OpenAPI descriptions
(``openapi``).

    app = create_app(load_settings(), engine)
    uvicorn.run(app, host="127.0.0.1", port=9000)
"""

from server.api.app import create_app

__all__ = ["create_app"]
