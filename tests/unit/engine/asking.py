"""What the tests of questions to people share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, field_validator

from smithers import Task


class Out(BaseModel):
    n: int = 0


class Review(BaseModel):
    score: int
    words: str = "none"

    @field_validator("score")
    @classmethod
    def is_even(cls, score: int) -> int:
        if score % 2:
            raise ValueError("odd scores are not given")
        return score


def work(n: int = 0) -> Out:
    return Out(n=n)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]
