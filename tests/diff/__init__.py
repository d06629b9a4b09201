"""The difference tester: the same conversations directly and through the proxy, compared byte for byte."""
