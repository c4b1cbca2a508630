"""Forms (RFC 7578) as clients send them."""


def build_form(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, dict[str, str]]:
    """Build the body of a form and its headers from the name, the file name and the content of each part."""
    lines: list[bytes] = []
    for name, file_name, content in parts:
        shown = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name is not None else "")
        lines += [b"--limit", f"Content-Disposition: {shown}".encode(), b"", content]
    return b"\r\n".join([*lines, b"--limit--", b""]), {"Content-Type": "multipart/form-data; boundary=limit"}
