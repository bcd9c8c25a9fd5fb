"""Smithers on Temporal: long-running work by AI agents, written as a tree, run durably.

The authoring names are loaded when they are first used, so that a command that needs none of them starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from smithers.api.handle import RunHandle as RunHandle
    from smithers.api.result import Result as Result
    from smithers.api.starting import run as run
    from smithers.api.starting import start as start
    from smithers.errors import NonRetryable as NonRetryable
    from smithers.errors import SmithersError as SmithersError
    from smithers.flow.approval import Approval as Approval
    from smithers.flow.approval import ApprovalOption as ApprovalOption
    from smithers.flow.approval import ApprovalRanking as ApprovalRanking
    from smithers.flow.approval import ApprovalSelection as ApprovalSelection
    from smithers.flow.approval import AutoApprove as AutoApprove
    from smithers.flow.approval import Decision as Decision
    from smithers.flow.aspects import Aspects as Aspects
    from smithers.flow.budget import CostBudget as CostBudget
    from smithers.flow.budget import Estimate as Estimate
    from smithers.flow.budget import LatencySlo as LatencySlo
    from smithers.flow.budget import TokenBudget as TokenBudget
    from smithers.flow.budget import Tracking as Tracking
    from smithers.flow.cache import CachePolicy as CachePolicy
    from smithers.flow.call import call as call
    from smithers.flow.context import Context as Context
    from smithers.flow.context import Continuation as Continuation
    from smithers.flow.context import use_context as use_context
    from smithers.flow.continuing import ContinueAsNew as ContinueAsNew
    from smithers.flow.continuing import continue_as_new as continue_as_new
    from smithers.flow.deadline import Race as Race
    from smithers.flow.element import Child as Child
    from smithers.flow.element import Element as Element
    from smithers.flow.element import Fragment as Fragment
    from smithers.flow.event import Signal as Signal
    from smithers.flow.event import WaitForEvent as WaitForEvent
    from smithers.flow.for_each import Each as Each
    from smithers.flow.for_each import ForEach as ForEach
    from smithers.flow.gate import ApprovalGate as ApprovalGate
    from smithers.flow.group import Branch as Branch
    from smithers.flow.group import DecisionTable as DecisionTable
    from smithers.flow.group import MergeQueue as MergeQueue
    from smithers.flow.group import Parallel as Parallel
    from smithers.flow.group import Rule as Rule
    from smithers.flow.group import Sequence as Sequence
    from smithers.flow.guard import Caught as Caught
    from smithers.flow.guard import Saga as Saga
    from smithers.flow.guard import SagaStep as SagaStep
    from smithers.flow.guard import TryCatchFinally as TryCatchFinally
    from smithers.flow.human import HumanTask as HumanTask
    from smithers.flow.loop import Loop as Loop
    from smithers.flow.loop import Ralph as Ralph
    from smithers.flow.loop import Turn as Turn
    from smithers.flow.policy import UNLIMITED as UNLIMITED
    from smithers.flow.policy import RetryPolicy as RetryPolicy
    from smithers.flow.queue import Queue as Queue
    from smithers.flow.subflow import Subflow as Subflow
    from smithers.flow.task import Task as Task
    from smithers.flow.task_context import TaskContext as TaskContext
    from smithers.flow.wait import Timer as Timer
    from smithers.flow.workflow import Workflow as Workflow
    from smithers.flow.workflow import workflow as workflow

HOMES = {
    "api.handle": ("RunHandle",),
    "api.result": ("Result",),
    "api.starting": ("run", "start"),
    "errors": ("NonRetryable", "SmithersError"),
    "flow.approval": (
        "Approval",
        "ApprovalOption",
        "ApprovalRanking",
        "ApprovalSelection",
        "AutoApprove",
        "Decision",
    ),
    "flow.aspects": ("Aspects",),
    "flow.budget": ("CostBudget", "Estimate", "LatencySlo", "TokenBudget", "Tracking"),
    "flow.cache": ("CachePolicy",),
    "flow.call": ("call",),
    "flow.context": ("Context", "Continuation", "use_context"),
    "flow.continuing": ("ContinueAsNew", "continue_as_new"),
    "flow.deadline": ("Race",),
    "flow.element": ("Child", "Element", "Fragment"),
    "flow.event": ("Signal", "WaitForEvent"),
    "flow.for_each": ("Each", "ForEach"),
    "flow.gate": ("ApprovalGate",),
    "flow.group": ("Branch", "DecisionTable", "MergeQueue", "Parallel", "Rule", "Sequence"),
    "flow.guard": ("Caught", "Saga", "SagaStep", "TryCatchFinally"),
    "flow.human": ("HumanTask",),
    "flow.loop": ("Loop", "Ralph", "Turn"),
    "flow.policy": ("UNLIMITED", "RetryPolicy"),
    "flow.queue": ("Queue",),
    "flow.subflow": ("Subflow",),
    "flow.task": ("Task",),
    "flow.task_context": ("TaskContext",),
    "flow.wait": ("Timer",),
    "flow.workflow": ("Workflow", "workflow"),
}
HOME_OF = {name: module for module, names in HOMES.items() for name in names}
__all__ = sorted(HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in HOME_OF:
        raise AttributeError(f"module 'smithers' has no attribute {name!r}")
    value = getattr(import_module(f"smithers.{HOME_OF[name]}"), name)
    globals()[name] = value
    return value
