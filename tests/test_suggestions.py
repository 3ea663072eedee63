from hwgen.suggestions import did_you_mean, meant_names, suggest, suggest_field

NAMES = ["train", "synthesize", "report"]
WORDS = {"generate": ["synthesize"], "trai": ["report", "unknown"], "x": ["unknown"]}


def test_similar_names_are_suggested_or_all() -> None:
    assert suggest("trian", NAMES) == "Did you mean train?"
    assert suggest("quux", NAMES) == "Known: train, synthesize, report"


def test_words_come_before_similar_names_where_what_they_mean_exists() -> None:
    assert suggest("generate", NAMES, WORDS) == "Did you mean synthesize?"
    assert meant_names("trai", NAMES, WORDS) == ["report"]
    assert meant_names("trai", NAMES[:2], WORDS) == ["train"]
    assert meant_names("x", NAMES, WORDS) == []
    assert meant_names("y", "abcd", {"y": "abcd"}) == ["a", "b", "c"]


def test_fields_are_found_by_their_last_name() -> None:
    assert suggest_field("lr", ["optimizer.lr", "loss.a"]) == did_you_mean(["optimizer.lr"])
    assert suggest_field("q", ["loss.a"]) == "Known: loss.a"
