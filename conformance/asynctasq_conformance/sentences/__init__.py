"""The contract's sentences, numbered: what each example test and each mutant is about."""

from __future__ import annotations

from asynctasq_conformance.sentences.of_features import FEATURES
from asynctasq_conformance.sentences.of_methods import METHODS
from asynctasq_conformance.sentences.of_rules import RULES
from asynctasq_conformance.sentences.sentence import Sentence
from asynctasq_conformance.sentences.table import markdown_table

SENTENCES: tuple[Sentence, ...] = (*RULES, *METHODS, *FEATURES)

__all__ = ["SENTENCES", "Sentence", "markdown_table"]
