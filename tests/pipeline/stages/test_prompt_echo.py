"""Texts that repeat the prompt are told from texts that were said, also if the prompt has the same words."""

from __future__ import annotations

import pytest

from server.pipeline.stages.prompt_echo import echoed, was_said

PROMPT = "The assistant is called Jarvix. Glossary: Kubernetes, Grafana."


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("The assistant is called Jarvix.", [0, 1, 2, 3, 4]),
        ("Grafana, Kubernetes", [0, 1]),
        ("the assistant is called JARVIX the assistant is called Jarvix", list(range(10))),
        ("The assistant is called Marvin and he likes", [0, 1, 2, 3]),
        ("Well, yes. Jarvix. Glossary: Kubernetes. And then we went home again", [2, 3, 4]),
        ("Yes.", []),
        ("Please call the assistant in the morning.", []),
        ("...", []),
        ("", []),
    ],
)
def test_words_that_may_come_from_the_prompt(text: str, indices: list[int]) -> None:
    assert echoed(text.split(), PROMPT.split()) == indices


def test_a_language_without_spaces() -> None:
    assert echoed(list("東京タワー。"), list("用語は東京タワー、京都。")) == list(range(5))
    assert echoed(list("はい。"), list("用語は東京タワー、京都。")) == []


@pytest.mark.parametrize(
    ("text", "heard", "said"),
    [
        ("The assistant is called Jarvix.", "Yes.", False),
        ("The assistant is called Jarvix.", "", False),
        ("The assistant is called Jarvix.", "The assistant is called Jarvis.", True),
        ("Kubernetes, Grafana.", "Cooper netties, graphana.", True),
        ("Kubernetes, Grafana.", "I would like to go home now.", False),
        ("We deploy it today. Kubernetes, Grafana.", "We deploy it today.", False),
        ("We deploy it today. Kubernetes, Grafana.", "We deploy it today, Kubernetis Grafana.", True),
        ("Grafana is Grafana", "Pinocchio has now a real Grafana.", False),
    ],
)
def test_words_that_are_heard_without_the_prompt_were_said(text: str, heard: str, said: bool) -> None:
    words = text.split()
    assert was_said(words, echoed(words, PROMPT.split()), heard.split()) is said
