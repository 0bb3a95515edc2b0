"""The suite bites: every mutant is caught by the group it names, and every sentence is shown and broken."""

from __future__ import annotations

import pytest
from asynctasq_conformance.examples import GROUPS, all_examples, examples_of
from asynctasq_conformance.mutants.catalogue import all_mutants
from asynctasq_conformance.mutants.gate import judge
from asynctasq_conformance.mutants.mutant import Mutant
from asynctasq_conformance.sentences import SENTENCES, markdown_table
from asynctasq_conformance.sentences.table import examples_by_sentence, mutants_by_sentence


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant) -> None:
    """An assertion of the named group fails, in an example of the very sentence that the mutant breaks."""
    verdict = judge(mutant)
    assert verdict.killed_by is not None, f"{mutant.name} ({mutant.summary}) survived; broke: {verdict.broke}"
    assert verdict.proves, f"{mutant.name} breaks {mutant.breaks}, but {verdict.killed_by.name} caught it"


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_mutant_differs_in_one_method(mutant: Mutant) -> None:
    """A mutant changes one thing of the right driver."""
    assert len(mutant.changes) == 1, f"{mutant.name} changes {mutant.changes}"


def test_every_group_is_proven() -> None:
    """Each group's file is proven by at least one mutant."""
    # Faults need a server, and the mutants have none.
    assert {mutant.killer for mutant in all_mutants()} >= set(GROUPS) - {"faults"}
    assert all(examples_of(group) for group in GROUPS)


def test_every_sentence_has_an_example_or_a_reason() -> None:
    """Each sentence of the contract has an example test, or says why it can have none, and not both."""
    examples = examples_by_sentence()
    wrong = [s.number for s in SENTENCES if (s.number in examples) == bool(s.no_example)]
    assert not wrong
    assert set(examples) <= {sentence.number for sentence in SENTENCES}


def test_every_sentence_has_a_mutant_or_a_reason() -> None:
    """Each sentence of the contract has a mutant, or says why it can have none, and not both."""
    mutants = mutants_by_sentence()
    wrong = [s.number for s in SENTENCES if (s.number in mutants) == bool(s.no_mutant)]
    assert not wrong
    assert set(mutants) <= {sentence.number for sentence in SENTENCES}


def test_the_table_names_every_example_and_mutant() -> None:
    """The generated table is complete."""
    table = markdown_table(SENTENCES)
    missing = [one.name for one in (*all_examples(), *all_mutants()) if one.name not in table]
    assert not missing
