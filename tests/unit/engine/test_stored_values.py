"""What an author's models hold comes back from the log as it went in, or is refused where it is given."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr
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
