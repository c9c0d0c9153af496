"""The house rules: which way imports point, and how long a module may be."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from lib.config import DERIVED_NAMES

REPO = Path(__file__).parents[1]
MOST_LINES = 400
# Where the lake to open is named by the environment, if by nobody else.
_OPENERS = ("lib/lake/read.py", "lib/lake/without_spark.py", "lib/failpoints.py")
# Who opens what a lake holds.
_STORAGE = {
    "lib/lake/storage.py",
    "lib/lake/delta_tables.py",
    "lib/lake/local_files.py",
    "lib/lake/objects.py",
    "lib/lake/lease.py",
    "lib/stores/s3.py",
    "lib/files.py",
}
# Who opens other files, all of this machine.
_NOT_OF_A_LAKE = {
    "lib/lake/place.py": "whether there can be a folder where --lake says",
    "lib/lake/site_folder.py": "names the folder in which docs are made, and opens nothing",
    "lib/config/alerts.py": "conf/alerts.yml",
    "lib/config/load.py": "conf/sources/",
    "lib/config/network.py": "a file of certificates",
    "lib/config/runtime.py": "the repo's files and the jars",
    "lib/config/yaml_file.py": "YAML of conf/",
    "lib/discovery/document.py": "an OpenAPI document",
    "lib/discovery/preview.py": "names the file of a source, and opens nothing",
    "lib/discovery/written.py": "conf/sources/ and expectations/ of a new source",
    "lib/jvm_says.py": "a pipe to the JVM",
    "lib/observe/export/fan_out.py": "names the file of a line of code, and opens nothing",
    "lib/quality/docs.py": "docs in the making, the assets of the set-up",
    "lib/quality/suites.py": "expectations/",
    "lib/quality/trial.py": "docs that are thrown away, expectations/",
    "lib/quality/validate.py": "docs in the making",
    "lib/stores/jars.py": "the jars of the set-up",
    "lib/reporting/kept_page.py": "docs in the making",
    "lib/reporting/mirror.py": "the copy of the site, which is in no lake",
    "lib/reporting/pages.py": "names the folder of the set-up's assets, and opens nothing",
    "lib/reporting/runs_page.py": "names the folder of the set-up's assets, and opens nothing",
    "jobs/cli.py": "Spark's properties",
    "jobs/record_task.py": "the name of a source's file, and opens nothing",
}
_SHARED_NAMES = {
    *("alerts", "columns", "failures", "lists", "metrics", "models", "names", "parts", "plan", "replay", "rollback"),
    *("runs", "secret", "status", "tables"),
}
_OF_FILES = {
    "glob",
    "fcntl",
    "fsspec",
    "obstore",
    "pathlib.Path",
    "pyarrow.fs",
    "pyarrow.parquet",
    "shutil",
    "tempfile",
}
_OF_TABLES = {"deltalake.DeltaTable", "deltalake.QueryBuilder", "deltalake.write_deltalake"}
# Functions of os that touch no file.
_OF_OS = {"cpu_count", "environ", "environ.get", "environ.update", "getpid", "getuid", "kill", "path.join"}
# What a package of lib may import of lib: those on the floors below its own. Packages of one floor are joined by a job.
_GROUND = {"config", "console", "errors", "failpoints", "files", "jvm_says", "logs", "session", "stores"}
_FIRST = {"lake", "source", "tables"} | _GROUND
_SECOND = {"gold", "landing", "observe", "quality", "recommend"} | _FIRST
ALLOWED = {
    "errors": set(),
    "files": set(),
    "config": {"errors"},
    "stores": {"errors"},
    "session": {"config", "errors", "jvm_says", "stores"},
    "jvm_says": {"logs"},
    "console": {"logs"},
    "failpoints": set(),
    "logs": set(),
    **dict.fromkeys(("lake", "source", "tables"), _GROUND),
    **dict.fromkeys(("gold", "landing", "observe", "quality", "recommend"), _FIRST),
    **dict.fromkeys(("discovery", "lineage", "reporting"), _SECOND),
}
MODULES = sorted(
    path for folder in ("jobs", "lib", "notebooks/tooling", "demo") for path in (REPO / folder).rglob("*.py")
)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def name_of(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.parts[-2] != "lib" or path.name != "__init__.py"], ids=name_of
)
def test_imports_point_one_way(path: Path) -> None:
    package, *rest = path.relative_to(REPO).with_suffix("").parts
    imports = imported(path)
    if package == "lib":
        own = rest[0]
        parts = {name.split(".")[1] for name in imports if name.startswith("lib.")}
        assert parts <= ALLOWED[own] | {own}
        assert not any(name == "jobs" or name.startswith("jobs.") for name in imports)
    if package == "demo":
        assert not any(name.split(".")[0] in ("lib", "jobs") for name in imports)


def opened_with(path: Path) -> set[str]:
    """What a module can open files and Delta tables with. Names that are there for type hints alone open nothing."""
    tree = ast.parse(path.read_text("utf-8"))
    hints = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    in_hints = {id(node) for block in hints for node in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in in_hints:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, node.module.split(".")[0], *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "io.open"):
            found.add("open")
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("os."):
            found.add(ast.unparse(node))
    of_os = {name for name in found if name.startswith("os.") and name != "os.path"}
    return found & (_OF_FILES | _OF_TABLES | {"open"}) | {name for name in of_os if name[3:] not in _OF_OS}


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path).startswith(("lib/", "jobs/"))], ids=name_of)
def test_what_a_lake_holds_is_opened_by_storage_alone(path: Path) -> None:
    opened, name = opened_with(path), name_of(path)
    if name in _STORAGE:
        return
    assert not opened & _OF_TABLES
    assert bool(opened) == (name in _NOT_OF_A_LAKE), opened


_WRITERS = ("bronze", "columns", "deletion_vectors", "derived", "merge", "quarantine")


def test_spark_writes_a_table_only_where_it_was_asked_whether_the_lease_is_still_held() -> None:
    writes = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))) if name_of(path).startswith(("lib/", "jobs/")) else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in ("saveAsTable", "insertInto", "writeTo"), name_of(path)
                where = ast.unparse(node.args[-1]) if node.args else ""
                # A record saves itself into a layout.
                if node.func.attr == "forPath" or (node.func.attr == "save" and not re.search(r"\blayout$|^\[", where)):
                    writes.add((path.stem, where.partition("(")[0]))
    assert writes == {(name, "storage.to_write") for name in _WRITERS}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_derived_table_is_named_where_it_is_declared_and_made_alone(path: Path) -> None:
    made_in = ("lib/gold/", "lib/config/derivations.py", "demo/")
    if name_of(path).startswith(made_in):
        return
    texts = {
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert texts.isdisjoint(DERIVED_NAMES)


def test_modules_that_share_a_name_share_its_meaning() -> None:
    packages: dict[str, set[str]] = {}
    for path in MODULES:
        if not path.name.startswith("__"):
            packages.setdefault(path.stem, set()).add(path.relative_to(REPO).parts[-2])
    # Each is one thing of the field, declared, kept, and worked with.
    assert {name for name, found in packages.items() if len(found) > 1} <= _SHARED_NAMES


@pytest.mark.parametrize("path", sorted((REPO / "jobs").glob("*.py")), ids=name_of)
def test_a_job_is_wiring_only(path: Path) -> None:
    most = 120 if path.name not in ("__main__.py", "cli.py") else MOST_LINES
    assert len(path.read_text("utf-8").splitlines()) <= most


@pytest.mark.parametrize("path", sorted((REPO / "dags").glob("*.py")), ids=name_of)
def test_a_dag_starts_jobs_as_processes_and_imports_nothing_of_them(path: Path) -> None:
    ours = {file.stem for file in (REPO / "dags").glob("*.py")}
    packages = {name.split(".")[0] for name in imported(path)}
    assert packages <= {"airflow"} | ours | set(sys.stdlib_module_names)
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("folder", ["source", "discovery"])
def test_what_speaks_http_knows_no_spark(folder: str) -> None:
    for path in (REPO / "lib" / folder).rglob("*.py"):
        assert not any(name.split(".")[0] in ("pyspark", "delta", "pyarrow") for name in imported(path))


def test_transforms_know_neither_delta_nor_gx() -> None:
    for path in (REPO / "lib" / "tables").glob("*.py"):
        assert not any(name.split(".")[0] in ("delta", "deltalake", "great_expectations") for name in imported(path))


def test_transforms_start_no_action() -> None:
    actions = {"collect", "count", "toPandas", "show", "write", "save", "first", "head", "take", "foreach"}
    for path in (REPO / "lib" / "tables").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in actions:
                # F.count is an aggregate, not an action.
                assert isinstance(node.value, ast.Name), f"{path.name}:{node.lineno}"
                assert node.value.id == "F", f"{path.name}:{node.lineno}"


def test_only_the_settings_and_the_jobs_read_the_environment() -> None:
    readers = {name_of(path) for path in MODULES if "os.environ" in path.read_text("utf-8")}
    assert all(
        name.startswith(("jobs/", "lib/config/", "notebooks/tooling/")) or name in _OPENERS for name in readers
    ), readers
