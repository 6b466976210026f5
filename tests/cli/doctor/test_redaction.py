from __future__ import annotations

import pytest

from server.cli.doctor.redaction import HOST, SECRET, USER, Redaction

REDACTION = Redaction("/home/alice", ("alice",), "alices-laptop", ("hunter2hunter2", "pass"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/alice/models", "~/models"),
        ("/home/alice", "~"),
        ("/backup/home/alice/x", "/backup/home/alice/x".replace("alice", USER)),
        ("/home/alice2/models", f"/home/{USER}/models"),
        ("/Users/bob/x /home/carol", f"/Users/{USER}/x /home/{USER}"),
        ("/mnt/Alice/x, malice", f"/mnt/{USER}/x, malice"),
        ("on alices-laptop", f"on {HOST}"),
        ("it is hunter2hunter2!", f"it is {SECRET}!"),
        ("hf_abcdefghijklmnop", SECRET),
        ("sk-proj-abcdefghijklmnop", SECRET),
        ("https://me:word@example.org/", f"https://{SECRET}@example.org/"),
        ("Bearer abc.def", f"Bearer {SECRET}"),
        ("diarize.hf_token_file, hf_encoder", "diarize.hf_token_file, hf_encoder"),
        ("amdxdna 0000:c7:00.1: firmware 1.5.5.391", "amdxdna 0000:c7:00.1: firmware 1.5.5.391"),
    ],
)
def test_text(text: str, left: str) -> None:
    assert REDACTION.text(text) == left


def test_data_under_a_name_that_promises_a_secret() -> None:
    data = {"hf_token_file": "/etc/t", "api_key": ["x"], "tokenizers": "0.22", "max_new_tokens": 5, "keys": None}
    assert REDACTION.data({"deep": [data]}) == {
        "deep": [{"hf_token_file": SECRET, "api_key": SECRET, "tokenizers": "0.22", "max_new_tokens": 5, "keys": None}]
    }


@pytest.mark.parametrize("name", ["HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "apikey", "PGPASSWORD_FILE"])
def test_values_of_secret_variables(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.replace("PGPASSWORD", "PG_PASSWORD"), "open sesame")
    assert Redaction.of_this_process().text("say open sesame") == f"say {SECRET}"


def test_a_short_value_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "true")
    assert Redaction.of_this_process().text("it is true") == "it is true"


def test_root_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "root")
    assert Redaction.of_this_process().text("run it as root") == "run it as root"
