"""Tests with the real libraries of the extra `zoo`: skipped where they are not installed, run by `.ci/run`."""
