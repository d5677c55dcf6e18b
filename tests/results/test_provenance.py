from reportgen.results.provenance import versions


def test_versions_name_what_numbers_depend_on() -> None:
    assert {"python", "torch", "transformers", "lm-reportgen"} <= set(versions())
