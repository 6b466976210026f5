"""Bugs seen in other speech servers, and the test of ours that would catch each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

CAUGHT_BY = {
    "an error in the log for every success": "api/test_middleware.py::test_success_logs_no_warning",
    "the last event of a stream has no text": "api/test_openai_stream.py::test_deltas_join_to_the_text",
    "the log of a fault names no request": "api/test_errors.py::test_bug_shows_in_the_log_and_not_to_the_client",
    "a wrong granularity is a fault of the server": "api/test_openai_audio.py::test_wrong_field_is_named",
    "granularities are read with brackets only, or without": "api/test_openai_audio.py::test_timestamp_granularities",
    "known speakers are files, or passed over": "api/test_openai_audio.py::test_wrong_field_is_named",
    "times are cut to whole seconds": "api/test_openai_audio.py::test_times_keep_their_milliseconds",
    "a failure is an empty success": "api/test_errors.py::test_a_failure_is_never_an_empty_success",
    "milliseconds of subtitles show 1000": "test_formats.py::test_milliseconds_never_show_1000",
    "plain text is called HTML": "api/test_openai_audio.py::test_text_formats",
    "an upload under way keeps others waiting": ("api/test_limits.py::test_upload_under_way_keeps_nobody_waiting"),
    "work in the event loop makes the server deaf": (
        "api/test_middleware.py::test_other_requests_are_answered_while_one_computes"
    ),
    "a key is asked for after the whole body was read": "api/test_auth.py::test_refused_before_the_body",
    "a wrong key is 403": "api/test_auth.py::test_client_with_a_wrong_key",
    "the limit of the queue is never looked at": (
        "supervisor/test_engine.py::test_one_more_than_the_queue_holds_is_told_when_to_come_back"
    ),
    "what waits holds its audio in memory": (
        "worker/test_queues.py::test_what_is_held_does_not_grow_with_the_number_of_requests"
    ),
    "dead clients are computed for": (
        "supervisor/test_engine.py::test_windows_of_a_client_that_left_are_dropped_within_a_batch"
    ),
    "a model is loaded for every request, or twice": (
        "supervisor/test_memory.py::test_concurrent_first_requests_load_a_model_once"
    ),
    "a model in use is forgotten when it should be unloaded": (
        "supervisor/test_memory.py::test_a_busy_model_is_not_thrown_out_and_does_not_keep_others_out"
    ),
    "idle models are watched until the first was unloaded": (
        "supervisor/test_memory.py::test_an_idle_model_goes_its_memory_is_back_and_the_next_request_brings_it_again"
    ),
    "an unfinished upload keeps the server from ending": (
        "cli/test_edge.py::test_told_to_stop_during_an_unfinished_upload"
    ),
}


@pytest.mark.parametrize("bug", CAUGHT_BY)
def test_there_is_a_test_against(bug: str) -> None:
    file, _, name = CAUGHT_BY[bug].partition("::")
    assert re.search(rf"^(?:async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE)
