"""Whatever is done to a source YAML, reading it ends in a source or a ConfigError."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.config import load_source
from lib.errors import ConfigError
from tests.suite_parts import examples

CONF = Path(__file__).parents[2] / "conf"
MUSIC = (CONF / "sources/moovitamix.yml").read_text(encoding="utf-8")
LINES = MUSIC.splitlines(keepends=True)
characters = st.sampled_from(list("{}[]<>&*!|>%@`'\":,#-?~\n\t \0$=.0aé\ufeff\x85")) | st.characters()


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """The music service's YAML, with lines and characters lost, repeated or replaced."""
    lines = list(LINES)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        lines[at : at + 1] = draw(
            st.sampled_from([[], [lines[at]] * 2, [draw(st.sampled_from(LINES))], ["  " + lines[at]]])
        )
    text = "".join(lines)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        text = text[:at] + draw(st.just("") | characters) + text[at + draw(st.integers(0, 3)) :]
    return text


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(damaged())
def test_any_damage_is_a_config_error_or_still_a_source(tmp_path: Path, text: str) -> None:
    path = tmp_path / "damaged.yml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        source = load_source(str(path), conf_dir=CONF, env={})
    except ConfigError as error:
        assert "damaged.yml" in str(error)  # noqa: PT017 (some damage, as in a comment, leaves a good source)
    else:
        assert source.tables
