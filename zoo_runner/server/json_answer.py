"""An answer in JSON that can be encoded whatever its document has, such as what an earlier release has stored."""

from typing import Any

from fastapi.responses import JSONResponse

from zoo_runner.model.portable import write_json


class JsonAnswer(JSONResponse):
    """A body in JSON; what JSON in UTF-8 cannot hold is replaced (`model.portable`)."""

    def render(self, content: Any) -> bytes:
        """Write the body."""
        return write_json(content)
