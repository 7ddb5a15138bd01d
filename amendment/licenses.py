"""Licenses by their names: which are known (SPDX, and the Hugging Face Hub's own), and which plainly forbid a use.

Covered: spelling; of the Hub's names those known when this was written; NonCommercial, NoDerivatives, ShareAlike and
copyleft; which names say nothing about what is allowed. Not covered: what else a license asks for, which only its text
says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from amendment.yamlfile import did_you_mean

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
_HUB = frozenset(_NAMES.split())
FREE = ("cc0-1.0", "pddl", "unlicense", "wtfpl")
"""Licenses that ask for nothing."""
_PERMISSIVE = (
    "0bsd blueoak cc-pddc cc-pdm dl-de-by dl-de-zero hpnd nlod o-uda ogl-canada ogl-uk psf python unicode upl x11"
)
"""Licenses that only SPDX lists, without their versions, which allow to publish under another name."""
_NAMELESS = {"cc", "other", "unknown"}
"""Ids of the Hub that do not say which license it is."""
_UNKNOWN = "is not known here, so only its text says what it allows"
_TERMS = {
    "requires non-commercial use": r"\bnc\b|non-?commercial|research|academic|amlr|deepfloyd|aladdin",
    "forbids adapted versions": r"\bnd\b|no-?deriv",
    "requires the same license": r"\bsa\b|share-?alike|sharing|gpl|odbl|gfdl|\bosl\b|sspl|eupl",
    "limits its use": r"busl|elastic|evaluation|internal|proprietary|nuclear|military",
}
"""The conditions of a license, by what its name contains."""
_OWN_CONDITIONS = ("llama", "gemma", "rail", "community")


def license_problem(text: str) -> str | None:
    """Say why this is not the name of a license; None for an SPDX id or expression, in any case, or an id of the
    Hub."""
    if text.lower() in _HUB:
        return None
    try:
        canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        near = did_you_mean(text, _HUB)
        return f"found {text[:60]!r}, expected an SPDX id such as cc-by-4.0, or an id of the Hub such as other{near}"
    return None


def hub_problems(licenses: Mapping[str, str], license_name: str | None) -> Iterator[str]:
    """Yield licenses that the Hub would refuse after the data was sent. `licenses` maps dataset, sft and so on to
    names."""
    for what, name in licenses.items():
        if name not in _HUB:
            yield (
                f"license {name} of {what}: not among the known license names of the Hub, so a push is refused; use "
                f"one of them, or other with license_name{did_you_mean(name, _HUB)}"
            )
        elif name == "other" and not license_name:
            yield f"license other of {what}: it says nothing without license_name, and a push is refused; add it"


def license_conditions(license: str) -> list[str]:
    """Return the known conditions of a license, a phrase each."""
    parts = _parts(license)
    terms = {term: None for part in parts for term in _terms(part)}
    has_own = any(name in part for part in parts for name in _OWN_CONDITIONS)
    return [*terms, *(["has its own conditions"] if has_own else [])]


def license_conflict(license: str, dataset: str) -> str | None:
    """Say why data under a license cannot be published under the dataset's; None if nothing is known against it.

    Of licenses joined by OR one is enough, of all others each counts. NonCommercial stays NonCommercial, NoDerivatives
    allows nothing but itself, and ShareAlike asks for its own family. An unknown license allows nothing.
    """
    parts = _parts(license)
    broken = [terms for part in parts if (terms := _broken(part, dataset))]
    is_choice = re.search(r"\bor\b", license, re.IGNORECASE) and not re.search(r"\band\b", license, re.IGNORECASE)
    if is_choice and len(broken) < len(parts):
        return None
    return " and ".join(dict.fromkeys(term for terms in broken for term in terms)) or None


def _parts(license: str) -> list[str]:
    """Return the licenses that an expression joins, as the Hub would spell them. What follows WITH only allows more."""
    joined = re.sub(r"[()]|\swith\s+\S+", " ", license.lower())
    parts = (part.strip() for part in re.split(r"\s(?:and|or)\s|[,;/]", joined))
    return [re.sub(r"[\s_]+", "-", part) for part in parts if part]


def _terms(license: str) -> list[str]:
    named = [term for term, pattern in _TERMS.items() if re.search(pattern, license)]
    return named if _family(license) in _KNOWN else [*named, _UNKNOWN]


def _broken(license: str, dataset: str) -> list[str]:
    """Return the terms of one license that the dataset's does not keep."""
    is_only_this_version = license.endswith("-only") and license.removesuffix("-only") != dataset.removesuffix("-only")
    no_commerce, no_changes, alike, _ = _TERMS
    is_kept = {
        no_commerce: no_commerce in _terms(dataset),
        no_changes: dataset == license,
        alike: not is_only_this_version and _family(dataset) == _family(license),
    }
    return [term for term in _terms(license) if not is_kept.get(term)]


def _family(license: str) -> str:
    """Return a license without its version: a later one may take the place of an earlier one, unless it says only."""
    return re.sub(r"-v?\d.*", "", license)


_KNOWN = {*map(_family, _HUB - _NAMELESS), *_PERMISSIVE.split()}
