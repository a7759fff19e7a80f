"""An assertion must never be true by accident: expressions that could be, and what they say instead."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal

import pytest

from pytest_runbook.errors import TemplateError
from pytest_runbook.templates import Expression

NAMES: dict[str, object] = {
    "output": {
        "status": 200,
        "stdout": "90\n",
        "stderr": "",
        "body": '{"ok": true}',
        "body_json": {"status": "degraded", "db": {"lag": 12}, "up": True, "gone": None, "codes": [200, 404]},
        "value": "503",
        "cell": None,
        "nan": math.nan,
        "price": Decimal("0.10"),
        "rows": [{"id": 1, "state": "ok"}, {"id": 2, "state": "bad"}],
        "none_of_it": [],
        "at": datetime.date(2024, 1, 31),
    },
    "var": {"used": "9", "flag": "false", "on": "true", "word": "enabled", "zero": "0", "blank": ""},
    "env": {},
}

# expression, what the error says, what its hint says
BY_ACCIDENT = [
    # something undefined
    ("not output.eror", "output.eror is undefined", "output has status"),
    ('output.body_jsn.status != "bad"', "output.body_jsn is undefined", "did you mean body_json?"),
    ('output.body_jsn.status | default("ok") == "ok"', "output.body_jsn is undefined", "did you mean body_json?"),
    ("output.body_jsn.error is undefined", "output.body_jsn is undefined", "did you mean body_json?"),
    ("not (output.body_jsn.error is defined)", "output.body_jsn is undefined", "did you mean body_json?"),
    ('outptu.status | default("ok") == "ok"', "outptu is undefined", "did you mean output?"),
    ("output.cell.x | default(1) == 1", "output.cell.x is undefined", "output.cell is none"),
    ('output.body.ok | default("x") == "x"', "output.body.ok is undefined", "| fromjson parses JSON"),
    ("output.rows.id | default(1) == 1", "output.rows.id is undefined", "output.rows is a list of 2"),
    ("output.missing | int == 0", "output.missing is undefined", "output has"),
    ("output.missing | length == 0", "output.missing is undefined", "output has"),
    ("output.missing | trim | default('x') == 'x'", "output.missing is undefined", "output has"),
    ('output.missing ~ "x" == "x"', "output.missing is undefined", "output has"),
    ('"x" not in output.missing', "output.missing is undefined", "output has"),
    ("output.missing is none", "output.missing is undefined", "output has"),
    ("output.missing is not none", "output.missing is undefined", "output has"),
    ("[output.missing] | length == 1", "output.missing is undefined", "output has"),
    ("output.rows[5] != 1", "output.rows[5] is undefined", "a list of 2"),
    ('output.rows | map(attribute="stat") | list != []', "item.stat is undefined", "did you mean state?"),
    ('output.rows | rejectattr("stat") | list == []', "item.stat is undefined", "did you mean state?"),
    ('("a" if false) == ""', "an if without else is undefined", "default"),
    # text and numbers
    ("output.value != 503", 'text "503" can\'t be compared with number 503', "| int or | float"),
    ("503 != output.value", "can't be compared", "| int or | float"),
    ("output.value == 503", "can't be compared", "| int or | float"),
    ("output.value > 90", "can't be compared", "| int or | float"),
    ("90 < output.value", "can't be compared", "| int or | float"),
    ("not output.value == 503", "can't be compared", "| int or | float"),
    ("output.value not in [500, 503]", "can't be compared", "| int or | float"),
    ('output.status not in ["200"]', "can't be compared", "| int or | float"),
    ('output.body_json.codes != ["200", "404"]', "can't be compared", "| int or | float"),
    ('output.body_json.db != {"lag": "12"}', "can't be compared", "| int or | float"),
    ("output.value is ne 503", "can't be compared", "| int or | float"),
    ("output.value is gt 5", "can't be compared", "| int or | float"),
    ('output.rows | selectattr("id", "eq", "1") | list == []', "can't be compared", "| int or | float"),
    ('var.used < "90"', "are ordered as texts, letter by letter", "| int or | float"),
    ('["9", "10"] | max == "9"', "are ordered as texts, letter by letter", "| int or | float"),
    ('["9", 10] | min == 10', "can't be compared", "| int or | float"),
    ('20 in "1203"', "number 20 is looked for in text", "| string"),
    ('"abc" | int == 0', 'text "abc" is no whole number', None),
    ('"" | int == 0', "is no whole number", None),
    ('output.status is match("2")', "number 200 is no text", "| string"),
    ('output.status is startingwith("2")', "number 200 is no text", "| string"),
    ("output.value is odd", "is no whole number", "| int"),
    ("output.value is not divisibleby(2)", "is no whole number", "| int"),
    ('output.stdout != "90"', "differ by white space around them alone", "| trim"),
    ('output.stdout not in ["90", "91"]', "differ by white space around them alone", "| trim"),
    # booleans
    ("var.flag", 'the text "false" would count as true', "| bool"),
    ("var.zero", 'the text "0" would count as true', "| bool"),
    ("var.flag and output.status == 200", 'the text "false" would count as true', "| bool"),
    ("var.flag or false", 'the text "false" would count as true', "| bool"),
    ("true if var.flag else false", 'the text "false" would count as true', "| bool"),
    ("[var.flag] | all", 'the text "false" would count as true', "| bool"),
    ("[var.flag] | any", 'the text "false" would count as true', "| bool"),
    ("[var.flag] | select | list != []", 'the text "false" would count as true', "| bool"),
    ("var.on != true", "can't be compared with boolean true", '"true"'),
    ("var.on is not true", "can't be compared with boolean true", "| bool"),
    ("output.body_json.up != 1", "can't be compared", "| bool or | int"),
    ("output.body_json.up > 0", "can't be compared", "| bool or | int"),
    ("var.word | bool", 'text "enabled" is no boolean', "known: true, yes, on, 1, false"),
    ("var.blank", "var.blank is an empty text", '== ""'),
    ('"output.status == 500"', "a text in quotes is always true", "without quotes"),
    # none
    ("output.cell < 5", "none can't be compared with number 5", "| default(0, true)"),
    ("5 > output.cell", "can't be compared with none", "| default(0, true)"),
    ("output.cell != 5", "output.cell is none, which differs from everything", "is not none"),
    ("output.cell not in [1, 2]", "output.cell is none, which differs from everything", "is not none"),
    ("output.cell | int == 0", "none goes into the filter int", "| default(0, true)"),
    ("output.cell | list == []", "none goes into the filter list", "| default(0, true)"),
    ('output.cell | upper != ""', "none goes into the filter upper", "| default(0, true)"),
    ("output.cell + 1 == 1", "none + number 1 does not work", "| int"),
    # nothing
    ("output.none_of_it | all", "whether all are true is undefined", "default"),
    ("not (output.none_of_it | any)", "whether any is true is undefined", "default"),
    ("output.none_of_it | max != 5", "the greatest item is undefined", "default"),
    ("output.none_of_it | min != 5", "the least item is undefined", "default"),
    ("output.none_of_it | sum == 0", "the sum is undefined", "default"),
    ("output.none_of_it | first != 5", "the first item is undefined", "default"),
    ("output.none_of_it | last != 5", "the last item is undefined", "default"),
    ('output.rows | selectattr("id", "gt", 9) | map(attribute="state") | max != "x"', "the greatest item", "default"),
    ("output.rows is containing([])", "there is nothing to look for", "| length == 0"),
    ("output.rows is containing({})", "there is nothing to look for", "| length == 0"),
    ("output.stdout is containing(var.blank)", "there is nothing to look for", "| length == 0"),
    ("var.blank in output.stdout", "an empty text is in every text", '!= ""'),
    ("output.stdout is startingwith(var.blank)", "every text starts and ends with an empty text", None),
    # other kinds
    ('output.rows != "x"', "can't be compared", "| lines and | split"),
    ('output.body != {"ok": false}', "can't be compared", "| fromjson parses JSON"),
    ('output.at != "2024-01-30"', "can't be compared", "| string"),
    ("output.nan != 5", "NaN is no number to compare", "| string"),
    ("not output.nan > 5", "NaN is no number to compare", "| string"),
    ('"nan" | float != 5', "NaN is no number to compare", "| string"),
    ("output.nan", "NaN is no number to compare", "| string"),
    ("output.rows > 1", "can't be compared", "same kind"),
    ("output.body_json > {}", "can't be compared", "same kind"),
]


@pytest.mark.parametrize(("source", "message", "hint"), BY_ACCIDENT)
def test_does_not_come_out_true_by_accident(source: str, message: str, hint: str | None) -> None:
    explanation = Expression(source).explain(NAMES)

    assert not explanation.holds
    assert explanation.error is not None
    assert message in explanation.error.message
    assert explanation.error.hint == hint if hint is None else hint in (explanation.error.hint or "")
    with pytest.raises(TemplateError):
        Expression(source).holds(NAMES)


@pytest.mark.parametrize(
    "source",
    [
        "output.status == 200",
        "200 == output.status",
        "output.status in [200, 201]",
        "100 < output.status < 300",
        "output.value | int == 503",
        'output.value == "503"',
        "var.used | int < 90",
        "output.stdout | int == 90",
        'output.stdout | trim == "90"',
        "not output.stderr",
        'output.stderr == ""',
        "output.stdout",
        "output.rows",
        "output.body_json.up",
        "output.body_json.up == true",
        "output.body_json.up is true",
        "not (var.flag | bool)",
        "var.on | bool",
        'var.flag == "false"',
        "output.cell == none",
        "output.cell is none",
        "output.status != none",
        "none != output.status",
        "output.cell | default(0, true) == 0",
        "output.body_json.gone | default(5, true) < 6",
        'output.missing | default("x") == "x"',
        'output.body_json.missing | default("x") == "x"',
        "output.rows[5] | default(1) == 1",
        "output.missing is undefined",
        "output.status is defined",
        "output.body_json.error is not defined",
        "output.none_of_it | max | default(0) == 0",
        "output.none_of_it | all | default(true)",
        "output.none_of_it | length == 0",
        "output.none_of_it == []",
        "output.rows | length == 2",
        'output.rows | map(attribute="state") | list == ["ok", "bad"]',
        'output.rows | selectattr("state", "eq", "ok") | map(attribute="id") | first == 1',
        'output.rows is containing({"state": "ok"})',
        'output.rows is containing([{"id": 1}, {"id": 2}])',
        'output.body_json is containing({"db": {"lag": 12}})',
        "output.body_json.codes is containing(404)",
        "output.body_json.codes is containing([404, 200])",
        'output.body_json is containing("status")',
        'output.stdout is containing("9")',
        'output.rows is not containing({"state": "worse"})',
        'output.body_json.codes == [200, 404] and output.body_json.db == {"lag": 12}',
        'output.value is match("5..")',
        'output.value is not match("03")',
        'output.value is search("03$")',
        "output.body | fromjson == {'ok': true}",
        "(output.body | fromjson).ok",
        "output.price == 0.1",
        "0.05 < output.price < 0.2",
        "output.price in [0.1, 0.2]",
        "output.price * 10 == 1",
        'output.at | string == "2024-01-31"',
        'output.nan | string == "NaN"',
        '"b" > "a" and "2024-02-01" > "2024-01-31"',
        '1 in [1, "x"]',
        '"ok" in output.body',
        '"status" in output.body_json',
        '[1, 2][0] + 1 == 2 and "a" ~ 1 == "a1" and "abc"[1:] == "bc" and 7 // 2 == 3',
        '(1 if output.status == 200 else "x") == 1',
        "output.rows | map(attribute='id') | sum == 3",
        "[true, output.body_json.up] | all",
        "range(3) | length == 3",
        'output.stdout.strip() == "90"',
        "output.body_json.items() | length == 5",
        'output.body_json.status is in ["ok", "degraded"]',
        "output.status is divisibleby(100) and output.status is even",
        'output.stdout | lines == ["90"]',
        "[1, [2, 3]] < [1, [2, 4]]",
    ],
)
def test_holds(source: str) -> None:
    explanation = Expression(source).explain(NAMES)

    assert explanation.error is None
    assert explanation.holds
    assert Expression(source).problems() == ()


@pytest.mark.parametrize(
    "source", ["output.status == 500", "output.none_of_it", "0", "0.0", "none", "false", "{}", "output.cell", "not 1"]
)
def test_does_not_hold_without_an_error(source: str) -> None:
    explanation = Expression(source).explain(NAMES)

    assert (explanation.holds, explanation.error) == (False, None)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("output.status", 200),
        ("output.body_json.codes", [200, 404]),
        ("output.stdout | trim", "90"),
        ("output.stdout | int + 1", 91),
        ("output.price", Decimal("0.10")),
        ("output.cell", None),
        ("var.flag", "false"),
        ('{"a": output.status}', {"a": 200}),
        ("output.status | tojson", "200"),
    ],
)
def test_evaluate_keeps_the_type(source: str, value: object) -> None:
    result = Expression(source).evaluate(NAMES)

    assert result == value
    assert type(result) is type(value)
