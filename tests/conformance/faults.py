"""The known faults of the reference's engine, what we do in the place of each, and the tests that prove it.

The numbers are those of its list of correctness hazards; docs/compatibility.md shows this table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault. proofs: tests, as ``file::name`` below tests/."""

    number: int
    there: str
    here: str
    proofs: tuple[str, ...]


SCRIPT, TERMINAL, HTTP = "blocks/test_script.py", "blocks/test_terminal.py", "blocks/test_http.py"
CONTEXT_BLOCKS, RESOLVER, RUN = "blocks/test_context_blocks.py", "context/test_resolver.py", "document/test_run.py"
EDITS, LIFECYCLE, ATUIN = "document/test_edits.py", "execution/test_lifecycle.py", "model/test_atuin_form.py"
PROCESSES, ENDINGS = "resources/test_processes.py", "resources/test_process_endings.py"
VARIABLES, CAPTURED = "resources/test_output_variables.py", "resources/test_captured_output.py"
REMOTE, REMOTE_ENDINGS = "ssh/test_remote_scripts.py", "ssh/test_remote_endings.py"
KUBERNETES, DROPDOWN, SUB = "blocks/test_kubernetes.py", "blocks/test_dropdown.py", "blocks/test_sub_runbook.py"
PROMETHEUS, SQL = "blocks/test_prometheus.py", "blocks/sql/test_sql_blocks.py"
SQL_VALUES, STATEMENTS = "blocks/sql/test_sql_values.py", "blocks/sql/test_sql_statements.py"

