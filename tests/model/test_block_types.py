"""The block types as data: consistent in themselves, and what the format says of them."""

from __future__ import annotations

import pytest

from pytest_runbook.errors import Location
from pytest_runbook.model import BLOCK_TYPES, TEXT_NODE_TYPES, default_catalog
from pytest_runbook.model.catalog import BlockType, PropType
from pytest_runbook.model.loaders.props import read_prop
from pytest_runbook.model.source.located import EntryLocation, LocatedDict
from pytest_runbook.model.source.mapping_reader import MappingReader
from pytest_runbook.model.source.source_file import SourceFile

ITEMS = {
    "script", "run", "http", "sqlite", "postgres", "mysql", "clickhouse", "prometheus", "kubernetes-get",
    "sub-runbook", "dropdown", "pause",
}  # fmt: skip
CONTEXT = {
    "var", "env", "directory", "local-directory", "host-select", "ssh-connect", "local-var", "editor", "dropdown",
}  # fmt: skip

each_type = pytest.mark.parametrize("block_type", BLOCK_TYPES, ids=lambda block_type: block_type.name)


def test_which_types_are_items_and_which_are_context() -> None:
    assert {block_type.name for block_type in BLOCK_TYPES if block_type.is_item} == ITEMS
    assert {block_type.name for block_type in BLOCK_TYPES if block_type.is_context} == CONTEXT


def test_no_type_is_prose() -> None:
    assert not TEXT_NODE_TYPES & set(default_catalog().atuin_names)


def test_catalogs_are_independent() -> None:
    catalog = default_catalog()
    catalog.add(BlockType(name="redis"))

    assert "redis" in catalog
    assert "redis" not in default_catalog()


@each_type
def test_main_prop_is_one_of_the_plain_form(block_type: BlockType) -> None:
    assert block_type.main is None or block_type.main in block_type.plain_props


@each_type
def test_defaults_are_of_their_prop_s_type(block_type: BlockType) -> None:
    for prop in block_type.props:
        for default in (prop.default, prop.plain_default):
            if default is not None:
                values = LocatedDict(1)
                values[prop.name] = default
                values.locations[prop.name] = EntryLocation(1, 1, None)
                source = SourceFile(Location("x"))

                assert read_prop(MappingReader(values, source), prop.name, prop) == default
                assert source.faults == []


@each_type
def test_what_is_implied_is_a_prop(block_type: BlockType) -> None:
    assert {name for name, _ in block_type.implied} <= block_type.plain_props.keys()


@each_type
def test_templated_props_can_hold_text(block_type: BlockType) -> None:
    for prop in block_type.props:
        assert not prop.templated or {prop.type, *prop.alternative_types} & {
            PropType.TEXT,
            PropType.MAPPING,
            PropType.ANY,
        }


def test_snake_case_is_understood() -> None:
    script = default_catalog()["script"]

    assert script.plain_props["output_variable"] is script.plain_props["outputVariable"]
    assert script.prop("output_variable") is script.prop("outputVariable")
