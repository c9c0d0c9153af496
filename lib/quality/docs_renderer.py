"""What GX's pages say of checks, where GX would say it otherwise: Pagelake's counts, severities, and no text of Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from great_expectations.render import CollapseContent, RenderedStringTemplateContent
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.renderer.content_block import (
    ExpectationSuiteBulletListContentBlockRenderer,
    ValidationResultsTableContentBlockRenderer,
)

from lib.quality.counts import Counts
from lib.quality.validate import Finding, counts_of, finding_of

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

# Icons of GX's pages, by the shape of the counts; docs.css draws them.
ICONS = {
    "good": "fas fa-check-circle text-success",
    "open": "fas fa-exclamation-circle text-warning",
    "bad": "fas fa-times text-danger",
}


class CountedResults(ValidationResultsPageRenderer):
    """The page of one table, with the counts that the rest of the site has in place of a share of all."""

    @classmethod
    def _render_validation_header(cls, validation_results: ExpectationSuiteValidationResult) -> Any:
        header = super()._render_validation_header(validation_results)
        counts = counts_of(validation_results.results)
        sentence = header.subheader.string_template
        # Not the name of a data asset, which a DataFrame does not have.
        sentence["template"] = "Suite: $expectation_suite_name\n$html_success_icon $success"
        said = sentence["params"]
        said["html_success_icon"] = f'<i class="{ICONS[counts.shape]}" aria-hidden="true"></i>'
        said["success"] = str(counts)
        return header

    @classmethod
    def _render_validation_statistics(cls, validation_results: ExpectationSuiteValidationResult) -> Any:
        block = super()._render_validation_statistics(validation_results)
        block.table = _table(counts_of(validation_results.results))
        return block

    def _generate_collapse_content_block(
        self, collapse_content_blocks: list[Any], validation_results: ExpectationSuiteValidationResult
    ) -> CollapseContent:
        """When it was checked, and by which version; not what GX calls a batch, which is Python's text."""
        return CollapseContent(collapse_toggle_link="About this check", collapse=collapse_content_blocks)


class ResultRows(ValidationResultsTableContentBlockRenderer):
    """The checks of one column: what came of each in words, and its severity."""

    @classmethod
    def _process_content_block(cls, content_block: Any, has_failed_evr: Any, render_object: Any = None) -> None:
        super()._process_content_block(content_block, has_failed_evr, render_object)
        content_block.header_row = [
            "Result",
            "Severity",
            "Expectation",
            "Observed value",
            *content_block.header_row[3:],
        ]

    @classmethod
    def _get_content_block_fn(cls, *args: Any, **kwargs: Any) -> Callable[..., Any] | None:
        rows = super()._get_content_block_fn(*args, **kwargs)
        if rows is None:
            return None

        def made(*args: Any, result: ExpectationValidationResult, **kwargs: Any) -> Any:
            [[_, expectation, observed, *more]] = rows(*args, result=result, **kwargs)
            finding = finding_of("", result)
            shape, words = _result(finding)
            found = dict(result.result or {}).get("observed_value")
            if isinstance(found, list | tuple | set):
                observed = ", ".join(map(str, found))
            return [[_worded(shape, words), finding.severity, expectation, observed, *more]]

        return made


class SevereSentences(ExpectationSuiteBulletListContentBlockRenderer):
    """The expectations of one column of a suite, each with its severity."""

    @classmethod
    def _get_content_block_fn(cls, *args: Any, **kwargs: Any) -> Callable[..., Any] | None:
        sentences = super()._get_content_block_fn(*args, **kwargs)
        if sentences is None:
            return None

        def made(*args: Any, configuration: Any, **kwargs: Any) -> Any:
            [first, *more] = sentences(*args, configuration=configuration, **kwargs)
            severity = str(getattr(configuration.severity, "value", configuration.severity))
            return [[first, _severity(severity)], *more]

        return made


def _table(counts: Counts) -> Sequence[Sequence[str | int]]:
    return [
        ["Critical, failed", counts.critical],
        ["Could not be checked", counts.unchecked],
        ["Warnings", counts.warnings],
        ["Passed", counts.passed],
        ["All checks", counts.checked],
    ]


def _result(finding: Finding) -> tuple[str, str]:
    """A shape, and words, so that the colour is not alone."""
    if finding.success is None:
        return "bad", "Could not check"
    if finding.success:
        return "good", "Passed"
    return ("bad", "Failed, critical") if finding.severity == "critical" else ("open", "Failed, warning")


def _worded(shape: str, words: str) -> RenderedStringTemplateContent:
    icon = {"tag": "i", "classes": ICONS[shape].split(), "attributes": {"aria-hidden": "true"}}
    return RenderedStringTemplateContent(
        string_template={
            "template": "$icon $words",
            "params": {"icon": "", "words": words},
            "styling": {"params": {"icon": icon}},
        },
        styling={"parent": {"classes": [f"result-{shape}"]}},
    )


def _severity(severity: str) -> RenderedStringTemplateContent:
    return RenderedStringTemplateContent(
        string_template={
            "template": "$severity",
            "params": {"severity": severity},
            "styling": {"params": {"severity": {"classes": ["badge", "severity", severity]}}},
        }
    )
