"""`croissant.json`: the dataset described for machines, in Croissant 1.0 with the responsible-AI fields (RAI 1.0).

Covered: every file of rows with its SHA-256, a record set for each with its columns and types, and in words of
our own what people should know before they train on it. Not covered: when it was published, since nothing here has a
time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from amendment.files import json_text
from amendment.publishing.configs import CONFIGS
from amendment.publishing.finished import FinishedRun
from amendment.publishing.license_terms import source_licenses, writers
from amendment.publishing.settings import PublishSettings
from amendment.report.render import value_shown

if TYPE_CHECKING:
    from datasets import DatasetDict

CROISSANT = "croissant.json"
CONFORMS_TO = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
_TERMS = (
    "citeAs column equivalentProperty extract field fileProperty fileObject fileSet "
    "format includes isLiveDataset jsonPath key md5 parentField path recordSet references "
    "regex repeated replace samplingRate separator source subField transform"
)
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    **{name: f"cr:{name}" for name in _TERMS.split()},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{name: f"rai:{name}" for name in ("dataBiases", "dataCollection", "personalSensitiveInformation")},
}
_TYPES = {"string": "sc:Text", "float64": "sc:Float", "int64": "sc:Integer", "bool": "sc:Boolean"}


def croissant_text(
    run: FinishedRun,
    settings: PublishSettings,
    configs: Mapping[str, DatasetDict],
    files: Mapping[str, Mapping[str, Any]],
    folders: Mapping[str, str],
) -> str:
    """Write the file's text. `files` are those of rows, with `sha256` and `bytes`; `folders` are those of the
    configs."""
    what = f"Preference pairs of the run {run.manifest['name']}, with candidates, verdicts and provenance."
    url = f"https://huggingface.co/datasets/{settings.repo}"
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": settings.repo.split("/")[-1],
        "description": what + (f" {simulated}" if (simulated := run.manifest["simulated"]) else ""),
        "conformsTo": CONFORMS_TO,
        "license": settings.license_name or settings.license,
        "url": url,
        "version": "1.0.0",
        "creator": {"@type": "sc:Organization", "name": settings.repo.split("/")[0]},
        "citeAs": f"{run.manifest['name']}, {url}",
        **_responsible(run),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "contentSize": f"{entry['bytes']} B",
                "encodingFormat": "application/x-parquet",
                "sha256": entry["sha256"],
            }
            for name, entry in files.items()
        ],
        "recordSet": [
            record_set for config, splits in configs.items() for record_set in _sets(config, splits, files, folders)
        ],
    }
    return json_text(content)


def _sets(
    config: str, splits: DatasetDict, files: Mapping[str, Any], folders: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield a record set for each file of rows, called `config/split`, with a number if a split has several files."""
    for split, rows in splits.items():
        names = [name for name in files if name.startswith(f"{folders[config]}/{split}-")]
        for number, name in enumerate(names):
            own = f"{config}/{split}" + (f"-{number}" if len(names) > 1 else "")
            fields = [_field(own, name, column, feature) for column, feature in rows.features.items()]
            yield {
                "@type": "cr:RecordSet",
                "@id": own,
                "name": own,
                "description": CONFIGS[config][1],
                "field": fields,
            }


def _field(own: str, file: str, column: str, feature: Any) -> dict[str, Any]:
    """Describe a column: a value, a list of values, or messages, whose parts are fields below it. Deeper parts, such as
    the calls of a tool, are not described."""
    name = f"{own}/{column}"
    inner = getattr(feature, "feature", None)
    source = {"fileObject": {"@id": file}, "extract": {"column": column}}
    field = {"@type": "cr:Field", "@id": name, "name": name}
    if not isinstance(inner, Mapping):
        repeated = {"repeated": True} if inner is not None else {}
        return {**field, "dataType": _kind(inner or feature), **repeated, "source": source}
    parts = [
        {
            **{"@type": "cr:Field", "@id": f"{name}/{part}", "name": f"{name}/{part}"},
            "dataType": _kind(value),
            "source": {**source, "transform": {"jsonPath": part}},
        }
        for part, value in inner.items()
        if hasattr(value, "dtype")
    ]
    return {**field, "repeated": True, "subField": parts}


def _kind(feature: Any) -> str:
    return _TYPES.get(str(getattr(feature, "dtype", "")), "sc:Text")


def _responsible(run: FinishedRun) -> dict[str, Any]:
    """Return the fields of the responsible-AI extension, from the run's records."""
    labels = [verdict for verdict in run.verdicts if verdict.rater_kind in ("person", "unknown")]
    models = sorted({writer.model for writer in writers(run) if writer.judged})
    shares = [
        f"{figure.of['source']}: {value_shown(figure.value, figure.unit)} of the text by models on record"
        for figure in run.result("dataset").where("share_of_text")
    ]
    sources = [f"{source}, license {source.license or 'not on record'}" for source in source_licenses(run)]
    decided = sorted({row.decided_by for row in run.every_row})
    raters = len({verdict.rater for verdict in labels})
    people = f"{raters} annotators gave {len(labels)} labels" if labels else "No label of a person is published"
    return {
        "rai:dataCollection": f"Prompts and answers: {'; '.join(sources)}. Synthetic text: {'; '.join(shares)}.",
        "rai:dataAnnotationProtocol": f"Which of two answers is better is decided by: {', '.join(decided)}. {people}.",
        "rai:machineAnnotationTools": models,
        "rai:dataPreprocessingProtocol": "Every stage, its settings and counts are in manifest.json.",
        "rai:dataUseCases": "Training and comparing reward models and policies; studying judges. Not a benchmark.",
        "rai:dataLimitations": "The better of two answers may still be bad, false or offensive; "
        "prompts are no sample of what people ask.",
        "rai:dataBiases": "Labels of a model judge carry its preferences, such as those for length and style; "
        "certificate.json has what was measured.",
        "rai:personalSensitiveInformation": "Raters have pseudonyms. Names inside texts were not searched for.",
    }
