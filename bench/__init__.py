"""Measurements. They print what they find and assert nothing."""
