"""Which part of a long list a page asks for."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query

MAX_PAGE: Final = 200

Offset = Annotated[int, Query(ge=0)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
