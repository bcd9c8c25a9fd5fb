from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from smithers_activities.capture import capturing, install, kept, uninstall
from smithers_activities.lines import LONGEST, TRUNCATED, LineLimit, TaskLines


class Sink:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, stream: str, text: str, /) -> None:
        self.lines.append((stream, text))

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.lines]


@pytest.fixture(autouse=True)
def clean_process() -> Generator[None]:
    yield
    uninstall()


def test_prints_become_whole_lines_of_their_stream() -> None:
    sink = Sink()

    with capturing(kept(sink)):
        print("a", 1)
        print("b", end="")
        print("c", file=sys.stderr)
        sys.stdout.write("d\ne")

    assert sink.lines == [("stdout", "a 1"), ("stderr", "c"), ("stdout", "bd"), ("stdout", "e")]


def test_writes_outside_a_task_pass_through(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Sink()

    with capturing(kept(sink)):
        print("inside")
    print("outside")

    assert sink.texts == ["inside"]
    assert capsys.readouterr().out == "outside\n"


def test_threads_and_their_threads_write_to_the_task_that_started_them() -> None:
    sink = Sink()

    def inner() -> None:
        print("inner")

    def outer() -> None:
        thread = threading.Thread(target=inner)
        thread.start()
        thread.join()
        print("outer")

    with capturing(kept(sink)):
        thread = threading.Thread(target=outer)
        thread.start()
        thread.join()

    assert sink.texts == ["inner", "outer"]


def test_jobs_of_a_shared_pool_write_to_the_task_that_submitted_them(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = Sink(), Sink()
    install()
    with ThreadPoolExecutor(1) as pool:
        with capturing(kept(first)):
            pool.submit(print, "first").result()
        with capturing(kept(second)):
            pool.submit(print, "second").result()
        pool.submit(print, "nobody").result()

    assert (first.texts, second.texts) == (["first"], ["second"])
    assert capsys.readouterr().out == "nobody\n"


def test_coroutines_and_their_helper_threads_are_captured() -> None:
    sink = Sink()

    async def body() -> None:
        await asyncio.gather(asyncio.to_thread(print, "thread"), asyncio.sleep(0))
        print("loop")

    with capturing(kept(sink)):
        asyncio.run(body())

    assert sink.texts == ["thread", "loop"]


def test_tasks_in_other_threads_do_not_mix() -> None:
    sinks = [Sink() for _ in range(4)]
    together = threading.Barrier(4)

    def task(number: int) -> None:
        with capturing(kept(sinks[number])):
            together.wait(10)
            for turn in range(200):
                print(number, turn)

    threads = [threading.Thread(target=task, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [sink.texts for sink in sinks] == [[f"{number} {turn}" for turn in range(200)] for number in range(4)]


def test_log_records_are_kept_once_with_their_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Sink()
    install()
    logger = logging.getLogger("author.module")
    logger.addHandler(handler := logging.StreamHandler(sys.stderr))

    with capturing(kept(sink)):
        logger.warning("careful")
        try:
            raise ValueError("no")
        except ValueError:
            logger.exception("failed")
    logger.removeHandler(handler)

    assert sink.texts[:3] == ["WARNING author.module: careful", "ERROR author.module: failed", TRACEBACK]
    assert sink.texts[-1] == "ValueError: no"
    assert {stream for stream, _ in sink.lines} == {"log"}
    assert capsys.readouterr().err == ""


TRACEBACK = "Traceback (most recent call last):"


def test_author_can_still_configure_logging() -> None:
    install()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # pytest has put its own there
    try:
        logging.basicConfig(level=logging.INFO)
        assert root.level == logging.INFO
        assert len(root.handlers) == 1
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def test_a_sink_that_prints_and_logs_does_not_feed_itself(capsys: pytest.CaptureFixture[str]) -> None:
    class Chatty(Sink):
        def write(self, stream: str, text: str, /) -> None:
            super().write(stream, text)
            print("stored", text)
            logging.getLogger("sink").warning("stored")

    sink = Chatty()
    with capturing(kept(sink)):
        print("one")

    assert sink.texts == ["one"]
    assert capsys.readouterr().out == "stored one\n"


def test_output_is_bounded_in_lines_and_size() -> None:
    few, small = Sink(), Sink()

    with capturing(kept(few, LineLimit(lines=3))):
        for number in range(1000):
            print(number)
    with capturing(kept(small, LineLimit(size_chars=10))):
        print("12345")
        print("1234567")
        print("8")

    assert few.texts == ["0", "1", "2", TRUNCATED]
    assert small.texts == ["12345", TRUNCATED]


def test_a_line_without_end_is_passed_on_in_pieces() -> None:
    sink = Sink()

    with capturing(kept(sink)):
        for _ in range(5):
            sys.stdout.write("x" * (LONGEST // 2))

    assert [len(text) for text in sink.texts] == [LONGEST, LONGEST, LONGEST // 2]


def test_progress_bars_leave_only_what_a_terminal_would_show() -> None:
    leading, trailing = Sink(), Sink()

    with capturing(kept(leading)):
        for percent in (10, 20, 100):
            sys.stderr.write(f"\r{percent}%")
        sys.stderr.write("\n")
    with capturing(kept(trailing)):
        for percent in (10, 20, 100):
            sys.stderr.write(f"{percent}%\r")
        sys.stderr.write("\r\ndone\r\n")

    assert leading.texts == ["100%"]
    assert trailing.texts == ["100%", "done"]


def test_bytes_written_to_the_buffer_are_captured() -> None:
    sink = Sink()

    with capturing(kept(sink)):
        sys.stdout.buffer.write("grüße\n".encode())
        tty = sys.stdout.isatty()

    assert sink.texts == ["grüße"]
    assert not tty


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_use_the_sink_of_its_parent() -> None:
    sink = Sink()

    with capturing(kept(sink)):
        child = os.fork()
        if child == 0:
            print("in the child")
            os._exit(len(sink.lines))
        _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


def test_late_threads_keep_writing_to_their_task() -> None:
    sink = Sink()
    go = threading.Event()

    def late() -> None:
        go.wait(10)
        print("late")

    with capturing(kept(sink)):
        thread = threading.Thread(target=late)
        thread.start()
    go.set()
    thread.join()

    assert sink.texts == ["late"]


def test_lines_pass_on_nothing_when_nothing_was_written() -> None:
    sink = Sink()

    TaskLines(sink).flush()

    assert sink.lines == []
