"""The whole way again, every night: rate, judge, compare with the last time, report."""
