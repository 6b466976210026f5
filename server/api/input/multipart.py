"""A reader of multipart/form-data (RFC 7578) as it arrives; the only file that imports python-multipart.

Starlette's ``request.form()`` does not serve here: the engine needs the file under a name, so it would be copied once
more, and fields of more than 1 MiB are refused there, which a recording inside a data URL can be.
"""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from server.errors import InvalidInput
from server.raw_formats import telling_extension

FILE_FIELD = "file"
MAX_FIELDS = 200
MAX_FIELD_BYTES = 16 * 1024 * 1024  # all fields together


class MultipartReader:
    """Splits a multipart body, which is fed in pieces, into the bytes of its file and its text fields.

    The file is the part named ``file``; ``extension`` is that of its name if its format has no signature (``g722``).
    Of a file under another name only the file name is kept, as the value of that field. Every method raises
    InvalidInput if the body is not what its content type says.

        reader = MultipartReader(request.headers["content-type"])
        async for chunk in request.stream():
            file.write(reader.feed(chunk))
        fields = reader.close()
    """

    def __init__(self, content_type: str) -> None:
        _, parameters = parse_options_header(content_type)
        boundary = parameters.get(b"boundary")
        if not boundary:
            raise InvalidInput("The Content-Type multipart/form-data lacks its boundary.", param=FILE_FIELD)
        self.has_file = False
        self.extension: str | None = None
        self._fields: list[tuple[str, str]] = []
        self._field_bytes = 0
        self._complete = False
        self._file_data = bytearray()
        self._name = ""
        self._filename: bytes | None = None
        self._value = bytearray()
        self._header = bytearray()
        self._header_value = bytearray()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_data,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _broken(str(error)) from error

    def feed(self, chunk: bytes) -> bytes:
        """Read the next piece of the body and return the bytes of the file in it."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _broken(str(error)) from error
        data = bytes(self._file_data)
        self._file_data.clear()
        return data

    def close(self) -> list[tuple[str, str]]:
        """Return the text fields as (name, value) pairs in the order of the body, which must be complete."""
        if not self._complete:
            raise _broken("it ends before its closing boundary")
        return self._fields

    def _part_begin(self) -> None:
        self._name = ""
        self._filename = None
        self._value.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_data(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, parameters = parse_options_header(bytes(self._header_value))
            self._name = parameters.get(b"name", b"").decode("utf-8", "replace")
            self._filename = parameters.get(b"filename")
        self._header.clear()
        self._header_value.clear()

    def _headers_finished(self) -> None:
        if not self._name:
            raise _broken("a part lacks its name")
        if self._name == FILE_FIELD:
            if self.has_file:
                raise InvalidInput("There is more than one file; send one per request.", param=FILE_FIELD)
            self.has_file = True
            self.extension = telling_extension((self._filename or b"").decode("ascii", "replace"))
        elif self._filename is not None:
            self._value += self._filename

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE_FIELD:
            self._file_data += data[start:end]
        if self._name == FILE_FIELD or self._filename is not None:
            return
        self._field_bytes += end - start
        if self._field_bytes > MAX_FIELD_BYTES:
            raise InvalidInput(f"The fields hold more than {MAX_FIELD_BYTES} bytes.", param=self._name)
        self._value += data[start:end]

    def _part_end(self) -> None:
        if self._name == FILE_FIELD:
            return
        if len(self._fields) == MAX_FIELDS:
            raise InvalidInput(f"There are more than {MAX_FIELDS} fields.", param=self._name)
        try:
            self._fields.append((self._name, self._value.decode()))
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{self._name} is not UTF-8 text.", param=self._name) from error

    def _end(self) -> None:
        self._complete = True


def _broken(why: str) -> InvalidInput:
    return InvalidInput(f"The multipart body is broken: {why}.", param=FILE_FIELD)
