"""What GX's page of a table says of its checks: Pagelake's counts, and warnings told apart from failures, which GX shows as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from great_expectations.render import RenderedStringTemplateContent
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.renderer.content_block import ValidationResultsTableContentBlockRenderer

from lib.quality.counts import Counts
from lib.quality.validate import counts_of, is_warning

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

# Icons of GX's pages, by the shape of the counts; docs.css draws them.
_ICONS = {
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
        said = header.subheader.string_template["params"]
        said["html_success_icon"] = f'<i class="{_ICONS[counts.shape]}" aria-hidden="true"></i>'
        said["success"] = str(counts)
        return header

    @classmethod
    def _render_validation_statistics(cls, validation_results: ExpectationSuiteValidationResult) -> Any:
        block = super()._render_validation_statistics(validation_results)
        block.table = _table(counts_of(validation_results.results))
        return block


class WarningsApart(ValidationResultsTableContentBlockRenderer):
    """The checks of one column: one that only warns, and failed, has a mark of its own."""

    @classmethod
    def _get_content_block_fn(cls, *args: Any, **kwargs: Any) -> Callable[..., Any] | None:
        rows = super()._get_content_block_fn(*args, **kwargs)
        if rows is None:
            return None

        def marked(*args: Any, result: ExpectationValidationResult, **kwargs: Any) -> Any:
            made = rows(*args, result=result, **kwargs)
            if is_warning(result):
                made[0][0] = _WARNED
            return made

        return marked


def _table(counts: Counts) -> Sequence[Sequence[str | int]]:
    return [
        ["Critical, failed", counts.critical],
        ["Could not be checked", counts.unchecked],
        ["Warnings", counts.warnings],
        ["Passed", counts.passed],
        ["All checks", counts.checked],
    ]


_WARNED = RenderedStringTemplateContent(
    content_block_type="string_template",
    string_template={
        "template": "$icon",
        "params": {"icon": "", "markdown_status_icon": "!"},
        "styling": {"params": {"icon": {"tag": "i", "classes": _ICONS["open"].split()}}},
    },
)
