"""Sources: what a recipe names becomes files that can be opened, here or anywhere."""
