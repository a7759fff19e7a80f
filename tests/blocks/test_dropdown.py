"""Dropdowns: where options come from, and which answers count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_runbook import BlockStateChanged, Inputs, PromptAnswer, Settings
from pytest_runbook.messages.client_messages import ClientPrompt, InputKind
from pytest_runbook.model.runbook import Effects
from pytest_runbook.secrets.provenance import ContextValue, Origin
from tests.harness import Opened, inside, ran, seen, until


def dropdown(**props: str) -> str:
    """An Atuin document of a dropdown ``region`` and a script that uses it."""
    default = {
        "name": "region",
        "value": "",
        "optionsType": "fixed",
        "fixedOptions": "",
        "variableOptions": "",
        "commandOptions": "",
        "interpreter": "bash",
    }
    return json.dumps(
        [
            {"id": "known", "type": "var", "props": {"name": "known", "value": "x, y"}},
            {"id": "env", "type": "env", "props": {"name": "FROM_ENV", "value": "e"}},
            {"id": "dropdown", "type": "dropdown", "props": {**default, **props}},
            {"id": "use", "type": "script", "props": {"name": "use", "code": "echo '{{ var.region }}'"}},
        ]
    )


def answered(answer: str) -> Inputs:
    return Inputs(answers=({"region": ContextValue(answer, Origin("the test"))},))


def run(folder: Path, book: str, inputs: Inputs | None = None, **settings: object) -> Opened:
    given = Settings(root=folder, invocation=folder, **settings)  # type: ignore[arg-type]  # fields of Settings
    return ran(folder, book, inputs=inputs, settings=given, name="a.json")


def options_shown(book: Opened) -> object:
    (message,) = book.channel.of(BlockStateChanged)
    return message.state


SOURCES: dict[str, Mapping[str, str]] = {
    "fixed": {"fixedOptions": "x, y"},
    "fixed options are no template": {"fixedOptions": "{{ var.nobody }}, x, y"},
    "the old prop": {"options": "x\ny"},
    "a variable's name": {"optionsType": "variable", "variableOptions": "known"},
    "a variable's dotted name": {"optionsType": "variable", "variableOptions": "var.known"},
    "a variable in braces": {"optionsType": "variable", "variableOptions": "{{ var.known }}"},
    "a template": {"optionsType": "variable", "variableOptions": "{{ var.known | replace('y', 'z') }}"},
    "a command": {"optionsType": "command", "commandOptions": "printf 'x\\ny\\n'"},
    "a rendered command": {"optionsType": "command", "commandOptions": "echo '{{ var.known }}'"},
    "another interpreter": {"optionsType": "command", "commandOptions": "print('x, y')", "interpreter": "python3"},
    "the environment": {"optionsType": "command", "commandOptions": 'test "$FROM_ENV" = e && echo x'},
}


@pytest.mark.parametrize("props", SOURCES.values(), ids=SOURCES)
def test_an_answer_sets_the_variable_wherever_the_options_come_from(tmp_path: Path, props: Mapping[str, str]) -> None:
    book = run(tmp_path, dropdown(**props), answered("x"))

    assert book.outcomes == {"region": "passed", "use": "passed"}
    assert book.said == "x\n"


def test_a_command_runs_in_the_directory_above(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "only-here").touch()
    book = ran(
        tmp_path,
        """
        blocks:
          - directory: sub
          - dropdown: {name: file, optionsType: command, commandOptions: ls}
        """,
        inputs=Inputs(answers=({"file": ContextValue("only-here", Origin("the test"))},)),
    )

    assert book.outcomes == {"file": "passed"}


def test_a_variable_that_holds_a_list_returns_its_items(tmp_path: Path) -> None:
    book = ran(
        tmp_path,
        """
        vars: {regions: ["a, b", "L:c"]}
        answers: {region: L}
        blocks:
          - dropdown: {name: region, optionsType: variable, variableOptions: "{{ var.regions }}"}
            assert: var.region == "c"
        """,
    )

    assert book.outcomes == {"region": "passed"}
    assert options_shown(book) == {
        "resolved": {"options": [{"label": "a, b", "value": "a, b"}, {"label": "L", "value": "c"}]}
    }


def test_a_label_answers_as_well_as_a_value(tmp_path: Path) -> None:
    book = run(tmp_path, dropdown(fixedOptions="EU:eu-west-1, US:us-east-1"), answered("EU"))

    assert book.said == "eu-west-1\n"
    assert book.results["region"].did == "region = eu-west-1 (EU), chosen by the test"


def test_a_value_goes_before_a_label(tmp_path: Path) -> None:
    assert run(tmp_path, dropdown(fixedOptions="b:a, a:c"), answered("a")).said == "a\n"


FAILURES = {
    "no answer": (
        dropdown(fixedOptions="A:a, b", value="a"),
        None,
        "no answer; options: a (A), b",
        "answer it: --runbook-answer 'region=a', or in answers: {'region': 'a'}",
    ),
    "none of the options": (
        dropdown(fixedOptions="a, b"),
        answered("c"),
        '"c" is none of the options',
        "options: a, b; the answer is from the test",
    ),
    "an ambiguous label": (
        dropdown(fixedOptions="a:1, a:2"),
        answered("a"),
        '"a" is the label of 2 options',
        "options: 1 (a), 2 (a); the answer is from the test",
    ),
    "a saved value that is no option any more": (
        dropdown(fixedOptions="a, b", value="gone"),
        answered("saved"),
        '"gone" is none of the options',
        "options: a, b; the answer is from the saved value",
    ),
    "no options": (dropdown(fixedOptions=" , "), answered("a"), "there are no options to choose from", None),
    "a command that fails": (
        dropdown(optionsType="command", commandOptions="echo a; exit 3"),
        answered("a"),
        "the command that prints the options failed: exit code 3",
        None,
    ),
    "an undefined variable": (
        dropdown(optionsType="variable", variableOptions="nobody"),
        answered("a"),
        "var.nobody is undefined",
        None,
    ),
}


@pytest.mark.parametrize(("text", "inputs", "message", "hint"), FAILURES.values(), ids=FAILURES)
def test_a_failure_shows_what_to_do(
    tmp_path: Path, text: str, inputs: Inputs | None, message: str, hint: str | None
) -> None:
    result = run(tmp_path, text, inputs).results["region"]

    assert (result.outcome, result.message, result.hint) == ("failed", message, hint)


def test_the_saved_value_counts_when_the_answer_shows_so(tmp_path: Path) -> None:
    assert run(tmp_path, dropdown(fixedOptions="a, b", value="b"), answered("saved")).said == "b\n"


def test_saved_values_count_where_the_settings_show_so(tmp_path: Path) -> None:
    assert run(tmp_path, dropdown(fixedOptions="a, b", value="b"), saved_answers=True).said == "b\n"


def test_an_answer_goes_before_the_saved_value(tmp_path: Path) -> None:
    assert run(tmp_path, dropdown(fixedOptions="a, b", value="b"), answered("a"), saved_answers=True).said == "a\n"


def test_an_option_that_is_called_saved_is_that_option(tmp_path: Path) -> None:
    assert run(tmp_path, dropdown(fixedOptions="saved, b", value="b"), answered("saved")).said == "saved\n"


def test_a_given_variable_replaces_the_choice_and_runs_no_command(tmp_path: Path) -> None:
    given = Inputs(fixed={"region": ContextValue("mine", Origin("--runbook-var"))})
    book = run(tmp_path, dropdown(optionsType="command", commandOptions="touch ran; exit 1"), given)

    assert book.said == "mine\n"
    assert book.results["region"].did == "region is given by --runbook-var"
    assert not (tmp_path / "ran").exists()


def test_an_answer_counts_before_the_block_ran(tmp_path: Path) -> None:
    variables = seen(tmp_path, dropdown(fixedOptions="EU:e, u"), "use", inputs=answered("EU"), name="a.json")

    assert variables["region"] == "e"


def test_an_answer_that_is_none_of_the_options_sets_nothing(tmp_path: Path) -> None:
    variables = seen(tmp_path, dropdown(fixedOptions="a"), "use", inputs=answered("c"), name="a.json")

    assert "region" not in variables


def test_a_dropdown_without_a_name_asks_nobody(tmp_path: Path) -> None:
    book = run(tmp_path, dropdown(name="", fixedOptions="a").replace("{{ var.region }}", ""))

    assert [str(result.outcome) for result in book.run.results.values()] == ["passed", "passed"]


def test_a_command_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def work(book: Opened) -> str | None:
        handle = book.document.start_execution("dropdown")
        await until((tmp_path / "ready").exists)
        handle.cancel("enough")
        return (await handle.wait()).kind

    text = dropdown(optionsType="command", commandOptions="touch ready; sleep 1000")

    assert inside(tmp_path, text, work, name="a.json") == "cancelled"


def test_a_read_only_run_runs_no_command_for_options(tmp_path: Path) -> None:
    command = dropdown(optionsType="command", commandOptions="touch ran")

    assert run(tmp_path, command, answered("a"), effects=Effects.READ).outcomes["region"] == "skipped"
    assert run(tmp_path, dropdown(fixedOptions="a"), answered("a"), effects=Effects.READ).outcomes["region"] == "passed"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(PromptAnswer("ok", "b"), "passed"), (PromptAnswer("cancel", "b"), "failed"), (PromptAnswer("ok"), "failed")],
)
def test_a_person_is_asked_where_there_is_one(tmp_path: Path, answer: PromptAnswer, outcome: str) -> None:
    async def work(book: Opened) -> str:
        handle = book.document.start_execution("dropdown")
        await until(lambda: book.channel.of(ClientPrompt))
        (prompt,) = book.channel.of(ClientPrompt)
        assert (prompt.title, prompt.input) == ("region", InputKind.DROPDOWN)
        assert [(choice.label, choice.value) for choice in prompt.choices] == [("A", "a"), ("b", "b")]
        handle.answer(prompt.prompt_id, answer)
        return str((await handle.wait()).outcome)

    settings = Settings(root=tmp_path, invocation=tmp_path, is_interactive=True)

    assert inside(tmp_path, dropdown(fixedOptions="A:a, b"), work, name="a.json", settings=settings) == outcome


def test_template_false_renders_no_source_of_options(tmp_path: Path) -> None:
    text = """
        blocks:
          - dropdown: {name: region, optionsType: variable, variableOptions: "{{ 'a, b' | upper }}"}
            template: false
        """
    result = ran(tmp_path, text, inputs=answered("A")).results["region"]

    assert result.message == "var.{{ 'a, b' | upper }} is undefined"
