"""Conversion of sources into tables for charts: pure functions, no Streamlit, no I/O."""
