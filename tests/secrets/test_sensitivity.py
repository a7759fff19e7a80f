"""Which values of a document are secret because of what they are called, or of what they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runbook import ContextValue, Inputs, Origin
from pytest_runbook.context.storage import MemoryStorage
from tests.harness import Opened, inside, ran

TEST = Origin("a test")


def given(**values: str) -> dict[str, ContextValue]:
    return {name: ContextValue(value, TEST) for name, value in values.items()}


ORIGINS = {
    "a variable of the file": ("vars: {db_password: hunter-22}", Inputs()),
    "the environment of the file": ("env: {DB_PASSWORD: hunter-22}", Inputs()),
    "an address": ("vars: {url: 'postgres://me:hunter-22@db/x'}", Inputs()),
    "a variable given": ("name: x", Inputs(vars=given(apiToken="hunter-22"))),
    "a fixed variable": ("name: x", Inputs(fixed=given(api_key="hunter-22"))),
    "an environment given": ("name: x", Inputs(env=given(MY_SECRET="hunter-22"))),
    "an answer": ("name: x", Inputs(answers=(given(my_token="hunter-22"),))),
    "a fixture": ("name: x", Inputs(fixtures={"db_password": "hunter-22"})),
}


@pytest.mark.parametrize("origin", ORIGINS)
def test_what_is_called_like_a_secret_is_masked_wherever_it_comes_from(tmp_path: Path, origin: str) -> None:
    head, inputs = ORIGINS[origin]
    done = ran(tmp_path, f"{head}\nblocks: [{{name: Use, script: echo hunter-22 is here}}]", inputs=inputs)

    assert done.said == "*** is here\n"


LEFT = [
    "script: 'echo MY_TOKEN=hunter-22 >> $RUNBOOK_OUTPUT_VARS'",
    "{script: 'echo hunter-22', capture: my_token}",
    "{script: {code: echo hunter-22, output_variable: my_token}}",
    "{script: 'echo MY_TOKEN=hunter-22 >> $RUNBOOK_OUTPUT_VARS; echo hunter-22; exit 1', on_failure: continue}",
    "{script: 'echo hunter-22', sensitive: true}",
]


@pytest.mark.parametrize("block", LEFT)
def test_what_a_block_leaves_under_such_a_name_is_masked_below_it_and_not_kept(tmp_path: Path, block: str) -> None:
    storage = MemoryStorage()
    text = f"blocks:\n  - {block}\n  - {{name: Use, script: 'echo hunter-22 is here'}}"
    done = ran(tmp_path, text, storage=storage)

    assert done.results["Use"].sections[0].text == "*** is here\n"
    assert "hunter-22" not in str(vars(storage))


def test_a_variable_made_of_a_secret_is_one_and_one_that_shows_nothing_is_none(tmp_path: Path) -> None:
    text = """
vars: {my_token: hunter-22}
blocks:
  - vars: {made: "{{ var.my_token | upper }}!"}
  - vars: {known: "{{ var.my_token is defined }}", size: "{{ var.my_token | length }}"}
  - {name: Use, script: "echo {{ var.made }} {{ var.known }} {{ var.size }} {{ var.my_token | replace('-', '_') }}"}
"""

    async def work(book: Opened) -> tuple[str, dict[str, bool]]:
        await book.run.run_all()
        return book.said, {name: value.sensitive for name, value in book.document.final_resolver().vars.items()}

    said, sensitive = inside(tmp_path, text, work)
    assert said == "*** true 9 ***\n"
    assert sensitive == {"my_token": True, "made": True, "known": False, "size": False}


def test_every_part_of_a_secret_list_is_masked(tmp_path: Path) -> None:
    text = """
blocks:
  - {name: Two, script: "echo hunter-22; echo hunter-33", sensitive: true, capture: {all: output.stdout | lines}}
  - {name: Each, for_each: {one: var.all}, script: 'echo "{{ each.one }}"'}
"""

    assert set(ran(tmp_path, text).said.split()) == {"***"}


def test_the_environment_of_this_process_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hunter-22")
    monkeypatch.setenv("SOME_URL", "amqp://me:hunter-33@mq/")
    monkeypatch.setenv("SOME_TOKEN", "abc")
    done = ran(tmp_path, "blocks: [{name: Use, script: 'echo hunter-22 hunter-33; echo {{ env.SOME_API_KEY }}'}]")

    assert done.said == "*** ***\n***\n"
    assert [value.value for value in done.results["Use"].provenance] == ["***"]
    assert done.runtime.masker.unmaskable == set()
