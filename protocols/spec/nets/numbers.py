"""Ranges of the numbers that networks and their trainings are described by."""

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1, le=10**6, strict=True)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
