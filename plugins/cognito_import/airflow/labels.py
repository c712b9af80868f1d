"""The names and the help of DAGs, tasks and fields in the language of the deployment.

English stands in the DAG files, Japanese in `labels.ja.json` and `manuals/*.ja.md`. Whatever has no Japanese text keeps its
English one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cognito_import.airflow.private import name_task
from cognito_import.errors import SettingsError

if TYPE_CHECKING:
    from airflow.sdk import DAG

VARIABLE: Final = "COGNITO_IMPORT_UI_LANGUAGE"
FILE: Final = "cognito_import_language.txt"
"""Beside the DAG files, for deployments that cannot set an environment variable. The variable has precedence."""
LANGUAGES: Final = ("en", "ja")

_HERE: Final = Path(__file__).parent


def localize(dag: DAG) -> None:
    """Give `dag`, its tasks and the fields of its trigger form their names and help in the deployment's language.

    Raises SettingsError, which Airflow shows as an import error of the DAG, for a language that there is not.
    """
    language = _language(Path(dag.fileloc).parent)
    if language == "en":
        return
    texts = json.loads((_HERE / f"labels.{language}.json").read_text(encoding="utf-8"))[dag.dag_id]
    dag.dag_display_name, dag.description = texts["name"], texts["description"]
    dag.doc_md = (_HERE / "manuals" / f"{dag.dag_id}.{language}.md").read_text(encoding="utf-8")
    for task in dag.tasks:
        name, text = texts["tasks"].get(task.task_id, (None, None))
        if name:
            name_task(task, name, text)
    for group, name in texts.get("groups", {}).items():
        dag.task_group_dict[group].group_display_name = name
    for key in dag.params:
        param = dag.params.get_param(key)
        title, text, *more = texts["fields"].get(key, (None, None))
        if title:
            param.description = text
            param.schema = {**param.schema, "title": title, **(more[0] if more else {})}
        if "section" in param.schema:
            param.schema = {**param.schema, "section": texts["sections"][param.schema["section"]]}


def _language(dags: Path) -> str:
    """Return the language that the environment or the file beside the DAGs names, or English."""
    where, language = f"The environment variable {VARIABLE}", os.environ.get(VARIABLE, "")
    if not language and (dags / FILE).is_file():
        where, language = f"The file {FILE} beside the DAGs", (dags / FILE).read_text(encoding="utf-8")
    language = language.strip() or "en"
    if language not in LANGUAGES:
        message = f"{where} is {language[:20]!r}; expected {' or '.join(map(repr, LANGUAGES))}."
        raise SettingsError(message)
    return language
