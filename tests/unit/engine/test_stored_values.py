"""What an author's models hold comes back from the log as it went in, or is refused where it is given."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, computed_field, field_validator
from pydantic.alias_generators import to_camel

from smithers import Child, Context, HumanTask, Sequence, Signal, Subflow, Task, Workflow, call
from smithers.engine.inputs import check_input
from smithers.errors import InvalidElement, InvalidInput
from smithers.testing import simulate


class Line(BaseModel):
    unit_price: int = Field(default=0, alias="unitPrice")


class Order(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    order_id: int
    gift_note: str = ""
    order_lines: list[Line] = []


class Sum(BaseModel):
    total: int


class Login(BaseModel):
    user: str = "ada"
    password: SecretStr


class Logins(BaseModel):
    logins: list[Login] = []


GIVEN = {"orderId": 7, "giftNote": "for you", "orderLines": [{"unitPrice": 3}, {"unitPrice": 4}]}
ORDER = Order.model_validate(GIVEN)


def ordered() -> Order:
    return ORDER


def added_up(order: Order) -> Sum:
    return Sum(total=order.order_id + sum(line.unit_price for line in order.order_lines))


def read(ctx: Context[Any]) -> Child:
    return Task("read", output=Sum)[call(added_up, ctx.output(Order, "order"))]


def test_fields_with_an_alias_keep_their_values_on_their_way_to_who_reads_them(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        return Sequence[
            Task("order", output=Order)[ordered],
            Task("handed", output=Sum, deps={"order": Order})[added_up],
            lambda: read(ctx),
        ]

    ended = run(make)

    assert (ended.output(Sum, "handed").total, ended.output(Sum, "read").total) == (14, 14)
    assert ended.output(Order, "order") == ORDER


def test_a_task_that_is_a_value_keeps_fields_with_an_alias(run: Any) -> None:
    ended = run(lambda ctx: Sequence[Task("order", output=Order)[ORDER], lambda: read(ctx)])

    assert ended.output(Sum, "read").total == 14


@pytest.mark.parametrize("given", [GIVEN, ORDER.model_dump(), ORDER], ids=["aliases", "names", "model"])
def test_an_input_may_name_its_fields_either_way(given: Any) -> None:
    seen: list[Order] = []

    def make(ctx: Context[Order]) -> Child:
        seen.append(ctx.input)
        return Task("order", output=Order)[ctx.input]

    workflow = Workflow("w", make, Order)
    child = Subflow("child", workflow=workflow, input=given, output=Order, mode="inline")

    assert simulate(workflow, given).output(Order, "order") == ORDER
    assert simulate(Workflow("parent", lambda ctx: child, None)).output(Order, "child") == ORDER
    assert all(one == ORDER for one in seen)


def test_an_input_may_use_any_of_several_aliases() -> None:
    class Who(BaseModel):
        name: str = Field(validation_alias=AliasChoices("login", "userName"))

    workflow = Workflow("w", lambda ctx: None, Who)

    assert [check_input(workflow, {key: "ada"}) for key in ("login", "userName", "name")] == [{"name": "ada"}] * 3


def test_people_and_events_may_name_fields_by_alias(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        return Sequence[
            HumanTask("order", output=Order, prompt="?"),
            lambda: read(ctx),
            Signal("more", output=Line)[lambda line: Task("line", output=Sum)[Sum(total=line.unit_price)]],
        ]

    ended = run(make, decisions={"order": GIVEN}, signals={"more": {"unitPrice": 5}})

    assert (ended.output(Sum, "read").total, ended.output(Sum, "line").total) == (14, 5)


def test_models_answer_and_are_sent_as_what_they_are() -> None:
    tree = Sequence[HumanTask("order", output=Order, prompt="?"), Signal("more", output=Line)]

    ended = simulate(
        Workflow("w", lambda ctx: tree, None),
        decisions={"order": ORDER},
        signals={"more": Line.model_validate({"unitPrice": 5})},
    )

    assert ended.output(Order, "order") == ORDER
    assert ended.output(Line, "more").unit_price == 5


def test_an_output_that_holds_a_secret_is_refused_since_only_stars_would_be_kept(run: Any) -> None:
    def login() -> Logins:
        return Logins(logins=[Login(password=SecretStr("hunter2"))])

    ended = run(Task("login", output=Logins)[login])

    assert (ended.status, ended.error["code"]) == ("failed", "INVALID_OUTPUT")
    assert "password: got a secret" in ended.error["message"]


def test_secrets_are_refused_in_inputs_and_in_what_people_are_asked() -> None:
    with pytest.raises(InvalidInput, match="a secret in password: inputs are stored"):
        check_input(Workflow("w", lambda ctx: None, Logins), {"logins": [{"password": "hunter2"}]})
    with pytest.raises(InvalidElement, match="password of Logins is a secret"):
        HumanTask("login", output=Logins, prompt="?")


class Colour(Enum):
    RED = "red"


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    when: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    colour: Colour = Colour.RED
    pair: tuple[int, str] = (1, "a")
    names: set[str] = {"b", "c"}
    by_number: dict[int, str] = {1: "one"}


def test_strict_models_keep_what_json_has_no_types_for(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        def read() -> Child:
            assert ctx.output(Strict, "strict") == Strict()
            return Task("read", output=Sum, deps={"strict": Strict})[lambda strict: Sum(total=int(strict == Strict()))]

        return Sequence[Task("strict", output=Strict)[Strict], read]

    assert run(make).output(Sum, "read").total == 1


def test_a_strict_input_is_taken_as_json() -> None:
    seen: list[Strict] = []

    def make(ctx: Context[Strict]) -> Child:
        seen.append(ctx.input)
        return Task("a", output=Sum)[Sum(total=1)]

    simulate(Workflow("w", make, Strict), {"when": "2026-01-01T00:00:00Z", "colour": "red", "pair": [1, "a"]})

    assert seen[0] == Strict()


class Cents(BaseModel):
    cents: int

    @field_validator("cents")
    @classmethod
    def of_euros(cls, euros: int) -> int:
        return euros * 100


class Comma(BaseModel):
    price: float

    @field_validator("price", mode="before")
    @classmethod
    def with_comma(cls, text: str) -> float:
        return float(text.replace(",", "."))


@pytest.mark.parametrize(
    ("model", "given", "says"),
    [
        (Cents, {"cents": 2}, "cents: got int 200, .* it comes back as int 20000"),
        (Comma, {"price": "1,5"}, "validators that take what they have made .AttributeError"),
    ],
)
def test_a_model_that_cannot_read_what_it_has_made_is_refused(model: Any, given: Any, says: str, run: Any) -> None:
    ended = run(Task("a", output=model)[lambda: model(**given)])

    assert ended.error["code"] == "INVALID_OUTPUT"
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(ended.error["message"])
    with pytest.raises(InvalidInput, match="cannot be read back as it was taken"):
        check_input(Workflow("w", lambda ctx: None, model), given)


class Base(BaseModel):
    n: int = 1


class Derived(Base):
    more: str = "x"


class Counted(BaseModel):
    names: set[str] = set()

    @computed_field
    @property
    def looked_at(self) -> int:
        LOOKS.append(1)
        return len(LOOKS)


LOOKS: list[int] = []


def test_what_only_looks_different_is_taken(run: Any) -> None:
    names = {f"name-{number}" for number in range(50)}

    def make(ctx: Context[Any]) -> Child:
        return Sequence[
            Task("derived", output=Base)[lambda: Derived(n=2)],
            Task("counted", output=Counted)[lambda: Counted(names=names)],
        ]

    ended = run(make)

    assert ended.output(Derived, "derived") == Derived(n=2)
    assert ended.output(Counted, "counted").names == names
