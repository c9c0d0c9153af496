"""The faults: each breaks one promise of docs/reliability.md or one feature of README.md."""

from __future__ import annotations

from tests.faults.fault import Fault

UNIT, SPARK = "tests/unit/", "tests/spark/"


def _unit(name: str, promise: str, file: str, old: str, new: str, *tests: str) -> Fault:
    return Fault(name, promise, file, old, new, tuple(UNIT + test for test in tests))


def _spark(name: str, promise: str, file: str, old: str, new: str, *tests: str) -> Fault:
    return Fault(name, promise, file, old, new, tuple(SPARK + test for test in tests))


PLAN, PROVE, BUDGET = "lib/landing/plan.py", "lib/landing/prove.py", "lib/landing/budget.py"
RETRY, HOSTS, TRANSPORT, BODY = (
    "lib/source/retry.py",
    "lib/source/hosts.py",
    "lib/source/transport.py",
    "lib/source/body.py",
)
TOKENS, LOGIN = "lib/source/tokens.py", "lib/source/login.py"
PUBLICATIONS, ROLLBACK, SITE = "lib/lake/publications.py", "lib/lake/rollback.py", "lib/lake/site_folder.py"
LEASE = "lib/lake/lease.py"
ALERTS, ANOMALIES, MERGE = "lib/observe/alerts.py", "lib/observe/anomalies.py", "lib/lake/merge.py"
COMPARE, PARSE, NEWEST = "lib/tables/compare.py", "lib/tables/parse.py", "lib/tables/newest.py"

