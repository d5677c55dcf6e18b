from reportgen.suggest import find_nearest, suggestion


def test_the_nearest_name_ignores_case() -> None:
    assert find_nearest("Logit_Lens", ["pca_map", "logit_lens"]) == "logit_lens"
    assert find_nearest("pfd", ["html", "pdf", "figures"]) == "pdf"


def test_a_name_unlike_all_others_has_no_nearest() -> None:
    assert find_nearest("qqq", ["pca_map", "logit_lens"]) is None
    assert find_nearest("qqq", []) is None


def test_without_a_near_name_the_first_few_are_listed() -> None:
    assert suggestion("qqq", ["a", "b"]) == "Known: a, b"
    assert suggestion("qqq", [f"n{i}" for i in range(9)]) == "Known: n0, n1, n2, n3, n4, n5, n6, n7, …"
    assert suggestion("qqq", []) == ""
