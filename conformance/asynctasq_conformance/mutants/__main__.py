"""`python -m asynctasq_conformance.mutants [NAME...]`: print each mutant, its killer, and the examples it took."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from asynctasq_conformance.mutants.catalogue import all_mutants
from asynctasq_conformance.mutants.gate import judge


def main(names: Sequence[str]) -> int:
    """Judge the mutants (all, or those named); 1 if one survives."""
    survivors = 0
    mutants = [mutant for mutant in all_mutants() if not names or mutant.name in names]
    for mutant in mutants:
        verdict = judge(mutant)
        survivors += verdict.killed_by is None
        outcome = f"killed by {verdict.killed_by.name}" if verdict.killed_by else "SURVIVED"
        sys.stdout.write(f"{mutant.name:40} {mutant.killer:15} {verdict.tried:3} examples  {outcome}\n")
        for broken in verdict.broke if verdict.killed_by is None else ():
            sys.stdout.write(f"    broke, which does not count: {broken}\n")
    sys.stdout.write(f"{len(mutants)} mutants, {survivors} survived\n")
    return 1 if survivors or not mutants else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