FAULTS = (
    Fault(1, "a script on another host always succeeds", "its exit status counts, a lost connection is an error", (
        f"{REMOTE}::test_exit_code_and_both_streams_come_back",
        f"{REMOTE_ENDINGS}::test_a_lost_connection_is_an_error_and_ends_the_script_there",
    )),
    Fault(2, "code whose template fails is run as it stands", "the block fails, nothing is run", (
        f"{SCRIPT}::test_a_template_that_fails_is_never_sent_as_it_stands",
    )),
    Fault(3, "an output variable has its newlines doubled, and one more", "it is what `$(...)` gives", (
        f"{SCRIPT}::test_the_output_variable_is_what_command_substitution_gives",
    )),
    Fault(4, "what a program printed is rendered as a template", "rendering happens once; output is never rendered", (
        f"{RESOLVER}::test_what_came_out_of_a_program_is_never_rendered",
        f"{HTTP}::test_braces_that_come_out_of_a_variable_stay_as_they_are",
    )),
    Fault(5, "a context that fails is left out: blocks run elsewhere", "the first block below it fails with it", (
        f"{RUN}::test_a_context_fault_is_told_with_its_own_place_once",
    )),
    Fault(6, "`local` leaves the settings of the last connection", "it clears the host and its settings", (
        f"{RESOLVER}::test_local_clears_the_host_and_how_to_reach_it",
        f"{CONTEXT_BLOCKS}::test_local_ends_what_ssh_connect_began",
    )),
    Fault(7, "a host's name is put into lower case, its user as well", "it keeps its case", (
        f"{CONTEXT_BLOCKS}::test_hosts",
    )),
    Fault(8, "a terminal always succeeds, and is finished before its variables are set",
          "its status is that of its last command; what it left is there first", (
        f"{TERMINAL}::test_its_status_is_that_of_the_last_command",
        f"{LIFECYCLE}::test_the_context_is_there_before_the_end_is_announced",
    )),
    Fault(9, "a remote terminal that ends counts as cancelled", "it ends with its status", (
        "ssh/test_remote_terminals.py::test_ends_by_itself_with_the_status_of_the_last_command",
    )),
    Fault(10, "a terminal's shell cannot be chosen", "`type` names it", (
        f"{TERMINAL}::test_a_shell_that_does_not_exist_is_named",
        f"{TERMINAL}::test_without_a_type_it_is_the_users_shell",
    )),
    Fault(11, "a terminal in a directory that is not there runs at home", "it fails, naming the directory", (
        f"{TERMINAL}::test_a_directory_that_does_not_exist_fails_it",
    )),
    Fault(12, "a script that ignores SIGTERM, or holds its pipes, is waited for without end",
          "interrupt, terminate, kill, all of its family, each with a deadline", (
        f"{ENDINGS}::test_cancelled_process_leaves_nothing",
        f"{ENDINGS}::test_cancelled_process_that_hides_leaves_nothing",
    )),
    Fault(13, "one end is announced twice", "every execution settles, and is announced, once", (
        f"{LIFECYCLE}::test_every_ending_settles_once_and_is_announced_once",
    )),
    Fault(14, "one byte that is no UTF-8 ends the capture", "it is replaced, capture goes on", (
        f"{TERMINAL}::test_bytes_that_are_no_text_are_replaced",
        f"{REMOTE}::test_output_may_hold_any_byte",
    )),
    Fault(15, "output variables of a host are fetched with other keys", "all of a host goes over its one connection", (
        f"{REMOTE}::test_output_variables_come_back_and_their_file_is_gone",
        "ssh/test_reaching.py::test_one_connection_serves_all_blocks_and_is_closed_at_the_end",
    )),
    Fault(16, "a remote script has a file for variables only if its code says so literally", "it always has one", (
        f"{REMOTE}::test_output_variables_come_back_and_their_file_is_gone",
    )),
    Fault(17, "environment for a host is shell text in front of any language", "it reaches every interpreter", (
        f"{REMOTE}::test_environment_reaches_any_interpreter",
        f"{REMOTE}::test_a_name_that_no_shell_takes_is_an_error",
    )),
    Fault(18, "`/usr/bin/env python3` is given no `-c`", "the option is that of the program which env starts", (
        "resources/test_interpreters.py::test_code_follows_the_option_that_takes_it",
    )),
    Fault(19, "directories do not count on other hosts", "one that a block set does", (
        f"{REMOTE}::test_a_directory_that_a_block_set_holds_there",
    )),
    Fault(20, "a node without props or id, or with an odd name, crashes templates", "it is a node like others", (
        "conformance/test_compatibility.py::test_fault_20_odd_nodes_are_nodes",
    )),
    Fault(21, "the text of an editor without a variable is evaluated", "its braces are nobody's business", (
        f"{CONTEXT_BLOCKS}::test_editor",
    )),
    Fault(22, "an edit of prose leaves old contexts standing", "it touches whoever reads the document", (
        f"{EDITS}::test_an_edit_of_prose_touches_who_reads_it",
    )),
    Fault(23, "a context that a block declares while it runs is lost", "it holds until something above changes", (
        f"{LIFECYCLE}::test_a_block_may_change_its_contexts_while_it_runs",
    )),
    Fault(24, "outputs survive a reset", "they go with all else", (
        "context/test_storage.py::test_reset_takes_away_what_was_left_and_kept",
    )),
    Fault(25, "blocks of one id share what they leave", "they are told apart, with a warning", (
        f"{ATUIN}::test_repeated_ids_are_told_apart",
    )),
    Fault(26, "some prose is taken for blocks nobody knows", "prose of every type is prose", (
        f"{ATUIN}::test_prose_is_no_block",
    )),
    Fault(27, "OPTIONS, and any method it does not know, becomes GET", "every method is sent as it is", (
        f"{HTTP}::test_every_method_is_sent_as_it_is_called",
    )),
    Fault(28, "an HTTP status of 500 is a success", "400 and above fails, unless an assertion says otherwise", (
        f"{HTTP}::test_status_of_400_and_above_fails",
        f"{HTTP}::test_author_s_word_on_the_status_replaces_ours",
    )),
    Fault(29, "a request has no deadline and cannot be cancelled", "it has one, ends at once, and can be retried", (
        "blocks/test_http_errors.py::test_silent_server_is_given_up",
        "blocks/test_http_errors.py::test_cancelled_request_is_closed_and_the_server_sees_it",
        "execution/test_retries.py::test_a_server_is_asked_until_it_is_well",
    )),
    Fault(30, "kubectl's flags go unquoted to the end of the line", "quoted, right behind kubectl", (
        f"{KUBERNETES}::test_flags_are_quoted_and_go_where_kubectl_takes_them",
    )),
    Fault(31, "kubectl runs anywhere, and cannot be cancelled", "in the directory and environment above; it is ended", (
        f"{KUBERNETES}::test_it_runs_in_the_directory_and_environment_above",
        f"{KUBERNETES}::test_cancelled_it_leaves_no_kubectl",
    )),
    Fault(32, "a dropdown does not take `{{ var.x }}` for its options", "a name and a template both do", (
        f"{DROPDOWN}::test_an_answer_sets_the_variable_wherever_the_options_come_from",
    )),
    Fault(33, "a dropdown's command may fail unseen", "its exit code counts", (
        f"{DROPDOWN}::test_a_failure_says_what_to_do",
    )),
    Fault(34, "a number is read as a yes or no (autoRefresh)", "both are read as what they are", (
        "model/test_block_types.py::test_defaults_are_of_their_prop_s_type",
    )),
    Fault(35, "series share the times of the first", "each has its own", (
        f"{PROMETHEUS}::test_matrix_keeps_each_series_own_timestamps",
    )),
    Fault(36, "the word format anywhere in a ClickHouse query changes its answer", "nothing in a query does", (
        f"{SQL_VALUES}::test_values_of_clickhouse",
    )),
    Fault(37, "ClickHouse's columns are sorted", "they keep their order", (
        f"{SQL_VALUES}::test_values_of_clickhouse",
    )),
    Fault(38, "PostgreSQL's dates, numerics, arrays, enums ... are null", "each type has its value", (
        f"{SQL_VALUES}::test_values_of_postgres",
    )),
    Fault(39, "rows of some SHOW statements are lost", "what gives rows is a query", (
        f"{STATEMENTS}::test_queries_are_told_from_statements",
    )),
    Fault(40, "MySQL's bytes are guessed to be Latin-1, unsigned numbers are null", "each type has its value", (
        f"{SQL_VALUES}::test_values_of_mariadb",
    )),
    Fault(41, "SQLite's NULL is 0 or an empty text", "it is none", (
        f"{SQL_VALUES}::test_values_of_sqlite",
    )),
    Fault(42, "rows of RETURNING, columns of empty results and of one name are lost", "they are all there", (
        f"{STATEMENTS}::test_queries_are_told_from_statements",
        f"{SQL}::test_columns_of_an_empty_result_are_known",
        f"{SQL_VALUES}::test_columns_of_one_name_and_of_none_are_told_apart",
    )),
    Fault(43, "statements of a block may run on different connections", "one session holds for the block", (
        f"{SQL}::test_statements_of_a_block_share_one_session",
        f"{SQL}::test_transaction_goes_over_statements",
    )),
    Fault(44, "a query whose template fails was never started", "every end has a beginning", (
        "conformance/test_compatibility.py::test_fault_44_a_query_that_fails_was_started",
    )),
    Fault(45, "a runbook can run within itself by another spelling, and is not cancellable",
          "told by path and id, the outermost included; cancelled, it cleans up", (
        f"{SUB}::test_no_runbook_runs_within_itself_however_it_is_called",
        f"{SUB}::test_cancelled_it_ends_what_runs_within_and_cleans_up",
    )),
    Fault(46, "a path within a nested runbook is relative to the outermost", "to its own file first", (
        f"{SUB}::test_a_path_is_looked_for",
    )),
    Fault(47, "variables of a file come in any order under any name", "in theirs; one without a name is an error", (
        f"{VARIABLES}::test_variables_keep_their_order",
        f"{VARIABLES}::test_variable_without_a_name_is_an_error_that_keeps_the_value_to_itself",
    )),
)  # fmt: skip
