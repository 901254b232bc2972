"""The stage `filter`: language, domain and quality signals as columns, and rules over them."""