# fmt: off
_PLANS = (
    _unit("last-page-dropped", "Every page is planned", PLAN, "last = first.page + max(n_pages, claimed) - 1", "last = first.page + max(n_pages, claimed, 2) - 2", "test_landing_plan.py::test_the_plan_follows_what_the_server_gave"),
    _unit("pages-claimed-ignored", "Pages that the source claims are looked at", PLAN, "max(n_pages, claimed) - 1", "n_pages - 1", "test_landing_plan.py::test_the_plan_follows_what_the_server_gave"),
    _unit("wild-page-count-walked", "A page count that cannot be true is not walked", PLAN, "if claimed > n_pages + MOST_EXTRA_PAGES:", "if False:", "test_landing_plan.py::test_a_wild_page_count_is_not_walked"),
    _unit("empty-first-page-believed", "Numbers that cannot be true together are no plan", PLAN, "if total and not given and first.next_cursor is None:", "if False:", "test_landing_plan.py::test_a_total_over_an_empty_first_page_cannot_be_true"),
    _unit("page-lost-between-waves", "A cut keeps every page", PLAN, "start, end = max(low, offset), min(high, offset + span.n_pages)", "start, end = max(low, offset), min(high - 1, offset + span.n_pages)", "test_landing_plan.py::test_a_cut_keeps_every_page_once_and_differs_by_one_page_at_most"),
)
_PROOF = (
    _unit("total-at-the-end-not-compared", "A total that changed is no proof", PROVE, "is_resized = closing.error is None and closing.total != plan.total", "is_resized = False", "test_landing_prove.py::test_a_total_that_changed_makes_a_new_plan_and_a_whole_walk"),
    _unit("first-page-not-compared", "A first page that changed is no proof", PROVE, "if closing.items_sha256 != seen.first_page_sha256:", "if False:", "test_landing_prove.py::test_a_first_page_that_changed_is_walked_again_though_the_counts_agree"),
    _unit("reread-after-one-walk", "reread needs two whole walks that agree", PROVE, "        if case.walks < WALKS_THAT_AGREE or", "        if case.walks < 1 or", "test_landing_prove.py::test_a_part_read_again_does_not_count_as_a_walk"),
    _unit("walk-resumed-from-the-start", "A walk that is resumed goes on behind its last landed page", "lib/landing/walk.py", "    if not has_landed:", "    if True:", "test_landing_styles.py::test_a_walk_that_is_killed_goes_on_behind_its_last_landed_page"),
    _unit("cursor-shown", "A cursor is never shown", "lib/source/client.py", "(*fixed.secret_params, *self.access.params, *hidden)", "(*fixed.secret_params, *self.access.params)", "test_landing_styles.py::test_a_cursor_is_never_shown_where_its_page_fails"),
    _unit("address-shown", "The address of a next page is never shown", "lib/source/client.py", 'f"{redacted_url(url)}?{HIDDEN}"', "address", "test_landing_walks.py::test_a_position_is_never_shown_where_its_page_fails"),
    _unit("post-read-as-get", "No redirect turns a POST into a GET", "lib/source/request.py", "if asked.is_post and status not in _KEEP_THE_METHOD:", "if False:", "test_source_posts.py::test_a_redirect_that_would_make_a_get_of_it_is_an_error_that_says_so"),
    _unit("body-to-another-host", "No body goes to another host", "lib/source/request.py", "    elif asked.is_post:", "    elif False:", "test_source_posts.py::test_no_redirect_takes_a_body_to_another_host"),
    _unit("secret-of-a-body-shown", "No secret in messages", "lib/source/access.py", "found += [] if fixed.body is None else fixed.body.secrets", "found += []", "test_source_posts.py::test_no_failure_shows_a_secret_of_the_body"),
    _unit("number-becomes-text", "A position in the body is of the kind that the source gave it", "lib/source/paging/walked.py", "return json.dumps(value) if param.startswith(BODY) else str(value)", "return json.dumps(str(value)) if param.startswith(BODY) else str(value)", "test_source_posts.py::test_a_cursor_keeps_its_kind_where_it_goes_into_the_body"),
    _unit("last-page-of-a-connection-not-seen", "A page that says it is the last one ends a walk", "lib/source/paging/walked.py", "value = None if has_more is False else self._named(told)", "value = self._named(told)", "test_source_posts.py::test_a_graphql_connection_is_walked_to_the_page_that_says_it_is_the_last"),
    _unit("credential-lands-in-an-address", "The address of a next page lands without a credential", "lib/source/client.py", 'partition("=")[0]) not in names]', 'partition("=")[0]) not in ()]', "test_source_next_address.py::test_a_credential_that_the_source_repeats_under_its_name_lands_nowhere_and_is_sent_anew"),
    _unit("another-range-taken", "Other rows than those that were asked for are an error", "lib/source/paging/addressed.py", "if said[0] not in (None, start):", "if False:", "test_landing_ranges.py::test_other_rows_than_those_that_were_asked_for_are_an_error"),
    _unit("one-page-taken-for-all", "A full first page that names no other is not taken for all", "lib/source/page.py", "    if paging.is_addressable or first.next_cursor", "    if True or first.next_cursor", "test_landing_styles.py::test_a_full_first_page_that_names_no_other_is_not_taken_for_all"),
    _unit("offset-steps-by-what-was-asked-for", "A step is what the server gives", "lib/source/paging/addressed.py", "self.first + (position.number - 1) * position.given", "self.first + (position.number - 1) * self.size", "test_landing_styles.py::test_a_step_is_what_the_server_gives_and_not_what_it_was_asked_for"),
    _unit("part-counts-as-a-walk", "A part read again is no walk", PROVE, "walks=self.walks + 1 if whole else 0", "walks=self.walks + 1", "test_landing_prove.py::test_a_part_read_again_does_not_count_as_a_walk"),
    _unit("neighbours-not-read-again", "A short page costs itself and its neighbours", PROVE, "((page - 1, page, page + 1) if around else (page,))", "(page,)", "test_landing_prove.py::test_a_short_page_is_read_again_with_its_neighbours"),
    _unit("failed-pages-ignored", "A page that could not be had fails its table", PROVE, "if seen.failed and not is_resized:", "if False:", "test_landing_prove.py::test_a_page_that_failed_is_not_tried_again_here"),
    _unit("report-swaps-missing-and-too-many", "The report says how many rows are missing", PROVE, "'missing' if difference < 0 else 'too many'", "'missing' if difference > 0 else 'too many'", "test_landing_prove.py::test_the_report_names_pages_rows_and_what_to_try"),
    _spark("deletes-on-an-ended-copy", "Only a proved copy marks rows as deleted", "lib/lake/states.py", "PROVED = (COUNTED, REREAD, SWEPT)", "PROVED = (COUNTED, REREAD, SWEPT, ENDED)", "test_landing.py::test_without_a_total_a_source_is_walked_to_its_end_and_nothing_is_deleted"),
    _spark("deletes-on-an-unproved-copy", "Only a proved copy marks rows as deleted", "lib/lake/states.py", "PROVED = (COUNTED, REREAD, SWEPT)", "PROVED = (COUNTED, REREAD, SWEPT, UNPROVED)", "test_skipped_pages.py::test_a_skipped_page_takes_no_row_away_and_what_the_other_pages_have_is_merged"),
    _spark("deletes-on-an-incomplete-copy", "--accept-incomplete deletes nothing", "lib/lake/states.py", "PROVED = (COUNTED, REREAD, SWEPT)", "PROVED = (COUNTED, REREAD, SWEPT, INCOMPLETE)", "test_landing.py::test_what_an_operator_accepts_incomplete_is_merged_and_recorded_and_nothing_is_deleted"),
    _unit("end-not-looked-at-again", "An end that was declared by mistake is found", "lib/landing/looks.py", "    if not (is_changed or is_false or (last.next_cursor is not None and not has_own_way)):", "    if True:", "test_landing_ends.py::test_an_end_that_was_declared_by_mistake_is_found_and_the_walk_goes_on_there"),
    _unit("other-keys-taken-for-the-same", "A second walk must meet the same keys", "lib/landing/sweep.py", "    if missing or new or walk.next_cursor", "    if walk.next_cursor", "test_landing_ends.py::test_a_page_that_lost_a_row_is_found_by_it_though_its_source_tells_no_total"),
    _unit("sweep-begins-anew", "A second walk that is resumed goes on behind its last part", "lib/landing/sweep.py", "    if storage.is_table(at):", "    if False:", "test_landing_ends.py::test_a_second_walk_that_is_killed_goes_on_behind_its_last_part"),
    _unit("cap-taken-for-an-end", "An end at a number at which sources cap is none", PROVE, "why = why or caps.of_the_end(plan, seen)", "why = why or None", "test_landing_caps.py::test_an_end_at_a_cap_with_a_full_page_is_unproved_with_that_reason"),
    _unit("capped-total-taken-for-all", "Rows behind a total are an error", "lib/landing/looks.py", "    if is_told and proof.level", "    if False and proof.level", "test_landing_caps.py::test_a_total_behind_which_there_are_rows_is_an_error_that_says_what_to_do"),
    _unit("next-page-elsewhere-ignored", "One answer that names a next page is not all", "lib/source/paging/hints.py", "        if name in _NEXT:", "        if False:", "test_landing_caps.py::test_one_answer_that_names_a_next_page_is_an_error_that_names_the_style"),
    _unit("inexact-total-counted", "A total that is not exact by the answer itself is none", "lib/source/paging/hints.py", "if found is value or", "if False or", "test_landing_caps.py::test_a_total_of_which_the_answer_says_that_it_is_none_is_an_error"),
    _unit("resume-fetches-again", "A resumed run fetches only what has not landed", "lib/landing/land.py", "ranges += [table.whole] if is_reread else table.pages(landing.bronze.missing(table))", "ranges += [table.whole]", "test_landing_moves.py::test_a_run_that_is_killed_between_waves_fetches_only_the_pages_of_the_waves_that_did_not_land"),
    _unit("value-is-a-way", "A value is one segment of a path", "lib/source/part.py", 'quote(written(values[found[0][1:-1]]), safe="")', 'quote(written(values[found[0][1:-1]]), safe="/")', "test_landing_parts.py::test_a_value_is_one_segment_of_the_path"),
    _unit("personal-value-in-requests", "No placeholder is personal", "lib/config/placeholders.py", "    if column.pii:", "    if False:", "test_config_parts.py::test_a_mistake_has_its_line"),
    _unit("windows-only-touch", "No row is between two windows", "lib/config/slices.py", "begin if number == 0 else begin - self.unit", "begin", "test_config_parts.py::test_windows_that_meet_have_a_unit_in_common"),
    _unit("list-that-changed-believed", "A part whose first page changed is read again", "lib/landing/part_proof.py", "    if seen.n_again and seen.again_sha256 != seen.first_sha256:", "    if False:", "test_part_proof.py::test_what_is_known_of_a_part"),
    _unit("resume-asks-for-all-parts", "A resumed run asks only for parts that are missing", "lib/landing/parts.py", "_read(landing, one, one.open)", "_read(landing, one, list(one.parts))", "test_landing_parts.py::test_one_list_that_fails_fails_the_table_and_a_resumed_run_asks_for_it_alone"),
    _unit("wrong-path-is-no-rows", "A path that leads nowhere is no table without rows", "lib/landing/parts.py", "if gone and len(gone) == len(one.parts)", "if False and len(gone) == len(one.parts)", "test_landing_parts.py::test_a_path_that_leads_nowhere_is_no_table_without_rows"),
    _unit("lists-surer-than-their-rows", "A copy is no surer than that of the table for whose rows it is read", "lib/landing/parents.py", "    if proof == ENDED:", "    if proof == ENDED and False:", "test_landing_parts.py::test_a_copy_is_as_sure_as_that_of_the_table_for_whose_rows_it_is_read"),
)
_REQUESTS = (
    _unit("more-permits-than-the-budget", "Never more requests at a time than the budget", BUDGET, "self._free -= 1", "self._free -= 0", "test_landing_budget.py::test_permits_are_handed_out_up_to_the_concurrency_and_again_when_given_back"),
    _unit("rate-twice-as-fast", "Never more requests a second than the budget", BUDGET, "1.0 / requests_per_second", "0.5 / requests_per_second", "test_landing_budget.py::test_requests_per_second_are_evenly_spaced"),
    _unit("pause-shortened", "A pause in force is not shortened", BUDGET, "self._paused_until = max(self._paused_until, until)", "self._paused_until = until", "test_landing_budget.py::test_a_pause_stops_everybody_and_is_never_shortened"),
    _unit("pause-without-a-cap", "A pause is capped", BUDGET, "min(max(0.0, pause_s), self._max_wait_s)", "max(0.0, pause_s)", "test_landing_budget.py::test_a_pause_is_capped"),
    _unit("500-not-tried-again", "A status that may pass is tried again", RETRY, "status >= HTTPStatus.INTERNAL_SERVER_ERROR", "status > HTTPStatus.INTERNAL_SERVER_ERROR", "test_source_retries.py::test_a_status_that_may_pass_is_tried_again_and_counted"),
    _unit("one-attempt-fewer", "A page is asked for api.limits.attempts times", RETRY, "stop_after_attempt(attempts)", "stop_after_attempt(attempts - 1)", "test_source_retries.py::test_no_server_at_all_is_a_connection_error_after_all_attempts", "test_source_retries.py::test_reasons_are_counted_apart_and_the_last_failure_is_the_error"),
    _unit("too-long-a-pause-waited-for", "A pause that is too long fails at once", RETRY, "if asked_s is None or asked_s <= max_wait_s:", "if asked_s is None or asked_s > 0:", "test_source_retries.py::test_a_longer_pause_than_allowed_fails_at_once_and_says_so"),
    _unit("retry-after-date-ignored", "The pause that is asked for is kept", RETRY, "return max(0.0, (moment - now).total_seconds())", "return 0.0", "test_source_retries.py::test_retry_after_is_read_as_a_number_or_a_date"),
    _unit("429-slows-one-alone", "A 429 slows all", "lib/source/gate.py", "return too_many or failure.retry_after_s is not None", "return failure.retry_after_s is not None", "test_source_retries.py::test_a_429_slows_all_even_where_it_names_no_pause"),
    _unit("no-deadline-for-an-exchange", "A trickle does not outlive the time for an exchange", TRANSPORT, "self._deadline = None if limit_s is None else time.monotonic() + limit_s", "self._deadline = None", "test_source_retries.py::test_a_trickling_body_does_not_outlive_the_time_for_the_exchange"),
)
_TOKENS = (
    _unit("token-renewed-by-each", "A token is renewed once for all who report it", TOKENS, "held.serial == refused", "refused is not None", "test_source_tokens.py::test_however_many_report_one_token_it_is_renewed_once"),
    _unit("token-renewed-too-late", "A token is renewed before it expires", TOKENS, "max(lasts_s - EARLY_S, lasts_s / 2)", "lasts_s", "test_source_tokens.py::test_a_token_is_renewed_before_it_expires_or_when_it_is_refused"),
    _unit("token-asked-for-by-each-page", "A server that gives no token is not asked by each page", TOKENS, "return isinstance(held, Token) and (held", "return isinstance(held, str) or (held", "test_source_tokens.py::test_a_server_that_gives_no_token_is_told_by_host_status_and_code_alone"),
    _unit("rotated-refresh-token-forgotten", "A rotated refresh token is used from then on", TOKENS, "self._refresh_token = refresh_token\n", "pass\n", "test_source_tokens.py::test_a_refresh_token_that_is_rotated_is_used_from_then_on_and_told_once"),
    _unit("401-repeated-for-ever", "A request is repeated once with another token", "lib/source/client.py", "HTTPStatus.UNAUTHORIZED and not tally.is_renewed", "HTTPStatus.UNAUTHORIZED and tally.attempts < 9", "test_source_tokens.py::test_a_second_401_with_a_new_token_is_the_error_of_the_page"),
    _unit("401-of-another-host-reported", "No token is given up for another host's 401", "lib/source/client.py", "return self._token if origin_of(str(request.url)) == self._home else None", "return self._token", "test_source_tokens.py::test_a_401_of_another_host_renews_nothing_and_no_token_goes_there"),
    _unit("token-not-hidden", "No secret in messages", "lib/source/client.py", "return (*self.access.secrets, *self._tokens)", "return self.access.secrets", "test_source_secrets.py::test_a_token_that_was_renewed_is_hidden_as_the_new_one_is"),
    _unit("cookie-of-another-name", "The token is in the cookie that is named", LOGIN, "(?:^|,)\\s*{name}=", "{name}=", "test_source_tokens.py::test_a_login_call_may_give_its_token_in_a_header_or_a_cookie"),
    _unit("login-follows-redirects", "No redirect is followed with credentials", LOGIN, "if response.status_code in REDIRECTS:", "if False:", "test_source_tokens.py::test_a_server_that_gives_no_token_is_told_by_host_status_and_code_alone"),
    _unit("login-anywhere", "No request leaves for another place", LOGIN, "check_allowed(origin_of(str(request.url)), self._home, self.access.allowed_hosts)", "origin_of(str(request.url))", "test_source_tokens.py::test_a_token_is_not_asked_for_at_a_server_that_the_source_does_not_name"),
    _unit("error-text-of-a-token-server-shown", "No text of a token server is shown", LOGIN, "isinstance(code, str) and _ERROR_CODE.fullmatch(code)", "isinstance(code, str)", "test_source_tokens.py::test_a_server_that_gives_no_token_is_told_by_host_status_and_code_alone"),
    _unit("secrets-to-a-token-url-in-clear", "Secrets for a token go out encrypted", "lib/config/auth.py", "if parts.scheme == \"http\" and not is_loopback(parts.hostname or \"\"):", "if False:", "test_config_auth.py::test_any_other_token_url_is_a_mistake"),
)
_ANSWERS = (
    _unit("gzip-bomb-unpacked", "A gzip bomb is stopped at the cap", BODY, "stream.decompress(piece, CHUNK_BYTES)", "stream.decompress(piece)", "test_source_answers.py::test_a_gzip_bomb_is_stopped_at_the_cap_with_little_memory"),
    _unit("half-a-body-taken", "A body that ended early is no page", BODY, "    if not stream.eof:\n        raise TryAgainError(\"the compressed body ended early\"", "    if False:\n        raise TryAgainError(\"the compressed body ended early\"", "test_source_answers.py::test_a_damaged_or_unknown_encoding_is_an_error"),
    _unit("unsafe-character-set-read", "A character set that is not safe is an error", BODY, "return name if name in _UNICODE or _SINGLE_BYTE.fullmatch(name) else None", "return name", "test_source_answers.py::test_a_character_set_that_is_not_safe_is_an_error"),
)
_RULES = (
    _unit("error-with-status-200-taken", "A rule judges an error with status 200", "lib/source/client.py", "        if rule is None and is_page:\n", "        if is_page:\n", "test_source_rules.py::test_an_error_with_status_200_is_tried_again_before_rows_are_looked_for"),
    _unit("rules-of-the-api-first", "The rules of a table come first", "lib/source/access.py", "(*rules_of(f\"tables.{table.name}\", table.errors), *of_api)", "(*of_api, *rules_of(f\"tables.{table.name}\", table.errors))", "test_config_answer_rules.py::test_executors_get_the_rules_of_each_table_before_those_of_the_api_with_their_places"),
    _unit("end-takes-rows-with-it", "A page that has rows is no end", "lib/source/page.py", "        if has_rows(answer, paging.items):\n", "        if False:\n", "test_source_rules.py::test_a_page_that_ends_and_has_rows_is_an_error"),
    _unit("null-row-left-out", "A row that is null is not left out in silence", "lib/source/select.py", "if node is not self._tail or found is None or keys is None:", "if True:", "test_source_selected.py::test_a_null_in_the_place_of_a_row_is_a_row_and_one_on_the_way_is_none"),
    _unit("page-left-out-is-an-end", "A page whose rows an expression leaves out is no end", "lib/source/items.py", "if n_before and not n_items and total is None and is_ended_by_none:", "if False:", "test_source_selected.py::test_a_page_of_which_nothing_is_taken_is_no_end_for_a_style_that_knows_none"),
    _unit("text-of-a-row-lost", "A selected row keeps its text", "lib/source/located.py", "        if id(value) in spans:\n", "        if False:\n", "test_source_selected.py::test_rows_keep_the_text_that_the_source_gave_them"),
    _unit("secret-constant", "A secret parameter becomes no column", "lib/config/reading.py", "if isinstance(found, SecretStr) else None", "if False else None", "test_config_rows.py::test_a_mistake_has_its_line"),
    _unit("skipped-page-ends-a-walk", "A skipped page ends no walk in silence", "lib/source/page.py", "tells = paging.says_next(told) and not any(paging.says_next(Told(one, {})) for one in silent)", "tells = True", "test_source_rules.py::test_a_walk_is_not_ended_in_silence_by_a_skipped_page"),
    _unit("skipped-page-is-an-end", "A skipped page is no end", "lib/landing/bronze.py", "back = 1 AND NOT is_skipped AND page <", "back = 1 AND page <", "test_landing_rules.py::test_a_skipped_page_is_no_end_of_pages_without_a_total"),
    _unit("skipped-pages-not-said", "Skipped pages are counted and said", "lib/landing/land.py", "record.pages_skipped = seen.n_skipped or None", "record.pages_skipped = None", "test_landing_rules.py::test_a_skipped_page_is_counted_and_said_and_the_copy_is_not_proved"),
    _unit("walk-with-skipped-pages-proved", "A copy with skipped pages is not proved", PROVE, "is_counted = plan.total is not None and not seen.n_skipped", "is_counted = plan.total is not None", "test_landing_rules.py::test_a_skipped_page_leaves_a_copy_unproved"),
)
_SAFETY = (
    _unit("metadata-name-asked", "A metadata service is never asked", HOSTS, "if origin.host.rstrip(\".\") in NEVER_NAMES or is_never(origin.host):", "if is_never(origin.host):", "test_source_hosts.py::test_a_listed_host_is_that_host_and_port_and_no_other"),
    _unit("mapped-address-asked", "Forbidden addresses are known in every form", HOSTS, "if ip in _NAT64:", "if False:", "test_source_hosts.py::test_link_local_and_metadata_addresses_are_known_in_every_form"),
    _unit("other-end-not-looked-at", "A name that leads to a forbidden address gets no request", TRANSPORT, "if is_never(peer):", "if False:", "test_source_hosts.py::test_a_name_that_leads_to_a_forbidden_address_gets_no_request"),
    _unit("redirect-to-anywhere", "No request leaves for another place", HOSTS, "if not any(_names(entry, origin) for entry in allowed_hosts):", "if False:", "test_source_hosts.py::test_a_redirect_to_elsewhere_is_refused_at_once"),
    _unit("port-of-a-listed-host-ignored", "A listed host is that host and port", HOSTS, "return (parts.hostname, port) == (origin.host, origin.port)", "return parts.hostname == origin.host or port is None", "test_source_hosts.py::test_a_listed_host_is_that_host_and_port_and_no_other"),
    _unit("https-to-http", "A redirect from https to http is refused", HOSTS, "if home.scheme == \"https\" and origin.scheme == \"http\":", "if False:", "test_source_hosts.py::test_a_redirect_from_https_to_http_is_refused"),
    _unit("private-ca-not-taken", "A private CA is trusted if it is given", TRANSPORT, "    if ca_pem is not None:\n", "    if False:\n", "test_source_hosts.py::test_a_private_ca_is_trusted_if_it_is_given_and_only_then"),
    _unit("secret-in-a-message", "No secret in messages", "lib/source/redact.py", "    if holds(text, known):\n", "    if False:\n", "test_source_secrets.py::test_every_way_of_writing_a_secret_is_hidden"),
    _unit("password-in-a-url", "A URL is shown without credentials", "lib/source/redact.py", "netloc = parts.netloc.rpartition(\"@\")[2]", "netloc = parts.netloc", "test_source_secrets.py::test_a_url_is_shown_with_its_parameters_but_without_credentials"),
    _unit("secret-in-a-task-s-log", "What looks like a secret is not in Airflow's log", "dags/pagelake_command.py", "return _SECRET.sub(r\"\\1***\", text)", "return text", "test_dags.py::test_what_looks_like_a_secret_is_not_shown"),
    _unit("airflow-s-secrets-for-a-job", "A job gets nothing of Airflow", "dags/pagelake_command.py", "_AIRFLOW_PREFIXES = (\"AIRFLOW\", \"_AIRFLOW\",", "_AIRFLOW_PREFIXES = (\"_AIRFLOW\",", "test_dags.py::test_a_job_gets_what_was_exported_and_nothing_of_airflow"),
    _unit("value-in-a-check-s-error", "No value that Spark or GX quotes is shown", "lib/quality/inert.py", "line = _LOOSE.sub(\"***\", _QUOTED.sub(\"'***'\", line))", "line = line.strip()", "test_quality_inert.py::test_a_message_is_one_line_without_values_paths_or_traces"),
    _unit("path-in-a-check-s-error", "No path of the machine is shown", "lib/quality/inert.py", "line = line if paths else _PATH.sub(\"(a path)\", line)", "line = line.strip()", "test_quality_inert.py::test_a_message_is_one_line_without_values_paths_or_traces"),
    _unit("data-is-markup-in-the-docs", "Markup in the data is text in the data docs", "lib/quality/docs_view.py", "self.env.autoescape = True", "self.env.autoescape = False", "test_site_docs.py::test_markup_in_a_name_is_text_in_the_title_the_path_and_the_table_of_contents"),
    _unit("docs-lead-away", "No link of the data docs leads to another host", "lib/quality/docs_view.py", "if name != \"href\" or _LOCAL_HREF.fullmatch(value) else None", "", "test_site_docs.py::test_a_link_that_leaves_is_no_link_any_more", "test_site_docs.py::test_notes_in_markdown_have_neither_links_nor_pictures_nor_markup_of_their_own"),
    _unit("docs-show-the-exception", "The data docs show of an exception what is inert", "lib/quality/docs_view.py", "inert(params[\"exception_message\"])", "params[\"exception_message\"]", "test_site_docs.py::test_an_exception_is_what_may_be_shown_of_it"),
)
_PUBLICATION = (
    _unit("lock-not-taken", "One run at a time writes a lake", "lib/lake/lock.py", "        if not is_mine:", "        if False:", "test_rollback.py::test_a_rollback_keeps_out_of_a_lake_that_a_run_is_writing", "test_decisions.py::test_two_trainings_at_once_are_refused_and_the_second_touches_nothing"),
    _unit("held-lease-taken", "One run at a time writes a lake in an object store", LEASE, "if now.until > self._clock() or not self._put(e_tag):", "if not self._put(e_tag):", "test_lease.py::test_one_run_at_a_time_writes_and_says_who_it_is"),
    _unit("lost-lease-kept", "A holder that could not renew its lease in time has lost it", LEASE, "return self._until > self._clock()", "return True", "test_lease.py::test_a_store_that_does_not_answer_ends_a_lease_no_earlier_than_its_time"),
    _unit("index-written-first", "What leads to docs in an object store is written last", "lib/lake/objects.py", "key=lambda file: (file == folder / _LAST, file)", "key=lambda file: (file != folder / _LAST, file)", "test_storage.py::test_an_object_store_has_what_leads_to_the_rest_last"),
    _unit("file-not-fixed", "A kill between commit and published.json is fixed", PUBLICATIONS, "if publication is None or _told(layout) == publication.publication_id:", "if True:", "test_publications.py::test_a_kill_between_the_commit_and_the_file_is_fixed_by_the_next_start"),
    _unit("version-not-pinned", "published.json pins the version of each table", PUBLICATIONS, "\"version\": table.version,", "\"version\": None,", "test_publications.py::test_a_kill_between_the_commit_and_the_file_is_fixed_by_the_next_start", "test_rollback.py::test_a_rollback_puts_the_tables_back_that_the_current_publication_has_replaced"),
    _unit("publications-by-the-clock", "The order of publications is the lake's, not the clock's", PUBLICATIONS, "key=lambda one: (one.number, one.published_at, one.publication_id)", "key=lambda one: (one.published_at, one.publication_id)", "test_publications.py::test_a_publication_comes_into_force_whatever_the_clock_said_at_the_one_before"),
    _unit("failed-night-not-told", "The page of what is published tells of a latest run that did not publish", "lib/reporting/site.py", "    latest = write_report(of, kept, serving)\n", "    latest = write_report(of, kept, serving) and None\n", "test_latest_run.py::test_a_latest_run_that_did_not_publish_is_told_above_what_is_published"),
    _unit("warnings-count-as-failures", "A warning is no failure, wherever it is counted", "lib/quality/counts.py", "if self.critical or self.unchecked:", "if self.critical or self.unchecked or self.warnings:", "test_counts.py::test_the_worst_comes_first_and_all_add_up"),
    _unit("replaced-one-not-named", "A publication names what it replaces", PUBLICATIONS, "replaces=before.publication_id if before else None", "replaces=None", "test_publications.py::test_a_publication_names_the_one_that_it_replaces"),
    _unit("who-accepted-not-told", "An accepted failure is told", PUBLICATIONS, "    if publication.accepted:\n", "    if False:\n", "test_publications.py::test_who_accepted_what_and_why_is_in_the_record_and_in_the_file"),
    _unit("rollback-keeps-the-tables", "A rollback puts the tables back", ROLLBACK, "Publication(name, old.run_id, now, old.tables, restores", "Publication(name, old.run_id, now, known[-1].tables, restores", "test_rollback.py::test_a_rollback_puts_the_tables_back_that_the_current_publication_has_replaced"),
    _unit("rollback-to-what-is-lost", "A version that cannot be read is not put back", ROLLBACK, "    _check_readable(layout, old)\n", "", "test_rollback.py::test_a_version_that_is_not_there_any_more_is_not_put_back"),
    _unit("second-rollback-goes-nowhere", "A second rollback goes one further back", ROLLBACK, "shown = by_id[known[-1].checked_as] if known else None", "shown = known[-1] if known else None", "test_rollback.py::test_a_second_rollback_goes_one_further_back_and_a_third_has_nothing_to_go_back_to"),
    _unit("docs-changed", "Docs of a run are never changed", SITE, "    if storage.is_folder(target):\n", "    if False:\n", "test_site_folder.py::test_docs_that_are_there_are_never_changed"),
    _unit("docs-outside-the-site", "A name leads to no other folder", SITE, "or \"/\" in name or", "or", "test_site_folder.py::test_an_id_that_leads_elsewhere_is_refused"),
    _unit("copy-has-docs-in-the-making", "The copy of the site has nothing in the making", "lib/reporting/mirror.py", "return {name: size for name, size in files.items() if not any(part.startswith(\".\") for part in name.split(\"/\"))}", "return files", "test_site_mirror.py::test_the_copy_has_what_the_site_has_and_nothing_in_the_making"),
    _unit("copy-writes-index-first", "The copy's pages are written last", "lib/reporting/mirror.py", "key=lambda name: (name in PAGES, name == PAGES[-1], name)", "key=lambda name: (name not in PAGES, name)", "test_site_mirror.py::test_the_pages_are_written_last_as_what_they_link_to_must_be_there_by_then"),
)
_OBSERVED = (
    _unit("alert-never-sent", "An alert is told when it opens", ALERTS, "elif self.verdict.holds and not is_open:", "elif False:", "test_alerts.py::test_an_alert_is_told_when_it_opens_and_when_it_is_over"),
    _unit("recovery-never-told", "An alert is told when it is over", ALERTS, "elif not self.verdict.holds and state is not None and (is_open or state.is_owed):", "elif False:", "test_alerts.py::test_an_alert_is_told_when_it_opens_and_when_it_is_over"),
    _unit("alert-told-twice", "Nothing is told twice within a minute", ALERTS, "abs(self.now - state.last.at) < SHORTEST", "self.now < state.last.at", "test_alerts.py::test_nothing_is_told_twice_within_a_minute"),
    _unit("undelivered-alert-forgotten", "What did not arrive stays due", ALERTS, "        if state.is_owed:\n            yield replace", "        if False:\n            yield replace", "test_alerts.py::test_what_did_not_arrive_is_sent_without_a_run_too"),
    _unit("address-of-a-channel-in-the-log", "Secrets of a channel's address are nowhere", "lib/observe/send.py", "return f\"failed ({type(error).__name__})\"", "return f\"failed ({error})\"", "test_alerts_raising.py::test_what_a_service_raises_is_told_by_its_kind_alone"),
    _unit("half-of-the-rows-is-normal", "Half of the volume is an anomaly", ANOMALIES, "Bad.EITHER: not low <= one.value <= high,", "Bad.EITHER: one.value > high,", "test_anomalies.py::test_half_of_the_volume_is_an_alarm_on_any_day"),
    _unit("anomaly-after-six-runs", "With fewer than seven runs nothing is an anomaly", ANOMALIES, "FEWEST_RUNS = 7", "FEWEST_RUNS = 6", "test_anomalies.py::test_six_runs_say_nothing_yet_and_seven_on_one_weekday_do"),
    _unit("retries-off-by-one", "Retries of a task are counted", "lib/observe/tasks.py", "else end.try_number - 1", "else end.try_number", "test_record_task.py::test_a_try_of_a_task_is_measured"),
    _unit("killed-run-said-to-have-failed", "A killed run is told apart", "lib/observe/outcome.py", "return Outcome.KILLED", "return Outcome.FAILED", "test_summary.py::test_a_run_without_an_end_runs_while_it_holds_the_lock_and_was_killed_otherwise", "test_observe.py::test_a_killed_run_is_closed_measured_and_told_by_the_next_one"),
    _unit("status-hides-failing-tasks", "status says which task fails", "lib/reporting/status.py", "tasks = failing_tasks(layout, now)", "tasks = failing_tasks(layout, now)[:0]", "test_record_task.py::test_status_says_which_task_fails_until_it_ends_well"),
    _unit("volume-judged-after-four-runs", "A plausible volume needs five runs", "lib/quality/volume.py", "FEWEST_RUNS, MOST_RUNS = 5, 14", "FEWEST_RUNS, MOST_RUNS = 4, 14", "test_quality_volume.py::test_four_runs_say_nothing_yet"),
    _unit("nightly-retries-failed-checks", "A scheduler does not retry what would end the same", "scripts/nightly.sh", "[[ $status == 1 || $status == 4 ]] || return", "[[ $status == 1 || $status == 3 || $status == 4 ]] || return", "test_nightly.py::test_only_status_1_and_4_are_tried_again_and_three_tries_are_enough"),
)
_CONTRACT = (
    _unit("lossy-type-is-wider", "A type that could lose something is refused", "lib/tables/fit.py", "(\"int\", \"double\")}", "(\"int\", \"double\"), (\"bigint\", \"double\")}", "test_contract_fit.py::test_a_type_that_could_lose_something_is_refused"),
    _unit("any-share-may-be-deleted", "More than max_delete_fraction gone stops the table", COMPARE, "if n_deleted > table.max_delete_fraction * n_live:", "if False:", "test_contract_limits.py::test_more_deleted_rows_than_allowed_stop_the_table"),
    _unit("any-share-may-be-rejected", "More than max_rejected_fraction rejected stops the table", COMPARE, "if n_rejected > table.max_rejected_fraction * of:", "if False:", "test_contract_limits.py::test_more_rejected_rows_than_allowed_stop_the_table"),
    _unit("empty-source-takes-all-away", "An empty source takes nothing away", COMPARE, "if not n_rows and n_live:", "if False:", "test_contract_limits.py::test_an_empty_answer_takes_nothing_away_from_a_table_with_rows"),
)
_INCREMENTS = (
    _unit("watermark-before-its-rows", "A watermark counts once its rows are published", "lib/lake/watermarks.py", "and there.version >= self.version", "and there.version >= 0", "test_increments.py::test_after_failed_checks_the_next_run_asks_from_what_is_published"),
    _unit("watermark-of-the-future", "A row dated in the future hides no other", "lib/landing/increments.py", "        bounds.append(scale.text(record.source_at))", "        pass", "test_increments.py::test_a_row_of_the_future_hides_no_other"),
    _unit("watermark-passes-a-gap", "A watermark never passes a gap", "lib/landing/increments.py", "if record.since is not None and scale.rank(record.since) > scale.rank(at):", "if False:", "test_increments.py::test_a_backfill_that_leaves_a_gap_moves_no_watermark"),
    _unit("watermark-of-an-unproved-copy", "A copy that is not proved moves no watermark", "lib/landing/increments.py", "if greatest is None or record.proof not in (*PROVED, ENDED):", "if greatest is None:", "test_increments.py::test_an_unproved_copy_moves_no_watermark"),
    _unit("increment-shows-all", "An increment marks no row as deleted", "lib/lake/runs.py", "return self.proof in PROVED and not self.is_increment", "return self.proof in PROVED", "test_increments.py::test_deletes_are_found_by_a_full_run_and_by_no_increment"),
    _unit("unproved-sweep-deletes", "A sweep that is not proved deletes nothing", "lib/lake/runs.py", "return self.sweep in PROVED", "return self.sweep is not None", "test_key_sweep.py::test_a_walk_that_is_not_proved_deletes_nothing_and_says_so"),
    _unit("resumed-sweep-goes-by-an-old-walk", "A resumed sweep begins anew", "lib/landing/key_sweep.py", "    _forget(landing, due)", "    pass", "test_key_sweep.py::test_a_run_that_is_resumed_sweeps_anew"),
    _unit("overlap-forgotten", "Rows that come late are found within the overlap", "lib/config/incremental.py", "return self.text((value - span).replace(microsecond=0))", "return self.text(value.replace(microsecond=0))", "test_increments.py::test_rows_that_come_late_are_found_within_the_overlap_only"),
    _unit("same-time-taken-for-the-same-row", "Nothing is called unchanged that differs", "lib/landing/unchanged.py", "            return isinstance(given, str) and given == held", "            return True", "test_increments.py::test_what_differs_within_the_overlap_is_something_new"),
    _unit("other-columns-keep-the-watermark", "A table whose columns change is requested in full", "lib/landing/increments.py", 'return found if found is not None and found.asks == asks_of(source, table) else None', "return found", "test_increments.py::test_other_settings_of_what_is_asked_make_the_next_run_a_full_one"),
)
_FEATURES = (
    _unit("prometheus-says-the-opposite", "Prometheus is told how the last run ended", "lib/observe/export/prometheus.py", "float(known is outcome)", "float(known is not outcome)", "test_export_prometheus.py::test_the_file_says_what_was_measured_and_how_the_run_ended"),
    _unit("personal-key-shown", "explain-row shows no personal value", "lib/lineage/key.py", "    if column.pii:\n        return MASK", "    if False:\n        return MASK", "test_explain_row_key.py::test_personal_values_are_never_shown"),
    _unit("explained-the-wrong-way-round", "explain-row says which row replaces which", "lib/lineage/row_history.py", "(hit.newest > held.newest) - (hit.newest < held.newest)", "(hit.newest < held.newest) - (hit.newest > held.newest)", "test_explain_row_verdicts.py::test_an_older_row_never_replaces_a_newer_one"),
    _unit("half-written-file-left", "What cannot be written leaves nothing beside the old file", "lib/files.py", "written.unlink(missing_ok=True)", "written.exists()", "test_files.py::test_what_cannot_be_written_leaves_the_old_file_and_nothing_else"),
    _unit("stderr-on-a-notebook-s-page", "A page of a notebook has nothing of stderr", "notebooks/tooling/run.py", "if one.get(\"name\") != \"stderr\"", "if one.get(\"name\") != \"\"", "test_notebooks_job.py::test_a_page_has_its_name_and_not_what_was_said_on_stderr"),
    _unit("failed-run-below-good-ones", "The report's charts show what went wrong on top", "lib/observe/charts.py", "in_order = sorted(summaries, key=lambda one: not one.outcome.is_good)", "in_order = list(summaries)", "test_charts.py::test_every_run_has_the_mark_of_its_outcome_what_went_wrong_on_top"),
    _unit("alert-hides-its-run", "An alert says which run it is about", "lib/observe/messages.py", "    if run_ids:\n", "    if False:\n", "test_alerts.py::test_a_message_says_what_since_when_how_far_and_where_to_look"),
)
_TABLES = (
    _spark("missing-value-not-seen", "A required column without a value is missing", PARSE, "F.col(f\"row.{name}\").isNull() & ~F.array_contains(\"wrong\", name)", "F.lit(False)", "test_parse.py::test_a_required_column_without_a_value_is_missing"),
    _spark("personal-value-in-quarantine", "No personal value in quarantine", PARSE, "        if column.pii:\n", "        if False:\n", "test_parse.py::test_a_rejected_row_goes_to_quarantine_with_its_place_and_without_personal_values"),
    _spark("rejected-rows-lost", "A rejected row goes to quarantine", "lib/tables/reject.py", "rows.where(F.size(\"problems\") > 0)", "rows.where(F.size(\"problems\") > 1)", "test_parse.py::test_a_rejected_row_goes_to_quarantine_with_its_place_and_without_personal_values"),
    _spark("deleted-rows-read-by-spark", "No reader sees a deleted row unless it asks for one", "lib/lake/read.py", "rows if with_deleted else rows.where(entry.live)", "rows", "test_every_engine.py::test_every_reader_sees_live_rows_unless_it_asks_for_deleted_ones"),
    _spark("deleted-rows-read-without-spark", "No reader sees a deleted row unless it asks for one", "lib/lake/without_spark.py", "\"true\" if with_deleted else entry.live", "\"true\"", "test_every_engine.py::test_every_reader_sees_live_rows_unless_it_asks_for_deleted_ones"),
    _spark("vectors-in-gold", "pandas reads every table of gold", "lib/lake/derived.py", "table.dropFeatureSupport(\"deletionVectors\")", "pass", "test_every_engine.py::test_pandas_and_arrow_datasets_read_gold_and_a_table_of_an_earlier_version_once_it_changes"),
    _spark("oldest-row-wins", "The newest row of a key wins", NEWEST, ".desc_nulls_last()", ".asc_nulls_last()", "test_newest.py::test_the_newest_row_of_a_key_wins"),
    _spark("tie-broken-by-chance", "A tie has the same winner in any order", NEWEST, "order = [F.size(\"problems\") > 0, F.col(\"_row_hash\").desc()]", "order = [F.size(\"problems\") > 0, F.lit(0)]", "test_newest.py::test_a_tie_has_the_same_winner_in_any_order"),
    _spark("microseconds-not-hashed", "A change of a microsecond is a change", NEWEST, "HH:mm:ss.SSSSSS", "HH:mm:ss.SSS", "test_newest.py::test_a_microsecond_a_null_and_the_end_of_an_array_change_the_hash"),
    _spark("as-many-rows-are-the-same", "As many rows are not the same rows", MERGE, "return not any(found)", "return not found[0]", "test_merge.py::test_as_many_rows_are_not_taken_for_the_same_ones"),
    _spark("older-row-replaces-newer", "An older row never replaces a newer one", "lib/lake/change.py", "return Change.OLDER if age is Age.OLDER else Change.CHANGED", "return Change.CHANGED", "test_merge.py::test_an_older_row_never_replaces_a_newer_one"),
    _spark("deleted-row-stays", "A deleted row is marked", MERGE, ".whenMatchedUpdate(F.col(\"new._is_deleted\"), {", ".whenMatchedUpdate(F.lit(False), {", "test_merge.py::test_a_deleted_row_is_marked_and_comes_back"),
    _spark("row-that-is-back-stays-deleted", "A deleted row comes back", "lib/lake/change.py", "WRITTEN = (Change.CHANGED, Change.RETURNED)", "WRITTEN = (Change.CHANGED,)", "test_merge.py::test_a_deleted_row_is_marked_and_comes_back"),
    _spark("late-run-wins", "An older run never replaces a newer one's rows", "lib/lake/change.py", "    if is_late:\n", "    if False:\n", "test_replay.py::test_an_older_run_changes_no_row_of_a_newer_one_lets_none_return_and_takes_none_away"),
    _spark("merge-gives-up-at-a-conflict", "A merge that meets another writer is done again", "lib/lake/conflicts.py", "stop=stop_after_attempt(ATTEMPTS)", "stop=stop_after_attempt(1)", "test_replay.py::test_a_merge_that_meets_another_writer_is_done_again_from_what_the_table_is_then"),
    _spark("unchanged-run-writes", "A run that changes nothing writes nothing", "lib/gold/refresh.py", "if before == {name: base.version for name, base in now.items()}:", "if False:", "test_listens.py::test_an_unchanged_run_writes_no_version"),
    _spark("deleted-sessions-are-heard", "listens are those of sessions that are there", "lib/gold/listens.py", "listen_history.where(F.col(\"_deleted_at\").isNull())", "listen_history.where(F.lit(True))", "test_newest.py::test_listens_are_the_tracks_of_sessions_that_are_still_there"),
    _spark("orphan-check-skipped", "Pointers at no row are counted", "lib/quality/references.py", "F.coalesce(\"_is_deleted\", F.lit(True))", "F.coalesce(\"_is_deleted\", F.lit(False))", "test_checks.py::test_orphans_are_counted_by_column_with_their_distinct_keys_and_never_shown"),
    _spark("rejected-row-makes-orphans", "A pointer at a rejected row is no orphan", "lib/quality/references.py", "met = F.coalesce(\"_there\", met)", "met = F.coalesce(met, \"_there\")", "test_checks.py::test_a_pointer_at_a_rejected_row_is_no_orphan_though_quarantine_masks_its_key"),
    _spark("personal-values-shown-to-readers", "Personal columns come masked", "lib/lake/personal.py", "hidden = set(personal.among(table, names)) - set(asked)", "hidden: set[str] = set()", "test_personal.py::test_text_is_masked_anything_else_is_null_and_what_is_missing_is_seen_to_be_missing"),
    _spark("accepting-one-accepts-all", "One failure is accepted by name", "lib/quality/accept.py", "return tuple(finding for finding in failed if finding.name != accepted.expectation)", "return ()", "test_accept.py::test_one_accepted_failure_does_not_let_another_one_through"),
    _spark("gone-by-an-unproved-copy", "A copy that is not proved takes no rejected row for gone", "lib/lake/quarantine.py", "earlier & F.col(\"held.table\").isin(list(complete)), _resolved", "earlier, _resolved", "test_replay.py::test_a_run_that_was_not_proved_complete_takes_no_rejected_row_for_gone"),
    _spark("half-a-rebuild-taken", "A rebuild that lacks a table replaces nothing", "lib/landing/replay.py", "    if not run.failed:\n", "    if True:\n", "test_replay.py::test_a_rebuild_that_cannot_take_what_was_merged_replaces_nothing"),
)
_LISTS = (
    _unit("training-sees-the-test", "A training sees no play after its split", "lib/recommend/evaluate.py", "past = histories.before(split)", "past = histories.before(end)", "test_recommend_evaluate.py::test_a_model_sees_the_plays_before_the_split_and_the_split_as_now"),
    _unit("luck-is-promoted", "A candidate that is not better is not promoted", "lib/recommend/comparison.py", "low > 0, f", "over_baseline.mean > -1, f", "test_recommend_comparison.py::test_each_gate_alone_keeps_what_there_is"),
    _unit("worse-than-the-champion", "A candidate that is worse than the champion is not promoted", "lib/recommend/comparison.py", "over_champion.low >= -rules.margin", "over_champion.high >= -rules.margin", "test_recommend_comparison.py::test_each_gate_alone_keeps_what_there_is"),
    _unit("damaged-model-serves", "A damaged model serves no list", "lib/lake/model_numbers.py", "if _hash_of(items, rows) != decision.sha256:", "if False:", "test_decisions.py::test_numbers_that_are_missing_or_others_are_an_error_that_names_the_model"),
    _unit("withdrawn-model-serves", "A model of a publication that was taken back serves no list", "lib/lake/decisions.py", "if one.run_id != target.run_id}", "if False}", "test_decisions.py::test_a_model_of_a_publication_that_was_taken_back_serves_no_more"),
    _unit("idle-users-by-the-model", "An idle user gets what a new one gets", "lib/recommend/scoring.py", "histories.last_play() < now - settings.idle_days * DAY", "histories.last_play() < 0", "test_recommend_scoring.py::test_an_idle_user_gets_what_a_new_one_gets_and_still_has_what_they_played"),
    _unit("failed-lists-not-told", "Lists that are not published are told", "lib/reporting/lists.py", "float(found.is_published))] if is_told else []", "1.0)] if is_told else []", "test_lists_observed.py::test_a_build_that_fails_is_told_and_the_run_stays_as_it_was"),
    _spark("deleted-track-stays-in-lists", "Lists hold nothing that is deleted", "lib/gold/recommendations.py", "live = bases[reference.to_table].where(F.col(\"_deleted_at\").isNull())", "live = bases[reference.to_table]", "test_recommendations.py::test_the_next_run_takes_what_is_deleted_out_of_the_published_lists"),
    _spark("misplaced-rows-pass", "A list of new tracks has no track that was heard", "lib/quality/lists.py", "((F.col(LIST) == DISCOVER) & is_known)", "(F.lit(False))", "test_recommendations.py::test_lists_are_checked_against_the_tables_that_they_were_made_from"),
    _spark("plays-of-tomorrow-count", "Plays with a time in the future are left out", "lib/recommend/training_set.py", ".where(F.col(\"at\") <= F.unix_micros(F.lit(until)))", ".where(F.lit(True))", "test_training_set.py::test_plays_that_are_nobodys_or_of_nothing_or_of_later_or_deleted_are_left_out"),
)
# fmt: on
FAULTS: tuple[Fault, ...] = (
    *(*_PLANS, *_PROOF, *_REQUESTS, *_TOKENS, *_ANSWERS, *_RULES, *_SAFETY),
    *(*_PUBLICATION, *_OBSERVED, *_CONTRACT, *_INCREMENTS, *_FEATURES, *_TABLES, *_LISTS),
)
