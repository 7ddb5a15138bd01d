"""The licenses by the names that the Hub knows: a card with any other name is refused there, after the data was sent.

Covered: the names known when this was written; a newer one goes as `other` with license_name and license_link.
Not covered: what a license allows; see `licenses`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

__all__ = ["license_faults"]

_NAMES = """
afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0
cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0
etalab-2.0 eupl-1.1 eupl-1.2 fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0
grok2-community h-research intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2
llama3.3 llama4 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openmdw-1.0 openrail openrail++ osl-3.0
other pddl postgresql unknown unlicense wtfpl zlib
"""
HUB_LICENSES = frozenset(_NAMES.split())


def license_faults(licenses: Mapping[str, str], license_name: str | None) -> Iterator[str]:
    """What the Hub would refuse, a sentence each. `licenses` are names by what they are of: dataset, sft ..."""
    for what, name in licenses.items():
        if name not in HUB_LICENSES:
            near = get_close_matches(name, sorted(HUB_LICENSES), n=3)
            hint = f" (did you mean {' or '.join(near)}?)" if near else ""
            yield (
                f"license {name} of {what}: not among the names of the Hub known here{hint}, and a push is refused; "
                "take one of them, or other with license_name and license_link"
            )
        elif name == "other" and not license_name:
            yield f"license other of {what}: it says nothing without license_name, and a push is refused; add it"
