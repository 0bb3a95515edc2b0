"""The table of sentences, with their example tests and mutants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from asynctasq_conformance.examples import all_examples
from asynctasq_conformance.mutants.catalogue import all_mutants
from asynctasq_conformance.sentences.sentence import Sentence


def examples_by_sentence() -> dict[str, list[str]]:
    """Number -> the names of its example tests."""
    found: dict[str, list[str]] = defaultdict(list)
    for example in all_examples():
        for number in example.sentences:
            found[number].append(example.name)
    return dict(found)


def mutants_by_sentence() -> dict[str, list[str]]:
    """Number -> the names of the mutants that break it."""
    found: dict[str, list[str]] = defaultdict(list)
    for mutant in all_mutants():
        for number in mutant.breaks:
            found[number].append(mutant.name)
    return dict(found)


def markdown_table(sentences: Iterable[Sentence]) -> str:
    """The table, as Markdown."""
    examples, mutants = examples_by_sentence(), mutants_by_sentence()
    rows = ["| number | sentence | example tests | mutants |", "|---|---|---|---|"]
    for sentence in sentences:
        shown_by = ", ".join(examples.get(sentence.number, ())) or f"none: {sentence.no_example}"
        broken_by = ", ".join(mutants.get(sentence.number, ())) or f"none: {sentence.no_mutant}"
        text = sentence.text.replace("|", "\\|")
        rows.append(f"| {sentence.number} | {text} | {shown_by} | {broken_by} |")
    return "\n".join(rows) + "\n"
