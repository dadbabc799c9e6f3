"""Sources made into tables that charts draw: plain functions, no Streamlit, no I/O."""
