from proxy.sql.reason import Reason, explain_reason


def test_every_reason_is_explained() -> None:
    words = [explain_reason(reason) for reason in Reason]
    assert len(set(words)) == len(words)
    assert not any(text.endswith(".") for text in words)


def test_reasons_are_labels() -> None:
    assert all(reason.replace("_", "").isalpha() and reason.islower() for reason in Reason)
