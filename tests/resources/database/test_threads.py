"""Calls in threads: what they give, what waits for them, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import pytest

from pytest_runbook.resources.database.threads import MAX_THREADS, Threads

ValueT = TypeVar("ValueT")


async def a_call_returns_its_result_or_its_error(threads: Threads) -> None:
    assert await threads.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    with pytest.raises(KeyboardInterrupt):
        await threads.run(interrupt)
    assert await threads.run(threading.current_thread) is not threading.current_thread()


async def one_that_takes_long_holds_up_nobody(threads: Threads) -> None:
    go = threading.Event()
    given: list[bool] = []

    async def wait() -> None:
        given.append(await threads.run(lambda: go.wait(10)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.05)
        assert await threads.run(lambda: "quick") == "quick"
        assert given == []
        go.set()
    assert given == [True]


async def a_wait_that_is_cancelled_leaves_the_call_alone(threads: Threads) -> None:
    go, ended = threading.Event(), threading.Event()
    with anyio.move_on_after(0.05) as scope:
        await threads.run(lambda: report_once(go, ended))
    assert scope.cancelled_caught
    go.set()
    assert ended.wait(10)
    assert await threads.run(lambda: "next") == "next"


async def a_call_can_be_waited_for_twice(threads: Threads) -> None:
    call = threads.start(lambda: later(0.1, "late"))
    with anyio.move_on_after(0.02):
        await call.result()
    assert not call.is_over()
    assert await call.result() == "late"
    assert call.is_over()
    assert await call.result() == "late"


async def more_calls_than_threads_wait_their_turn(threads: Threads) -> None:
    given: list[int] = []
    known = threading.active_count()

    async def call(number: int) -> None:
        given.append(await threads.run(lambda: later(0.01, number)))

    async with anyio.create_task_group() as tasks:
        for number in range(3 * MAX_THREADS):
            tasks.start_soon(call, number)
    assert sorted(given) == list(range(3 * MAX_THREADS))
    assert threading.active_count() - known <= MAX_THREADS


async def closed_they_end_and_a_late_call_is_still_made(threads: Threads) -> None:
    thread = await threads.run(threading.current_thread)
    threads.close()
    thread.join(10)
    assert not thread.is_alive()
    assert await threads.run(lambda: "late") == "late"


def interrupt() -> None:
    raise KeyboardInterrupt


def report_once(go: threading.Event, reported: threading.Event) -> None:
    go.wait(10)
    reported.set()


def later(seconds: float, value: ValueT) -> ValueT:
    time.sleep(seconds)
    return value


CHECKS = (
    a_call_returns_its_result_or_its_error,
    one_that_takes_long_holds_up_nobody,
    a_wait_that_is_cancelled_leaves_the_call_alone,
    a_call_can_be_waited_for_twice,
    more_calls_than_threads_wait_their_turn,
    closed_they_end_and_a_late_call_is_still_made,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_of(check: Callable[[Threads], Awaitable[None]]) -> None:
    async def main() -> None:
        threads = Threads()
        try:
            await check(threads)
        finally:
            threads.close()

    anyio.run(main)
